"""Dismisses a dead letter: nobody will do its work, for a reason; its import's state follows the table."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from handlers.acting import Act, locked, settle_by_hand
from handlers.requeue_dead_letter import require_dead
from portal_db import dead_letters, email_decisions
from portal_db.database import Database, again_after_deadlock
from portal_db.states import ImportState, JobState


@dataclass(frozen=True)
class Dismissed:
    """A dead letter was taken out. `state` is its import's now, where it has one."""

    job_id: UUID
    import_id: UUID | None
    state: ImportState | None


@again_after_deadlock
def dismiss(database: Database, act: Act, job_id: UUID) -> Dismissed:
    """Take one dead letter out. A welcome email that was not begun is called off with it; one whose fate is unknown stays
    unknown, for `emails` to decide.

    Raises:
        RequestRefused: there is none such, or somebody was faster.
    """
    with database.write() as tx:
        job, row = locked(tx, job_id)
        require_dead(tx, job)
        if not dead_letters.dismiss(tx, job_id):
            require_dead(tx, locked(tx, job_id)[0])
        if row is not None and row.client_id is not None and job.kind == "send_welcome_email":
            email_decisions.call_off(tx, row.client_id)
        act.audit(tx, "job.dismiss", "job", job_id, job.practice_id, before=JobState.DEAD, after=JobState.DISMISSED)
        state = settle_by_hand(tx, act, row) if row is not None else None
    return Dismissed(job_id, job.import_id, state)
