"""Jobs: inserting, claiming, renewing, finishing, requeueing. Every change of a running job names its lease token.

These statements know who may change a job; what a job means is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Float,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    text,
    update,
)

from portal_db import bulk
from portal_db.bulk import Given, one_of
from portal_db.database import Tx
from portal_db.dialect import has_row, row_of, update_rows
from portal_db.states import OPEN_JOB_STATES, AttemptOutcome, ErrorClass, JobState, Lane
from portal_db.tables import Job, JobAttempt
from portal_db.types import UtcDateTime, db_now
from portal_db.work.due import due_in, is_due, is_in, is_out_of_turn, is_paused, state_of_found, word

#: The error code of a job that crashed its process while it ran standalone; requeued, it runs standalone again (P14).
POISON_CODE = "poison"
#: A job that has lost this many leases, each with its worker's process, runs next in a process of its own (P14).
LOST_LEASES_BEFORE_ISOLATION = 2
#: One that has lost this many is not run again: its process of its own has taken its worker with it each time.
MOST_LOST_LEASES = 5
_TABLE: Any = Job.__table__


class LeaseLost(Exception):
    """The lease no longer holds: it ran out, or the job was cancelled. Nothing that this attempt wrote may be kept."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to insert. `dedupe_key` makes a second insert of the same work a no-op."""

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
    #: When the work was requested; now, unless the job continues earlier work.
    asked_at: datetime | None = None
    #: The W3C `traceparent` of the request that it serves.
    trace_context: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one job for a limited time; every write names its token."""

    job_id: UUID
    token: UUID
    owner: str


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with a job: its class, a stable code, a message for a person, and what that person can do.

    email_key: the address that it was refused for because a login has it. Neither stored nor shown.
    """

    error_class: ErrorClass
    code: str
    message: str
    action: str | None = None
    field: str | None = None
    traceback: str | None = None
    email_key: str | None = None


def add(tx: Tx, jobs: Sequence[NewJob], *, rung: bool = False) -> set[UUID]:
    """Insert jobs as `queued`; jobs whose dedupe key exists already stay as they are.

    Args:
        rung: the caller rings them right after its commit.

    Returns:
        Ids of the new jobs.
    """
    return _insert(tx, [_row(job, rung_for=0 if rung else None) for job in jobs])


def add_claimed(
    tx: Tx, jobs: Sequence[NewJob], leases: Mapping[UUID, Lease], *, lease_seconds: float, rung: bool
) -> tuple[set[UUID], list[Job]]:
    """`add`, with some of the jobs claimed already: only jobs that nothing could keep from being claimed.

    Args:
        leases: those of the jobs to claim, by job.

    Returns:
        Ids of the new jobs, and those that were claimed, without the times that the database set.
    """
    rows = [
        _row(job, rung_for=0 if rung else None, lease=leases.get(job.id), lease_seconds=lease_seconds) for job in jobs
    ]
    added = _insert(tx, rows)
    taken = [row for row in rows if row["id"] in added and row["id"] in leases]
    return added, [
        Job(**_UNTRIED, **{name: value for name, value in row.items() if name not in _TIMED}) for row in taken
    ]


#: Values of an insert that stand for times: seconds from now, or `None`.
_TIMES: bulk.Types = (
    ("asked", UtcDateTime()),
    *((name, Float()) for name in ("rung_for", "started_for", "lease_for", "deadline_for")),
)
_TIMED = frozenset(name for name, _ in _TIMES)
#: The counts of a job that has not run.
_UNTRIED = {"attempts": 0, "deferrals": 0, "lost_leases": 0}


def _row(
    job: NewJob, *, rung_for: float | None, lease: Lease | None = None, lease_seconds: float = 0.0
) -> dict[str, Any]:
    row = row_of(job)
    deadline = job.deadline_seconds
    return row | {
        "asked": row.pop("asked_at"),
        "state": JobState.RUNNING if lease else JobState.QUEUED,
        "rung_for": rung_for,
        "lease_token": lease.token if lease else None,
        "lease_owner": lease.owner if lease else None,
        "started_for": 0 if lease else None,
        "lease_for": min(lease_seconds, deadline) if lease else None,
        "deadline_for": deadline if lease else None,
    }


def _insert(tx: Tx, rows: Sequence[dict[str, Any]]) -> set[UUID]:
    if not rows:
        return set()
    return set(bulk.execute(tx, Job, rows, _insert_statement, more=_TIMES).scalars())


def _insert_statement(given: Given) -> Any:
    times = {
        "created_at": db_now(),
        "asked_at": func.coalesce(given["asked"], db_now()),
        "rung_at": db_now(given["rung_for"]),
        "started_at": db_now(given["started_for"]),
        "lease_until": db_now(given["lease_for"]),
        "deadline_at": db_now(given["deadline_for"]),
    }
    return (
        given.insert(given.columns | dict.fromkeys(_UNTRIED, literal_column("0")) | times)
        .on_conflict_do_nothing()
        .returning(Job.id)
    )


def get(tx: Tx, job_id: UUID) -> Job | None:
    return tx.get(Job, job_id)


_OF_IDS = select(Job).where(one_of(Job.id, "job_ids")).order_by(Job.id)


def of_ids(tx: Tx, job_ids: Collection[UUID]) -> list[Job]:
    """Jobs in the order of their ids. Unknown ones are left out."""
    return list(tx.session.scalars(_OF_IDS, {"job_ids": list(job_ids)}))


_OF_IMPORTS = select(Job).where(one_of(Job.import_id, "import_ids")).order_by(Job.created_at, Job.id)


def is_known(tx: Tx, dedupe_key: str) -> bool:
    """Whether there is a job of this work already."""
    return has_row(tx, Job.dedupe_key == dedupe_key)


def of_import(tx: Tx, import_id: UUID) -> list[Job]:
    """Every job of an import, in all its epochs, oldest first."""
    return of_imports(tx, [import_id])[import_id]


def of_imports(tx: Tx, import_ids: Collection[UUID]) -> dict[UUID, list[Job]]:
    """`of_import` for each of these."""
    found: dict[UUID, list[Job]] = {import_id: [] for import_id in import_ids}
    for job in tx.session.scalars(_OF_IMPORTS, {"import_ids": list(import_ids)}):
        if job.import_id is not None:
            found[job.import_id].append(job)
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """What a job's standing contributes to its import's state."""

    id: UUID
    import_id: UUID | None
    kind: str
    epoch: int
    state: JobState
    started_at: datetime | None
    error_code: str | None
    error_message: str | None
    error_action: str | None
    error_field: str | None


_STANDINGS = (
    select(*(getattr(Job, each.name) for each in fields(Standing)))
    .where(one_of(Job.import_id, "import_ids"))
    .order_by(Job.created_at, Job.id)
)


def standings(tx: Tx, import_ids: Collection[UUID], *, succeeded: Collection[UUID] = ()) -> dict[UUID, list[Standing]]:
    """How every job of these imports stands, in all epochs, oldest first, by import.

    Args:
        succeeded: jobs of which `succeed` was told in this transaction: that may go with this statement, which then reads
            how they stood before.
    """
    found: dict[UUID, list[Standing]] = {import_id: [] for import_id in import_ids}
    if found:
        for row in bulk.read(tx, _STANDINGS, {"import_ids": list(import_ids)}):
            standing = Standing(*row)
            is_done = standing.id in succeeded
            found[row.import_id].append(replace(standing, state=JobState.SUCCEEDED) if is_done else standing)
    return found


def claim_statement(given: Given) -> Any:
    """`claim_all` for these rows."""
    return (
        update(_TABLE)
        .where(
            Job.id == given["id"],
            is_due(state_of_found),
            one_of(Job.kind, "kinds"),
            ~is_paused(),
            ~is_out_of_turn(),
            Job.lost_leases < bindparam("too_many_lost"),
        )
        .values(
            state=JobState.RUNNING,
            lease_token=given["lease_token"],
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


ANY_NUMBER = 1_000_000


def claim_all(
    tx: Tx,
    leases: Sequence[Lease],
    *,
    kinds: Collection[str],
    lease_seconds: float,
    fewer_lost_leases_than: int = ANY_NUMBER,
) -> list[Job]:
    """Claim due jobs by one compare-and-set, each under its own lease of the same owner.

    Args:
        kinds: the kinds that this process knows; a job of another kind is left for a newer process.
        fewer_lost_leases_than: a job that has lost as many is not claimed.

    Returns:
        The claimed jobs in the order of `leases`. The others are somebody else's, not due, paused or out of turn; of
        several also those that have lost a lease.
    """
    if not leases:
        return []
    rows, same = claim_values(leases, kinds, lease_seconds, fewer_lost_leases_than)
    claimed = {job.id: job for job in bulk.update_returning(tx, Job, rows, claim_statement, same)}
    return [claimed[lease.job_id] for lease in leases if lease.job_id in claimed]


def claim_values(
    leases: Sequence[Lease], kinds: Collection[str], lease_seconds: float, fewer_lost_leases_than: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What `claim_statement` is given: its rows, and the parameters that are the same for all."""
    return [{"id": lease.job_id, "lease_token": lease.token} for lease in leases], {
        "owner": leases[0].owner,
        "kinds": list(kinds),
        "lease_seconds": lease_seconds,
        # P14: a job that has lost a lease may be the one that ends its worker.
        "too_many_lost": 1 if len(leases) > 1 else fewer_lost_leases_than,
    }


def holds(lease: Lease) -> ColumnElement[bool]:
    """Whether the job is running under this lease."""
    return and_(Job.id == lease.job_id, Job.lease_token == lease.token, state_of_found == JobState.RUNNING)


def renew(tx: Tx, owner: str, tokens: Collection[UUID], lease_seconds: float) -> set[UUID]:
    """Extend the leases of one process's running jobs by one statement, never past their hard deadlines.

    A job that some transaction has locked is being finished, and needs no renewal: waiting for it would let the other leases
    run out (P3).

    Returns:
        The tokens that still hold; the other leases are lost.
    """
    parameters = {"owner": owner, "tokens": list(tokens), "seconds": lease_seconds}
    tx.session.execute(_RENEW, parameters)
    return {token for token in tx.session.scalars(_STILL_MINE, parameters) if token is not None}


_MINE = and_(Job.lease_owner == bindparam("owner"), is_in(JobState.RUNNING), one_of(Job.lease_token, "tokens"))
_UNTIL = db_now(bindparam("seconds", type_=Float()))
_RENEW = (
    update(_TABLE)
    .where(Job.id.in_(select(Job.id).where(_MINE).with_for_update(skip_locked=True)))
    .values(lease_until=case((Job.deadline_at < _UNTIL, Job.deadline_at), else_=_UNTIL))
)
_STILL_MINE = select(Job.lease_token).where(_MINE)


def held(tx: Tx, leases: Sequence[Lease]) -> set[UUID]:
    """Lock the jobs that still run under these leases, until this transaction ends: the fence before their effects.

    Returns:
        Their ids; the other leases are lost.
    """
    return set(tx.connection.scalars(_HELD, under(leases)))


def require_held(tx: Tx, lease: Lease) -> None:
    """Lock a job that still runs under this lease, as `held` does.

    Raises:
        LeaseLost: it does not.
    """
    if not held(tx, [lease]):
        raise LeaseLost(f"job {lease.job_id} is no longer ours")


#: Whether a job is running under one of the leases that `under` names: a token is one job's.
IS_UNDER = and_(
    one_of(Job.id, "job_ids"),
    one_of(Job.lease_token, "tokens"),
    state_of_found == JobState.RUNNING,
)
_HELD = select(Job.id).where(IS_UNDER).order_by(Job.id).with_for_update()
#: `held` for the job and the token of these parameters, as a condition of another statement.
IS_HELD = (
    select(Job.id)
    .where(
        Job.id == bindparam("job_id", type_=Job.id.type),
        Job.lease_token == bindparam("token", type_=Job.id.type),
        state_of_found == JobState.RUNNING,
    )
    .with_for_update()
    .scalar_subquery()
    .is_not(None)
)


def under(leases: Sequence[Lease]) -> dict[str, list[UUID]]:
    """The parameters of `IS_UNDER`."""
    return {"job_ids": [lease.job_id for lease in leases], "tokens": [lease.token for lease in leases]}


#: Written out: a parameter costs the driver as much for NULL as for any other value.
_SUCCEEDED: dict[str, Any] = {
    "state": word(JobState.SUCCEEDED),
    **dict.fromkeys(("lease_until", "deadline_at", "waiting_since"), null()),
    **dict.fromkeys(("error_class", "error_code", "error_field", "error_message", "error_action"), null()),
}


def succeed(tx: Tx, *leases: Lease) -> None:
    """Mark jobs succeeded. The caller holds their leases (`held`): a job that is no longer ours stays as it is.

    This goes with the next statement of `bulk`, which does not see it yet.
    """
    if tx.is_postgresql:
        rows = [{"job_id": lease.job_id, "token": lease.token} for lease in leases]
        bulk.write(tx, JobAttempt, rows, _succeed_and_record, with_next=True)
    else:  # SQLite has no statement that does both
        done = set(tx.connection.scalars(_SUCCEED, under(leases)))
        _record_attempts(tx, [(lease, None) for lease in leases if lease.job_id in done], AttemptOutcome.SUCCEEDED)


_SUCCEED = update(_TABLE).where(IS_UNDER).values(**_SUCCEEDED, finished_at=db_now()).returning(Job.id)


def end(tx: Tx, lease: Lease, state: JobState, failure: Failure) -> None:
    """Close the job as `rejected` or `dead`, with the reason.

    Raises:
        LeaseLost: the caller's transaction must roll back.
    """
    _finish(tx, lease, state=state, finished_at=db_now(), attempts=Job.attempts + 1, **_error_columns(failure))
    _record_attempts(tx, [(lease, failure)], AttemptOutcome(failure.error_class.value))


def reject(tx: Tx, refused: Sequence[tuple[Lease, Failure]]) -> None:
    """Close jobs as rejected, each with its reason, by two statements. The caller holds their leases (`held`)."""
    rows = [{"id": lease.job_id, **_error_columns(failure)} for lease, failure in refused]
    bulk.execute(tx, Job, rows, _reject)
    _record_attempts(tx, refused, AttemptOutcome.REJECTED)


def _reject(given: Given) -> Any:
    ended: dict[str, Any] = {
        "state": JobState.REJECTED,
        "finished_at": db_now(),
        "attempts": Job.attempts + 1,
        "lease_until": None,
        "deadline_at": None,
    }
    return given.update(given.columns | ended)


def park(tx: Tx, lease: Lease, failure: Failure, *, seconds: float, counts_as_attempt: bool) -> None:
    """Let the job wait for `seconds`, with the reason that people are shown.

    Args:
        counts_as_attempt: false for waits that use up no attempt, such as for a quota or a reconnect.

    Raises:
        LeaseLost: the caller's transaction must roll back.
    """
    now = db_now()
    same_row = case(
        (Job.error_class.in_((failure.error_class, ErrorClass.DEFERRED)), func.coalesce(Job.waiting_since, now)),
        else_=now,
    )
    _finish(
        tx,
        lease,
        state=JobState.WAITING,
        **due_in(seconds),
        attempts=Job.attempts + int(counts_as_attempt),
        deferrals=Job.deferrals + int(not counts_as_attempt),
        waiting_since=Job.waiting_since if failure.error_class is ErrorClass.DEFERRED else same_row,
        **_error_columns(failure),
    )
    _record_attempts(tx, [(lease, failure)], AttemptOutcome(failure.error_class.value))


def release(tx: Tx, lease: Lease) -> None:
    """Return a job that was not started to the queue, without counting an attempt.

    Raises:
        LeaseLost: the caller's transaction must roll back.
    """
    _finish(tx, lease, state=JobState.QUEUED, rung_at=None)


def give_back(tx: Tx, leases: Sequence[Lease], **values: Any) -> int:
    """Return jobs of a set that were not started to the queue, without counting an attempt. Lost leases are left alone.

    Returns:
        How many were ours.
    """
    statement = update(_TABLE).where(IS_UNDER).values(**_GIVEN_BACK, **values)
    return tx.connection.execute(statement, under(leases)).rowcount


def release_free(tx: Tx, leases: Sequence[Lease]) -> int:
    """`give_back` for jobs that may have begun, without those that a transaction has locked: waiting for one would keep the
    others from going back.

    Returns:
        How many went back.
    """
    return tx.connection.execute(_RELEASE_FREE, under(leases)).rowcount


_GIVEN_BACK: dict[str, Any] = {
    "state": JobState.QUEUED,
    **dict.fromkeys(("rung_at", "lease_until", "deadline_at")),
}
_RELEASE_FREE = (
    update(_TABLE)
    .where(Job.id.in_(select(Job.id).where(IS_UNDER).with_for_update(skip_locked=True)))
    .values(**_GIVEN_BACK)
)


def set_apart(tx: Tx, leases: Sequence[Lease]) -> None:
    """`give_back`, to be rung each by itself."""
    give_back(tx, leases, deferrals=Job.deferrals + 1)


def _error_columns(failure: Failure) -> dict[str, Any]:
    return {
        "error_class": failure.error_class,
        "error_code": failure.code,
        "error_cause": cause_digest(failure.code, failure.message),
        "error_field": failure.field,
        "error_message": failure.message[:1000],
        "error_action": failure.action,
    }


def _finish(tx: Tx, lease: Lease, **values: Any) -> None:
    statement = update(Job).where(holds(lease)).values(**values, lease_until=None, deadline_at=None)
    if tx.session.scalar(statement.returning(Job.id)) is None:
        raise LeaseLost(f"job {lease.job_id} is no longer ours")


def _record_attempt(given: Given) -> Any:
    return given.insert(
        given.columns
        | {
            "number": select(func.count() + 1).where(JobAttempt.job_id == given["job_id"]).scalar_subquery(),
            "started_at": select(Job.started_at).where(Job.id == given["job_id"]).scalar_subquery(),
            "finished_at": db_now(),
        }
    )


def _succeed_and_record(given: Given) -> Any:
    """The jobs are done, each under its lease, and an attempt at each is recorded."""
    is_ours = and_(Job.id == given["job_id"], Job.lease_token == given["token"], state_of_found == JobState.RUNNING)
    returned = (Job.id, Job.lease_token, Job.lease_owner, Job.started_at)
    done = update(_TABLE).where(is_ours).values(**_SUCCEEDED, finished_at=db_now()).returning(*returned).cte("done")
    new = {
        "token": done.c.lease_token,
        "job_id": done.c.id,
        "number": select(func.count() + 1).where(JobAttempt.job_id == done.c.id).scalar_subquery(),
        "owner": done.c.lease_owner,
        "started_at": done.c.started_at,
        "finished_at": db_now(),
        "outcome": word(AttemptOutcome.SUCCEEDED),
    }
    return insert(given.table).from_select(list(new), select(*new.values())).add_cte(done)


def _record_attempts(tx: Tx, ended: Sequence[tuple[Lease, Failure | None]], outcome: AttemptOutcome) -> None:
    rows = [
        {
            "token": lease.token,
            "job_id": lease.job_id,
            "owner": lease.owner,
            "outcome": outcome,
            "error_code": failure.code if failure else None,
            "error_message": failure.message[:1000] if failure else None,
            "traceback": failure.traceback if failure else None,
        }
        for lease, failure in ended
    ]
    if rows:
        bulk.execute(tx, JobAttempt, rows, _record_attempt)


def was_recorded(tx: Tx, tokens: Collection[UUID]) -> bool:
    """Whether the end of an attempt under one of these tokens was committed, for a COMMIT that got no answer. Only their
    worker records these outcomes: who cancels a job, or takes it back, records another under its token."""
    ended = (AttemptOutcome.SUCCEEDED, AttemptOutcome.REJECTED)
    return has_row(tx, JobAttempt.token.in_(tokens), JobAttempt.outcome.in_(ended))


def attempts_of(tx: Tx, job_id: UUID) -> list[JobAttempt]:
    return list(tx.session.scalars(select(JobAttempt).where(JobAttempt.job_id == job_id).order_by(JobAttempt.number)))


def lease_is_void(*, slack_seconds: float = 0.0) -> ColumnElement[bool]:
    """A lease has run out. Or it ends after the deadline that the job would have if it began now: no lease does, unless the
    database's clock has gone back since it was granted."""
    return or_(Job.lease_until < db_now(-slack_seconds), Job.lease_until > db_now(Job.deadline_seconds))


#: A bitmap scan leaves the entries of dead rows in an index, and in a large table PostgreSQL prefers one. So each look would
#: read those of all jobs that ran since the last vacuum, which comes after a fifth of all jobs there ever were.
_STEP_BY_STEP = text("SET LOCAL enable_bitmapscan = off")


def take_back_expired(tx: Tx) -> list[UUID]:
    """Queue every running job whose lease has run out again, and record the lost attempt.

    A job that some transaction has locked is left for the next time: the stopped process that holds it must not delay the
    others (P3).

    Returns:
        Ids of the jobs.
    """
    if tx.is_postgresql:
        tx.session.execute(_STEP_BY_STEP)
    ran_out = (
        select(Job.id, Job.lease_token, Job.lease_owner)
        .where(is_in(JobState.RUNNING), lease_is_void())
        .order_by(Job.id)
        .with_for_update(skip_locked=True)
    )
    taken = []
    for job_id, token, owner in tx.session.execute(ran_out).all():
        if token is None or owner is None:
            continue
        lease = Lease(job_id, token, owner)
        statement = (
            update(Job)
            .where(holds(lease), lease_is_void())
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
            _record_attempts(tx, [(lease, None)], AttemptOutcome.LEASE_LOST)
            taken.append(job_id)
    return taken


def cancel_open(tx: Tx, import_id: UUID, *, except_kinds: Iterable[str] = ()) -> list[UUID]:
    """Cancel the open jobs of a locked import and clear their tokens: a worker that runs one finds its lease lost, and that
    attempt is recorded as cancelled."""
    open_jobs = (
        Job.import_id == import_id,
        state_of_found.in_(OPEN_JOB_STATES),
        Job.kind.not_in(tuple(except_kinds)),
    )
    running = select(Job.id, Job.lease_token, Job.lease_owner).where(*open_jobs, state_of_found == JobState.RUNNING)
    locked = tx.session.execute(running.order_by(Job.id).with_for_update()).all()
    leases = [Lease(job_id, token, owner) for job_id, token, owner in locked if token is not None and owner is not None]
    statement = (
        update(Job)
        .where(*open_jobs)
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
        _record_attempts(tx, [(lease, None)], AttemptOutcome.CANCELLED)
    return cancelled


def requeue(tx: Tx, job_id: UUID, epoch: int, *, trace: str | None = None, background: Lane | None = None) -> bool:
    """Queue a dead job again, in a new epoch of its import. False when it is no longer dead.

    Args:
        trace: the `traceparent` that it belongs to from now on; by default its own.
        background: the lane to which it moves as background work; by default it stays in its own.
    """
    is_dead = (Job.id == job_id, Job.state == JobState.DEAD)
    moved: dict[str, Any] = {} if background is None else {"lane": background, "interactive": False}
    changed = update_rows(
        tx,
        Job,
        *is_dead,
        state=JobState.QUEUED,
        epoch=epoch,
        trace_context=Job.trace_context if trace is None else trace,
        attempts=0,
        lost_leases=case((Job.error_code == POISON_CODE, LOST_LEASES_BEFORE_ISOLATION), else_=0),
        rung_at=None,
        waiting_since=None,
        finished_at=None,
        **moved,
    )
    return bool(changed)


#: Ids, quoted text, times and numbers, replaced in this order.
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


def cause_digest(code: str, message: str) -> str:
    """A short digest of a failure's code and normalised message; dead letters are grouped by it and their kind."""
    return hashlib.sha256(f"{code}\n{normalised(message)}".encode()).hexdigest()[:CAUSE_LENGTH]


#: The error code of requeued jobs that are started one after the other.
PACED_CODE = "requeued_in_turn"


def lock_open(tx: Tx, import_id: UUID) -> list[Job]:
    """Lock an import's open jobs, so that none is claimed or finished until this transaction ends. Lock the import first."""
    statement = select(Job).where(Job.import_id == import_id, state_of_found.in_(OPEN_JOB_STATES)).order_by(Job.id)
    return list(tx.session.scalars(statement.with_for_update()))


def dismiss(tx: Tx, job_id: UUID) -> bool:
    """Dismiss a dead letter; its error is kept. False when it is no longer dead."""
    return _move(tx, job_id, {JobState.DEAD}, state=JobState.DISMISSED)


def mark_done(tx: Tx, job_id: UUID) -> bool:
    """Mark a dead or dismissed job succeeded, because somebody knows that its work was done. False when it is neither."""
    blank = dict.fromkeys(("error_class", "error_code", "error_field", "error_message", "error_action", "error_cause"))
    before = {JobState.DEAD, JobState.DISMISSED}
    return _move(tx, job_id, before, state=JobState.SUCCEEDED, finished_at=db_now(), **blank)


def wait_in_turn(tx: Tx, job_id: UUID, seconds: float, message: str) -> None:
    """Let a job that was just requeued wait for `seconds`. The record keeps the time, so the command can end."""
    _move(
        tx,
        job_id,
        {JobState.QUEUED},
        state=JobState.WAITING,
        **due_in(seconds),
        error_class=ErrorClass.DEFERRED,
        error_code=PACED_CODE,
        error_message=message,
        error_action=None,
        error_field=None,
    )


def _move(tx: Tx, job_id: UUID, before: Collection[JobState], **values: object) -> bool:
    return bool(update_rows(tx, Job, Job.id == job_id, Job.state.in_(before), **values))


def lease_of(job: Job) -> Lease:
    """The lease under which a claimed job runs.

    Raises:
        LeaseLost: the job has no lease.
    """
    if job.lease_token is None or job.lease_owner is None:
        raise LeaseLost(f"job {job.id} has no lease")
    return Lease(job.id, job.lease_token, job.lease_owner)


def hold(tx: Tx, job: Job) -> None:
    """Lock a running job, so that it stays under its lease until this transaction ends.

    Raises:
        LeaseLost: the caller's transaction must roll back.
    """
    if tx.session.scalar(select(Job.id).where(holds(lease_of(job))).with_for_update()) is None:
        raise LeaseLost(f"job {job.id} is no longer ours")
