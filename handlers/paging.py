"""Pages of a list, and the cursors that lead from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from handlers import refusals
from portal_db.paging import BadCursor, Cursor

A = TypeVar("A")
T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a list. `next` is the cursor of the page after it; `None` at the end. `is_guess`: nothing matches the text
    that was searched for exactly, and these match but for a typing error."""

    items: Sequence[T]
    next: str | None
    is_guess: bool = False


def page_of(
    found: Sequence[T], limit: int, place: Callable[[T], tuple[datetime, UUID]], *, is_guess: bool = False
) -> Page[T]:
    """The first `limit` of up to `limit + 1` rows; `place` gives the sort key of a row."""
    items = found[:limit]
    return Page(items, str(Cursor(*place(items[-1]))) if len(found) > limit else None, is_guess)


def exact_or_guess(find: Callable[[A | None, int, bool], list[T]], after: A | None, limit: int) -> tuple[list[T], bool]:
    """The rows that match exactly; if there are none on any page, those that match but for a typing error, and whether they
    do. `find` takes the place after which to begin, the number of rows, and which of the two to find."""
    found = find(after, limit, False)
    if found or (after is not None and find(None, 1, False)):
        return found, False
    found = find(after, limit, True)
    return found, bool(found)


def read_id(text: str | None) -> UUID | None:
    """The place that a cursor names in a list in the order of ids.

    Raises:
        RequestRefused: it is not a valid cursor.
    """
    try:
        return UUID(text) if text else None
    except ValueError:
        raise refusals.BAD_CURSOR() from None


def read_cursor(text: str | None) -> Cursor | None:
    """The place that a cursor names.

    Raises:
        RequestRefused: it is not a valid cursor.
    """
    try:
        return Cursor.parse(text) if text else None
    except BadCursor:
        raise refusals.BAD_CURSOR() from None
