"""A client's history: what changed in its fields, relationships and team, and where each change came from."""

from __future__ import annotations

from uuid import UUID

from handlers.access.caller import Caller
from handlers.clients.queries import require_client
from handlers.paging import Page, page_of, read_cursor
from portal_db.clients import history
from portal_db.database import Database
from portal_db.tables import ClientChange


def page(database: Database, caller: Caller, client_id: UUID, *, cursor: str | None, limit: int) -> Page[ClientChange]:
    """Changes of a client that the caller may see, newest first.

    Raises:
        RequestRefused: the client is not found or not visible to them, or the cursor is not valid.
    """
    after = read_cursor(cursor)
    with database.read() as tx:
        require_client(tx, caller, client_id)
        found = history.page(tx, client_id, after=after, limit=limit + 1)
    return page_of(found, limit, lambda change: (change.at, change.id))
