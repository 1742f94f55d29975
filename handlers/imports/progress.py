"""Integration progress: the imports of the last 72 hours, what they wait for, and what there is to review (b.28)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from handlers.access.caller import Caller
from handlers.imports.queries import REPEATED, outcome
from handlers.jobs.explain import WaitReason, reason_of_waiting
from handlers.paging import Page, page_of, read_cursor
from portal_db.database import Database
from portal_db.states import ImportState
from portal_db.tables import Client, Import
from portal_db.work import recent_imports

SECONDS = 72 * 3600.0


@dataclass(frozen=True)
class Action:
    """An import in the progress list.

    name: the client's, else as entered by the requester, else XPM's; `None` if unknown. client: the client, if the caller
    may see one. creates: whether the import creates the client. to_review: pending items of the client. hold: what an open
    import waits for. outcome: its state as staff see it.
    """

    row: Import
    name: str | None
    client: Client | None
    creates: bool
    asked_by: str
    to_review: int
    hold: WaitReason | None
    outcome: str


@dataclass(frozen=True)
class ClientActions:
    """What was done lately about one client or XPM record: the newest action, and the earlier ones."""

    latest: Action
    earlier: Sequence[Action]

    @property
    def to_review(self) -> int:
        return max(each.to_review for each in (self.latest, *self.earlier))

    @property
    def client(self) -> Client | None:
        return next((each.client for each in (self.latest, *self.earlier) if each.client), None)

    @property
    def name(self) -> str | None:
        return next((each.name for each in (self.latest, *self.earlier) if each.name), None)


def by_client(actions: Sequence[Action]) -> list[ClientActions]:
    """Actions, newest first, as one entry for each client; of a record that is no client, one for the record."""
    found: dict[UUID, list[Action]] = {}
    for each in actions:
        found.setdefault(each.row.xpm_uuid, []).append(each)
    for group in found.values():
        group.sort(key=lambda each: each.outcome in REPEATED)  # what it repeated says more
    return [ClientActions(latest, earlier) for latest, *earlier in found.values()]


def page(database: Database, caller: Caller, *, cursor: str | None, limit: int) -> Page[Action]:
    """Actions that the caller may see, newest first.

    Raises:
        RequestRefused: the cursor is not valid.
    """
    after = read_cursor(cursor)
    with database.read() as tx:
        found = recent_imports.page(tx, caller.viewer, seconds=SECONDS, after=after, limit=limit + 1)
        shown = page_of(found, limit, lambda each: (each[0].created_at, each[0].id))
        open_ids = [row.id for row, _, _ in shown.items if row.state.is_open]
        unnamed = [row.id for row, client, _ in shown.items if client is None and row.name is None]
        names = recent_imports.requested_names(tx, caller.practice_id, unnamed)
        waiting = recent_imports.waiting_jobs(tx, open_ids)
        blocked = {row_id: WaitReason("blocked", why) for row_id, why in recent_imports.blocked(tx, open_ids).items()}
        partly = [row.id for row, _, _ in shown.items if row.state is ImportState.PARTLY_SUCCEEDED]
        steps = recent_imports.steps(tx, partly)
        client_ids = [client.id for _, client, _ in shown.items if client]
        to_review = recent_imports.pending_reviews(tx, caller.viewer, client_ids)

    def action(row: Import, client: Client | None, asked_by: str) -> Action:
        job = waiting.get(row.id)
        return Action(
            row,
            name=client.name if client else row.name or names.get(row.id),
            client=client,
            creates=client is None or client.import_id == row.id,
            asked_by=asked_by,
            to_review=to_review.get(client.id, 0) if client else 0,
            hold=reason_of_waiting(job) if job else blocked.get(row.id),
            outcome=outcome(row, steps.get(row.id, ())),
        )

    return Page([action(*each) for each in shown.items], shown.next)
