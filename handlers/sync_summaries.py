"""What syncs of the directories that a practice reads brought, read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handlers.callers import Caller
from handlers.looking import read_cursor
from portal_db import resyncs
from portal_db.database import Database
from portal_db.paging import Cursor
from portal_db.resyncs import Synced


@dataclass(frozen=True)
class Page:
    """So many syncs, and where to go on if there are more."""

    syncs: Sequence[Synced]
    next: Cursor | None


def page(database: Database, caller: Caller, *, cursor: str | None, limit: int) -> Page:
    """Syncs of the caller's practice, the newest first.

    Raises:
        RequestRefused: the cursor is not one of ours.
    """
    after = read_cursor(cursor)
    with database.read() as tx:
        found = resyncs.page(tx, caller.practice_id, after=after, limit=limit + 1)
    more, found = len(found) > limit, found[:limit]
    return Page(found, Cursor(found[-1].sync.started_at, found[-1].sync.id) if more else None)
