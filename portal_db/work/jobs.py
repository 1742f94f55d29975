"""Jobs: inserting, claiming, renewing, finishing. Every change of a running job names its lease token.

No statement here decides what a job means; who may change it is all it knows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, case, func, insert, null, select, update

from portal_db.database import Tx
from portal_db.dialect import insert_new
from portal_db.states import AttemptOutcome, ErrorClass, JobState, Lane
from portal_db.tables import Job, JobAttempt
from portal_db.types import UtcDateTime, db_now
from portal_db.work.due import is_due, is_out_of_turn, is_paused

#: Took its process down, running alone: requeued, it runs alone again (P14).
POISON_CODE = "poison"


class LeaseLost(Exception):
    """The job is no longer ours: its lease ran out or it was cancelled. Nothing of this attempt may be kept."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be inserted. `dedupe_key` makes a second insert of the same work a no-op."""

    id: UUID
    practice_id: UUID
    import_id: UUID | None
    epoch: int
    kind: str
    lane: Lane
    interactive: bool
    args: dict[str, Any]
    dedupe_key: str
    deadline_seconds: int
    in_batch_order: bool = False
    position: int = 0
    #: When the work was asked for; now, unless it goes on from earlier work.
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one job for a while: the token that every write must name."""

    job_id: UUID
    token: UUID
    owner: str


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with a job: its class, a stable code, words for a person, and what that person can do."""

    error_class: ErrorClass
    code: str
    message: str
    action: str | None = None
    field: str | None = None
    traceback: str | None = None


def add(tx: Tx, jobs: Sequence[NewJob], *, rung: bool = False) -> set[UUID]:
    """Insert jobs as `queued`; those whose dedupe key exists already are left as they are.

    Args:
        rung: the caller rings them right after its commit.

    Returns:
        Ids of the jobs that were new.
    """
    asked_at = func.coalesce(bindparam("asked", type_=UtcDateTime()), db_now())
    rung_at = db_now() if rung else null()
    return insert_new(tx, Job, [_row(job) for job in jobs], created_at=db_now(), asked_at=asked_at, rung_at=rung_at)


def _row(job: NewJob) -> dict[str, Any]:
    row = {field.name: getattr(job, field.name) for field in fields(job)}
    row["asked"] = row.pop("asked_at")
    return row | {"state": JobState.QUEUED, "attempts": 0, "deferrals": 0, "lost_leases": 0}


def get(tx: Tx, job_id: UUID) -> Job | None:
    return tx.session.get(Job, job_id)


#: Built once, as the other statements of every job: building them anew costs as much as running them.
_OF_IMPORT = select(Job).where(Job.import_id == bindparam("import_id")).order_by(Job.created_at, Job.id)


def of_import(tx: Tx, import_id: UUID) -> list[Job]:
    """Every job of an import, of all its epochs, oldest first."""
    return list(tx.session.scalars(_OF_IMPORT, {"import_id": import_id}))


#: Built once, since it is the statement run most often and the longest.
_CLAIM = (
    update(Job)
    .where(
        Job.id == bindparam("job_id"),
        is_due(),
        Job.kind.in_(bindparam("kinds", expanding=True)),
        ~is_paused(),
        ~is_out_of_turn(),
    )
    .values(
        state=JobState.RUNNING,
        lease_token=bindparam("token"),
        lease_owner=bindparam("owner"),
        lease_until=case(
            (Job.deadline_seconds < bindparam("lease_seconds"), db_now(Job.deadline_seconds)),
            else_=db_now(bindparam("lease_seconds")),
        ),
        deadline_at=db_now(Job.deadline_seconds),
        started_at=db_now(),
        next_attempt_at=None,
    )
    .returning(Job)
)


def claim(tx: Tx, lease: Lease, *, kinds: Collection[str], lease_seconds: float) -> Job | None:
    """Take a due job by compare-and-set.

    Args:
        kinds: kinds this process knows; a job of another kind is left for a newer process.

    Returns:
        The job as it now is, or `None`: somebody else has it, it is not due, it is paused or out of turn.
    """
    values = {
        "job_id": lease.job_id,
        "token": lease.token,
        "owner": lease.owner,
        "kinds": list(kinds),
        "lease_seconds": lease_seconds,
    }
    return tx.session.scalar(_CLAIM, values)


def holds(lease: Lease) -> ColumnElement[bool]:
    """The job is running under this very lease."""
    return and_(Job.id == lease.job_id, Job.lease_token == lease.token, Job.state == JobState.RUNNING)


def renew(tx: Tx, owner: str, tokens: Collection[UUID], lease_seconds: float) -> set[UUID]:
    """Push out the leases of one process's running jobs by one statement, never past their hard deadlines.

    Returns:
        The tokens that still hold; the others are lost.
    """
    statement = (
        update(Job)
        .where(Job.lease_owner == owner, Job.state == JobState.RUNNING, Job.lease_token.in_(tokens))
        .values(
            lease_until=case(
                (Job.deadline_at < db_now(lease_seconds), Job.deadline_at),
                else_=db_now(lease_seconds),
            )
        )
        .returning(Job.lease_token)
    )
    return {token for token in tx.session.scalars(statement) if token is not None}


_SUCCEED = (
    update(Job)
    .where(Job.id == bindparam("job_id"), Job.lease_token == bindparam("token"), Job.state == JobState.RUNNING)
    .values(
        state=JobState.SUCCEEDED,
        finished_at=db_now(),
        lease_until=None,
        deadline_at=None,
        waiting_since=None,
        error_class=None,
        error_code=None,
        error_field=None,
        error_message=None,
        error_action=None,
    )
    .returning(Job.id)
)


def succeed(tx: Tx, lease: Lease) -> None:
    """Mark the job done.

    Raises:
        LeaseLost: it is not ours any more; the caller's transaction must roll back.
    """
    if tx.session.scalar(_SUCCEED, {"job_id": lease.job_id, "token": lease.token}) is None:
        raise LeaseLost(f"job {lease.job_id} is no longer ours")
    _record_attempt(tx, lease, AttemptOutcome.SUCCEEDED, None)


def end(tx: Tx, lease: Lease, state: JobState, failure: Failure) -> None:
    """Close the job as `rejected` or `dead`, with why.

    Raises:
        LeaseLost: it is not ours any more.
    """
    _finish(tx, lease, state=state, finished_at=db_now(), attempts=Job.attempts + 1, **_error_columns(failure))
    _record_attempt(tx, lease, AttemptOutcome(failure.error_class.value), failure)


def park(tx: Tx, lease: Lease, failure: Failure, *, seconds: float, counts_as_attempt: bool) -> None:
    """Put the job aside for so many seconds, with the reason people are shown.

    Args:
        counts_as_attempt: false for waits that are nobody's fault; they use up no attempt.

    Raises:
        LeaseLost: it is not ours any more.
    """
    on_connection = failure.error_class is ErrorClass.CONNECTION
    _finish(
        tx,
        lease,
        state=JobState.WAITING,
        next_attempt_at=db_now(seconds),
        rung_at=None,
        attempts=Job.attempts + int(counts_as_attempt),
        deferrals=Job.deferrals + int(not counts_as_attempt),
        waiting_since=func.coalesce(Job.waiting_since, db_now()) if on_connection else None,
        **_error_columns(failure),
    )
    _record_attempt(tx, lease, AttemptOutcome(failure.error_class.value), failure)


def release(tx: Tx, lease: Lease) -> None:
    """Return a job that was not started to the queue, with nothing counted against it.

    Raises:
        LeaseLost: it is not ours any more.
    """
    _finish(tx, lease, state=JobState.QUEUED, rung_at=None)


def _error_columns(failure: Failure) -> dict[str, Any]:
    return {
        "error_class": failure.error_class,
        "error_code": failure.code,
        "error_cause": cause_of(failure.code, failure.message),
        "error_field": failure.field,
        "error_message": failure.message[:1000],
        "error_action": failure.action,
    }


def _finish(tx: Tx, lease: Lease, **values: Any) -> None:
    statement = update(Job).where(holds(lease)).values(**values, lease_until=None, deadline_at=None)
    if tx.session.scalar(statement.returning(Job.id)) is None:
        raise LeaseLost(f"job {lease.job_id} is no longer ours")


_RECORD_ATTEMPT = insert(JobAttempt).values(
    token=bindparam("token"),
    job_id=bindparam("job_id"),
    number=select(func.count() + 1).where(JobAttempt.job_id == bindparam("job_id")).scalar_subquery(),
    owner=bindparam("owner"),
    started_at=select(Job.started_at).where(Job.id == bindparam("job_id")).scalar_subquery(),
    finished_at=db_now(),
    outcome=bindparam("outcome"),
    error_code=bindparam("error_code"),
    error_message=bindparam("error_message"),
    traceback=bindparam("traceback"),
)


def _record_attempt(tx: Tx, lease: Lease, outcome: AttemptOutcome, failure: Failure | None) -> None:
    values = {
        "token": lease.token,
        "job_id": lease.job_id,
        "owner": lease.owner,
        "outcome": outcome,
        "error_code": failure.code if failure else None,
        "error_message": failure.message[:1000] if failure else None,
        "traceback": failure.traceback if failure else None,
    }
    tx.session.connection().execute(_RECORD_ATTEMPT, values)


def was_recorded(tx: Tx, token: UUID) -> bool:
    """Whether the attempt under this token was committed: the answer to a COMMIT that got none."""
    return tx.session.scalar(select(JobAttempt.token).where(JobAttempt.token == token)) is not None


def attempts_of(tx: Tx, job_id: UUID) -> list[JobAttempt]:
    return list(tx.session.scalars(select(JobAttempt).where(JobAttempt.job_id == job_id).order_by(JobAttempt.number)))


def take_back_expired(tx: Tx) -> list[UUID]:
    """Queue every running job whose lease has run out again, and keep the lost attempt.

    Returns:
        Ids of the jobs taken back.
    """
    ran_out = select(Job.id, Job.lease_token, Job.lease_owner).where(
        Job.state == JobState.RUNNING, Job.lease_until < db_now()
    )
    taken = []
    for job_id, token, owner in tx.session.execute(ran_out.order_by(Job.id)).all():
        if token is None or owner is None:
            continue
        lease = Lease(job_id, token, owner)
        statement = (
            update(Job)
            .where(holds(lease), Job.lease_until < db_now())
            .values(
                state=JobState.QUEUED,
                lost_leases=Job.lost_leases + 1,
                rung_at=None,
                lease_until=None,
                deadline_at=None,
            )
            .returning(Job.id)
        )
        if tx.session.scalar(statement) is not None:
            _record_attempt(tx, lease, AttemptOutcome.LEASE_LOST, None)
            taken.append(job_id)
    return taken


def cancel_open(tx: Tx, import_id: UUID, *, except_kinds: Iterable[str] = ()) -> list[UUID]:
    """Cancel the open jobs of a locked import and clear their tokens, so that whoever runs one finds its lease lost; that
    attempt is kept as cancelled."""
    wanted = (
        Job.import_id == import_id,
        Job.state.in_((JobState.QUEUED, JobState.RUNNING, JobState.WAITING)),
        Job.kind.not_in(tuple(except_kinds)),
    )
    running = select(Job.id, Job.lease_token, Job.lease_owner).where(*wanted, Job.state == JobState.RUNNING)
    held = tx.session.execute(running.order_by(Job.id).with_for_update()).all()
    leases = [Lease(job_id, token, owner) for job_id, token, owner in held if token is not None and owner is not None]
    statement = (
        update(Job)
        .where(*wanted)
        .values(
            state=JobState.CANCELLED,
            lease_token=None,
            lease_until=None,
            deadline_at=None,
            next_attempt_at=None,
            finished_at=db_now(),
        )
        .returning(Job.id)
    )
    cancelled = list(tx.session.scalars(statement))
    for lease in leases:
        _record_attempt(tx, lease, AttemptOutcome.CANCELLED, None)
    return cancelled


def requeue(tx: Tx, job_id: UUID, epoch: int) -> bool:
    """Bring a dead job back as `queued` in a new epoch of its import. False when it is not dead any more."""
    statement = (
        update(Job)
        .where(Job.id == job_id, Job.state == JobState.DEAD)
        .values(
            state=JobState.QUEUED,
            epoch=epoch,
            attempts=0,
            lost_leases=case((Job.error_code == POISON_CODE, Job.lost_leases), else_=0),
            rung_at=None,
            waiting_since=None,
            finished_at=None,
        )
    )
    return tx.session.scalar(statement.returning(Job.id)) is not None


#: Ids, quoted words, times and numbers, in this order: each stands for any of its like.
_VARYING = (
    (re.compile(r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”"), "<text>"),
    (re.compile(r"\d+(?:[.,:/-]\d+)*"), "<n>"),
)
CAUSE_LENGTH = 12


def normalised(message: str) -> str:
    """A message with placeholders for ids, quotes and numbers: `Row 17 of 'x'` becomes `row <n> of <text>`."""
    for pattern, placeholder in _VARYING:
        message = pattern.sub(placeholder, message)
    return " ".join(message.split()).casefold()


def cause_of(code: str, message: str) -> str:
    """A short digest of a failure's code and normalised message: what dead letters are grouped by, beside their kind."""
    return hashlib.sha256(f"{code}\n{normalised(message)}".encode()).hexdigest()[:CAUSE_LENGTH]


#: The error code of requeued jobs that wait their turn.
PACED_CODE = "requeued_in_turn"


def lock_open(tx: Tx, import_id: UUID) -> list[Job]:
    """An import's open jobs, kept from being claimed or finished until this transaction ends. The import is locked first."""
    statement = (
        select(Job)
        .where(Job.import_id == import_id, Job.state.in_((JobState.QUEUED, JobState.RUNNING, JobState.WAITING)))
        .order_by(Job.id)
        .with_for_update()
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
    return tx.session.scalar(statement) is not None


def lease_of(job: Job) -> Lease:
    """The lease under which a claimed job runs.

    Raises:
        LeaseLost: it has none.
    """
    if job.lease_token is None or job.lease_owner is None:
        raise LeaseLost(f"job {job.id} has no lease")
    return Lease(job.id, job.lease_token, job.lease_owner)


def hold(tx: Tx, job: Job) -> None:
    """Keep a running job ours until this transaction ends; nothing of it changes.

    Raises:
        LeaseLost: it is not ours any more; the caller's transaction must roll back.
    """
    if tx.session.scalar(select(Job.id).where(holds(lease_of(job))).with_for_update()) is None:
        raise LeaseLost(f"job {job.id} is no longer ours")
