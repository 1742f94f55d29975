"""A client's history, read: what changed of its fields, relationships and team, and where each change came from."""

from __future__ import annotations

from uuid import UUID

from handlers.access.caller import Caller
from handlers.clients.queries import require
from handlers.paging import Page, page_of, read_cursor
from portal_db.clients import history
from portal_db.database import Database
from portal_db.tables import ClientChange


def page(database: Database, caller: Caller, client_id: UUID, *, cursor: str | None, limit: int) -> Page[ClientChange]:
    """What changed of a client that the caller may see, the newest first.

    Raises:
        RequestRefused: there is none such for them, or the cursor is not one of ours.
    """
    after = read_cursor(cursor)
    with database.read() as tx:
        require(tx, caller, client_id)
        found = history.page(tx, client_id, after=after, limit=limit + 1)
    return page_of(found, limit, lambda change: (change.at, change.id))
