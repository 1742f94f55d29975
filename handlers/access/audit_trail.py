"""What people did at a practice, for its owners and account admins."""

from __future__ import annotations

from collections.abc import Sequence

from handlers.access.caller import Caller, Scope
from handlers.paging import read_id
from portal_db.access import practice_audit
from portal_db.access.practice_audit import ActFilter, PersonsAct
from portal_db.database import Database


def listing(
    database: Database, caller: Caller, which: ActFilter, *, after: str | None, limit: int
) -> tuple[Sequence[PersonsAct], str | None]:
    """Acts newest first, and the cursor of the next page.

    Raises:
        RequestRefused: the caller is neither owner nor account admin, or `after` is not a cursor of this list.
    """
    caller.require(Scope.MANAGE)
    before = read_id(after)
    with database.read() as tx:
        found = practice_audit.page(tx, caller.practice_id, which, before=before, limit=limit + 1)
    items = found[:limit]
    return items, str(items[-1].entry.id) if len(found) > limit else None
