"""A client's history, read: what changed of its fields, relationships and team, and where each change came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from handlers.access.caller import Caller
from handlers.clients.queries import require
from handlers.paging import read_cursor
from portal_db.clients import history
from portal_db.database import Database
from portal_db.paging import Cursor
from portal_db.tables import ClientChange


@dataclass(frozen=True)
class Page:
    """So many changes, and where to go on if there are more."""

    changes: Sequence[ClientChange]
    next: Cursor | None


def page(database: Database, caller: Caller, client_id: UUID, *, cursor: str | None, limit: int) -> Page:
    """What changed of a client that the caller may see, the newest first.

    Raises:
        RequestRefused: there is none such for them, or the cursor is not one of ours.
    """
    after = read_cursor(cursor)
    with database.read() as tx:
        require(tx, caller, client_id)
        found = history.page(tx, client_id, after=after, limit=limit + 1)
    more, found = len(found) > limit, found[:limit]
    return Page(found, Cursor(found[-1].at, found[-1].id) if more else None)
