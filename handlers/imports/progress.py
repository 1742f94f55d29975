"""Integration progress: what was asked of XPM in the last 72 hours, why it waits, and what there is to review (b.28)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from handlers.access.caller import Caller
from handlers.paging import Page, page_of, read_cursor
from portal_db.database import Database
from portal_db.tables import Client, Import, Job
from portal_db.work import recent_imports

SECONDS = 72 * 3600.0


@dataclass(frozen=True)
class Action:
    """An import, what it is about, and where it stands.

    name: the client's, else as it was adjusted, else XPM's; `None` when nobody has seen it yet. client: once there is one
    that the caller may see. creates: whether it is, or was, to make the client. to_review: items of the client that wait.
    """

    row: Import
    name: str | None
    client: Client | None
    creates: bool
    asked_by: str
    to_review: int
    waits_for: str | None
    until: datetime | None


def page(database: Database, caller: Caller, *, cursor: str | None, limit: int) -> Page[Action]:
    """Actions that the caller may see.

    Raises:
        RequestRefused: the cursor is not one of ours.
    """
    after = read_cursor(cursor)
    with database.read() as tx:
        found = recent_imports.page(tx, caller.viewer, seconds=SECONDS, after=after, limit=limit + 1)
        shown = page_of(found, limit, lambda each: (each[0].created_at, each[0].id))
        found = list(shown.items)
        open_ids = [row.id for row, _, _ in found if row.state.is_open]
        unnamed = [row.xpm_uuid for row, client, _ in found if client is None and row.name is None]
        told = _Told(
            recent_imports.names_in_xpm(tx, caller.practice_id, unnamed),
            recent_imports.waiting_jobs(tx, open_ids),
            recent_imports.blocked(tx, open_ids),
            recent_imports.pending_reviews(tx, caller.viewer, [client.id for _, client, _ in found if client]),
        )
    return Page([told.action(*each) for each in found], shown.next)


@dataclass(frozen=True)
class _Told:
    """What is told beside the imports of a page."""

    names: dict[UUID, str]
    waiting: dict[UUID, Job]
    blocked: dict[UUID, str]
    to_review: dict[UUID, int]

    def action(self, row: Import, client: Client | None, asked_by: str) -> Action:
        job = self.waiting.get(row.id)
        return Action(
            row,
            name=client.name if client else row.name or self.names.get(row.xpm_uuid),
            client=client,
            creates=client is None or client.import_id == row.id,
            asked_by=asked_by,
            to_review=self.to_review.get(client.id, 0) if client else 0,
            waits_for=job.error_message if job else self.blocked.get(row.id),
            until=job.next_attempt_at if job else None,
        )
