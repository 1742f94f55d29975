"""A client's history: what changed in its fields, relationships and team, where each change came from, and who made it."""

from __future__ import annotations

from uuid import UUID

from handlers.access.caller import Caller
from handlers.clients.queries import require_client
from handlers.paging import Page, page_of, read_cursor
from portal_db.clients import history
from portal_db.clients.history import HistoryEntry
from portal_db.database import Database


def page(database: Database, caller: Caller, client_id: UUID, *, cursor: str | None, limit: int) -> Page[HistoryEntry]:
    """Changes of a client that the caller may see, newest first.

    Raises:
        RequestRefused: the client is not found or not visible to them, or the cursor is not valid.
    """
    after = read_cursor(cursor)
    with database.read() as tx:
        require_client(tx, caller, client_id)
        found = history.page(tx, client_id, after=after, limit=limit + 1)
    return page_of(found, limit, lambda entry: (entry.change.at, entry.change.id))


def reviewer_of(database: Database, caller: Caller, client_id: UUID, item_id: UUID) -> UUID | None:
    """The staff member who last decided about a review item; `None` if nobody did.

    Raises:
        RequestRefused: the client is not found or not visible to them.
    """
    with database.read() as tx:
        require_client(tx, caller, client_id)
        return history.reviewer_of(tx, client_id, item_id)
