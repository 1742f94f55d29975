"""Imports that somebody acts on: locked, reopened as a new epoch, and settled."""

from __future__ import annotations

from uuid import UUID

from handlers import refusals
from handlers.access.act import Act
from handlers.imports.settle import settle, verdict
from portal_db.database import Tx
from portal_db.states import ImportState
from portal_db.tables import Import, Job
from portal_db.work import import_list, imports, jobs


def lock_import(tx: Tx, act: Act, import_id: UUID | None) -> Import:
    """An import that they may act on, kept as it is until this transaction ends.

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


def locked(tx: Tx, job_id: UUID) -> tuple[Job, Import | None]:
    """A job as it stands, its import locked first, as everybody does it who changes a job.

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


def require_import(row: Import | None) -> Import:
    """An import that was looked for.

    Raises:
        RequestRefused: there is none.
    """
    if row is None:
        raise refusals.UNKNOWN_IMPORT_ID()
    return row


def reopened(tx: Tx, act: Act, row: Import) -> Import:
    """A locked import in an epoch that is open: the next one if it was closed.

    Returns:
        The row as it now is: `set_state` writes the event of the epoch it finds there.
    """
    if row.state.is_open:
        return row
    epoch = imports.reopen(tx, row)
    act.audit(
        tx, "import.reopen", "import", row.id, row.practice_id, before=f"epoch {row.epoch}", after=f"epoch {epoch}"
    )
    return imports.lock(tx, row.id)


def settle_by_hand(tx: Tx, act: Act, row: Import) -> ImportState:
    """Bring a locked import's state in line after a dead letter of it was taken out.

    An epoch closes once: another closed state is the close of a new epoch, the same one only gets its reason renewed.
    """
    state, outcome = verdict(tx, row)
    if state is row.state and not state.is_open:
        imports.set_reason(tx, row, outcome)
        return state
    return settle(tx, reopened(tx, act, row))
