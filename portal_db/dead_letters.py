"""What operations change about jobs that ended: taking a dead letter out, letting one wait its turn, noting who did it."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select, update

from portal_db.database import Tx
from portal_db.jobs import Failure
from portal_db.states import ErrorClass, JobState
from portal_db.tables import Job
from portal_db.types import db_now

#: The error code of requeued jobs that wait their turn.
PACED_CODE = "requeued_in_turn"


def lock_open(tx: Tx, import_id: UUID) -> list[Job]:
    """An import's open jobs, kept from being claimed or finished until this transaction ends. The import is locked first."""
    statement = (
        select(Job)
        .where(Job.import_id == import_id, Job.state.in_((JobState.QUEUED, JobState.RUNNING, JobState.WAITING)))
        .order_by(Job.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(tx.session.scalars(statement))


def dismiss(tx: Tx, job_id: UUID) -> bool:
    """Take a dead letter out, with its error kept. False when it is not dead any more."""
    return _move(tx, job_id, {JobState.DEAD}, state=JobState.DISMISSED)


def count_as_done(tx: Tx, job_id: UUID) -> bool:
    """A person knows that a dead or dismissed job's work was done all the same. False when it is neither any more."""
    blank = dict.fromkeys(("error_class", "error_code", "error_field", "error_message", "error_action", "error_cause"))
    before = {JobState.DEAD, JobState.DISMISSED}
    return _move(tx, job_id, before, state=JobState.SUCCEEDED, finished_at=db_now(), **blank)


def wait_in_turn(tx: Tx, job_id: UUID, seconds: float, words: str) -> None:
    """Let a job that was just requeued wait so long; the record keeps the time, so no command has to stay."""
    turn = Failure(ErrorClass.DEFERRED, PACED_CODE, words)
    _move(
        tx,
        job_id,
        {JobState.QUEUED},
        state=JobState.WAITING,
        next_attempt_at=db_now(seconds),
        error_class=turn.error_class,
        error_code=turn.code,
        error_message=turn.message,
        error_action=None,
        error_field=None,
    )


def _move(tx: Tx, job_id: UUID, before: Collection[JobState], **values: object) -> bool:
    statement = update(Job).where(Job.id == job_id, Job.state.in_(before)).values(**values).returning(Job.id)
    return tx.session.scalar(statement.execution_options(synchronize_session=False)) is not None
