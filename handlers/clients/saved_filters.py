"""Filters of the client list that staff save by name, each for themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import Field, TypeAdapter

from handlers import refusals
from handlers.access.caller import Caller
from handlers.fields import Line, validated
from portal_db.clients import saved_filters
from portal_db.database import Database
from portal_db.tables import SavedFilter

#: Of one person, and characters of one, at most.
MOST, LONGEST = 20, 500
_NAME = TypeAdapter(Annotated[Line, Field(max_length=60)])


def listing(database: Database, caller: Caller) -> Sequence[SavedFilter]:
    """The caller's filters, by name."""
    with database.read() as tx:
        return saved_filters.of_staff(tx, caller.staff_id)


def save(database: Database, caller: Caller, name: str, query: str) -> None:
    """Save a filter, in place of the caller's one of the same name.

    Raises:
        RequestRefused: the name does not fit, the filter is too long, or there are too many.
    """
    name = validated(_NAME, name, "name")
    if len(query) > LONGEST:
        raise refusals.TOO_LONG(max_length=LONGEST)
    with database.write() as tx:
        others = [each for each in saved_filters.of_staff(tx, caller.staff_id) if each.name != name]
        if len(others) >= MOST:
            raise refusals.TOO_MANY_FILTERS(most=MOST)
        saved_filters.put(tx, caller.staff_id, name, query)


def remove(database: Database, caller: Caller, filter_id: UUID) -> None:
    """Remove one of the caller's filters; it may be gone already."""
    with database.write() as tx:
        saved_filters.remove(tx, caller.staff_id, filter_id)
