"""Repairs an open import without an open job: enqueues the job it lacks, or closes it.

The import's row is locked, as at every end of a job, and checked again: a running import is not disturbed.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from handlers.imports.create import branch_follow_ups
from handlers.imports.settle import latest_per_kind, settle
from handlers.imports.validate import creation_follow_up
from handlers.jobs.enqueue import VALIDATION, FollowUp, missing_job
from handlers.jobs.kinds import JobKind
from portal_db import audit, welcome_emails
from portal_db.database import Database, Tx
from portal_db.states import JobState
from portal_db.tables import Import, Job
from portal_db.upkeep import discrepancies
from portal_db.work import imports, jobs


def repair_import(database: Database, import_id: UUID) -> str | None:
    """Repair one import.

    Returns:
        What was done, for people; `None` if it has a job by now, or is closed.
    """
    with database.write() as tx:
        row = imports.lock(tx, import_id)
        if not discrepancies.is_without_job(tx, import_id):
            return None
        every = jobs.of_import(tx, row.id)
        missing = _missing(tx, row, every)
        added = jobs.add(tx, [missing_job(tx, row, follow_up, every) for follow_up in missing])
        state = settle(tx, row)
        kinds = ", ".join(follow_up.kind for follow_up in missing)
        done = f"enqueued again: {kinds}" if added else f"closed as {state}"
        audit.record(
            tx,
            action="import.mended",
            subject="import",
            subject_id=row.id,
            practice_id=row.practice_id,
            after=done,
            why="it was open and had no open job",
        )
        return done


def _missing(tx: Tx, row: Import, every: Sequence[Job]) -> list[FollowUp]:
    """What should follow the existing jobs. If nothing should, their states decide how the import ends."""
    latest = {job.kind: job for job in latest_per_kind(every)}
    if row.client_id is not None:
        email_id = None
        if row.send_welcome_email:
            email_id = welcome_emails.add(tx, row.practice_id, row.client_id, asked_at=row.created_at)
        return [branch for branch in branch_follow_ups(row, row.client_id, email_id) if branch.kind not in latest]
    validation, creation = latest.get(JobKind.VALIDATE_IMPORT), creation_follow_up(row)
    if validation is None or all(job.epoch < row.epoch for job in every):
        return [VALIDATION]
    created = latest.get(creation.kind)
    is_next = created is None or created.epoch < validation.epoch
    return [creation] if is_next and validation.state is JobState.SUCCEEDED else []
