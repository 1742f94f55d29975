"""Locks imports and jobs that a person acts on, reopens a closed import as a new epoch, and settles it afterwards."""

from __future__ import annotations

from uuid import UUID

from handlers import refusals
from handlers.access.act import Act
from handlers.imports.settle import decide_state, settle
from portal_db.database import Tx
from portal_db.states import ImportState
from portal_db.tables import Import, Job
from portal_db.work import import_list, imports, jobs


def lock_import(tx: Tx, act: Act, import_id: UUID | None) -> Import:
    """Lock an import that the actor may act on until this transaction ends.

    Raises:
        RequestRefused: not found, or not visible to them.
    """
    if act.viewer is None:
        row = require_import(imports.get(tx, import_id) if import_id is not None else None)
    else:
        found = import_list.get(tx, act.viewer, import_id) if import_id is not None else None
        if found is None:
            raise refusals.UNKNOWN_IMPORT()
        row = found
    return imports.lock(tx, row.id)


def require_import(row: Import | None) -> Import:
    """The import that was looked up.

    Raises:
        RequestRefused: it was not found.
    """
    if row is None:
        raise refusals.UNKNOWN_IMPORT_ID()
    return row


def lock_job(tx: Tx, job_id: UUID) -> tuple[Job, Import | None]:
    """Lock a job's import first, as every change of a job does, and read the job again.

    Raises:
        RequestRefused: there is no such job.
    """
    job = jobs.get(tx, job_id)
    if job is None:
        raise refusals.UNKNOWN_JOB()
    if job.import_id is None:
        return job, None
    row = imports.lock(tx, job.import_id)
    return jobs.get(tx, job_id) or job, row


def reopen_if_closed(tx: Tx, act: Act, row: Import) -> Import:
    """Start the next epoch of a locked import, unless it is open.

    Returns:
        The row with its epoch: `set_states` writes the event of that epoch.
    """
    if row.state.is_open:
        return row
    epoch = imports.reopen(tx, row)
    before, after = f"epoch {row.epoch}", f"epoch {epoch}"
    act.audit(tx, "import.reopen", "import", row.id, row.practice_id, before=before, after=after)
    return imports.lock(tx, row.id)


def settle_after_decision(tx: Tx, act: Act, row: Import) -> ImportState:
    """Settle a locked import after a person decided about one of its jobs or emails.

    An epoch closes once. A closed import that reaches another state closes in a new epoch; in the same state, only its
    reason is updated. One whose jobs were deleted by housekeeping keeps both.
    """
    all_jobs = jobs.of_import(tx, row.id)
    if not all_jobs:
        return row.state
    state, outcome = decide_state(all_jobs)
    if state is row.state and not state.is_open:
        imports.set_reason(tx, row, outcome)
        return state
    return settle(tx, reopen_if_closed(tx, act, row))
