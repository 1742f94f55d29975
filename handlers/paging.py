"""Pages of a list, and the cursors that lead from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from handlers import refusals
from portal_db.paging import BadCursor, Cursor

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a list. `next` is the cursor of the page after it; `None` at the end."""

    items: Sequence[T]
    next: str | None


def page_of(found: Sequence[T], limit: int, place: Callable[[T], tuple[datetime, UUID]]) -> Page[T]:
    """The first `limit` of up to `limit + 1` rows; `place` gives the sort key of a row."""
    items = found[:limit]
    return Page(items, str(Cursor(*place(items[-1]))) if len(found) > limit else None)


def read_cursor(text: str | None) -> Cursor | None:
    """The place that a cursor names.

    Raises:
        RequestRefused: it is not a valid cursor.
    """
    try:
        return Cursor.parse(text) if text else None
    except BadCursor:
        raise refusals.BAD_CURSOR() from None
