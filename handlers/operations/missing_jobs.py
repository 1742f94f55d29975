"""Mends an open import that nothing carries on: makes the job it lacks by the rules of the pipeline, or closes it.

The import's row is locked as for every end of a job, and looked at again inside: a running pipeline is not disturbed.
"""

from __future__ import annotations

from uuid import UUID

from handlers.imports.create import wanted_branches
from handlers.imports.settle import latest_of_each_kind, settle
from handlers.imports.validate import creation_of
from handlers.jobs.enqueue import FollowUp, remade
from handlers.jobs.kinds import JobKind
from portal_db import audit
from portal_db.database import Database, Tx
from portal_db.states import JobState
from portal_db.tables import Import
from portal_db.upkeep import discrepancies
from portal_db.work import imports, jobs


def mend(database: Database, import_id: UUID) -> str | None:
    """Bring one import on its way again.

    Returns:
        What was done, for people; `None` when it had a job by now, or was closed.
    """
    with database.write() as tx:
        row = imports.lock(tx, import_id)
        if not discrepancies.is_without_job(tx, import_id):
            return None
        wanted = _missing(tx, row)
        made = jobs.add(tx, [remade(tx, row, follow_up) for follow_up in wanted])
        state = settle(tx, row)
        kinds = ", ".join(follow_up.kind for follow_up in wanted)
        done = f"made again: {kinds}" if made else f"closed as {state}"
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


def _missing(tx: Tx, row: Import) -> list[FollowUp]:
    """What should follow the jobs there are. Nothing: then their states say how the import ends."""
    every = jobs.of_import(tx, row.id)
    latest = {job.kind: job for job in latest_of_each_kind(every)}
    if row.client_id is not None:
        return [branch for branch in wanted_branches(tx, row, row.client_id) if branch.kind not in latest]
    validation, creation = latest.get(JobKind.VALIDATE_IMPORT), creation_of(row)
    if validation is None or all(job.epoch < row.epoch for job in every):
        return [FollowUp(JobKind.VALIDATE_IMPORT)]
    created = latest.get(creation.kind)
    is_next = created is None or created.epoch < validation.epoch
    return [creation] if is_next and validation.state is JobState.SUCCEEDED else []
