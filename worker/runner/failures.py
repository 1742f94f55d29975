"""Records a job's failure. Its error class decides whether the job is retried, rejected or a dead letter (design §3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from handlers.errors import JobError, Permanent, Rejected, Transient, from_xpm
from handlers.imports.settle import settle
from handlers.jobs.handler import CONNECTION_PATIENCE_SECONDS, OnFailure
from handlers.jobs.kinds import KINDS
from handlers.outages import UPSTREAM_OF
from handlers.practice_time import clock_in
from handlers.services import Services
from portal_db.database import DATABASE_AWAY, Tx, sqlstate_of
from portal_db.states import ErrorClass, JobState
from portal_db.tables import Job
from portal_db.types import database_time
from portal_db.work import imports, jobs, outages
from portal_db.work.jobs import Failure, Lease, lease_of
from portal_db.xero import connections
from xpm.errors import XpmError

BACKOFF_BASE_SECONDS = 1.0
#: The wait of a deferral whose cause named none.
DEFAULT_DEFERRAL_SECONDS = 5.0
#: Reconnecting makes the waiting jobs due at once; this is only how often they check without it.
CONNECTION_RECHECK_SECONDS = 300.0


def record(services: Services, job: Job, lease: Lease, on_failure: OnFailure | None, error: JobError) -> None:
    """Record a failed attempt in one transaction: the job's new state, its history, the import's state.

    Raises:
        LeaseLost: the job is no longer ours; nothing is written.
    """
    with services.database.write() as tx:
        record_in(tx, services, job, lease, on_failure, error)


def record_in(
    tx: Tx, services: Services, job: Job, lease: Lease, on_failure: OnFailure | None, error: JobError
) -> None:
    """`record`, in the caller's transaction."""
    outcome = decide_outcome(tx, services, job, error)
    failure = _failure(tx, job, error, outcome)
    row = imports.lock(tx, job.import_id) if job.import_id is not None else None
    if isinstance(outcome, JobState):
        jobs.end(tx, lease, outcome, failure)
    else:
        jobs.park(tx, lease, failure, seconds=outcome.seconds, counts_as_attempt=outcome.counts_as_attempt)
    if on_failure is not None:
        on_failure(tx, job, failure)
    if row is not None:
        settle(tx, row)


def reject(tx: Tx, refused: Sequence[tuple[Job, Rejected]]) -> None:
    """Record the refusals of jobs of a set, in the set's transaction, which holds their leases and settles their imports."""
    jobs.reject(tx, [(lease_of(job), refusal.as_failure()) for job, refusal in refused])


@dataclass(frozen=True)
class _Wait:
    """A failed job is retried after this many seconds."""

    seconds: float
    counts_as_attempt: bool = False


def _failure(tx: Tx, job: Job, error: JobError, outcome: JobState | _Wait) -> Failure:
    failure = error.as_failure()
    if error.error_class is ErrorClass.DEFERRED and isinstance(outcome, _Wait):
        return replace(failure, message=f"{error.message}, until {clock_in(tx, job.practice_id, outcome.seconds)}")
    return failure


def decide_outcome(tx: Tx, services: Services, job: Job, error: JobError) -> JobState | _Wait:
    """The final state of a failed job, or how long it waits for its next attempt."""
    kind = KINDS[job.kind]
    match error.error_class:
        case ErrorClass.REJECTED:
            return JobState.REJECTED
        case ErrorClass.DEFERRED:
            return _Wait(0.0 if _is_over(tx, error) else _deferral(tx, error))
        case ErrorClass.CONNECTION if _waited(tx, job, error) < CONNECTION_PATIENCE_SECONDS:
            return _Wait(0.0 if _is_back(tx, job) else CONNECTION_RECHECK_SECONDS)
        case ErrorClass.TRANSIENT if _waited(tx, job, error) < kind.patience_hours * 3600:
            jitter = services.sources.full_jitter(job.attempts, base=BACKOFF_BASE_SECONDS, cap=kind.backoff_cap_seconds)
            return _Wait(max(jitter, error.wait_seconds or 0.0), counts_as_attempt=True)
        case _:
            return JobState.DEAD


def _is_over(tx: Tx, error: JobError) -> bool:
    """Whether the outage that a job met has ended since: nothing else will wake it (P17)."""
    upstream = UPSTREAM_OF.get(error.code)
    return upstream is not None and outages.is_over(tx, upstream.name)


def _is_back(tx: Tx, job: Job) -> bool:
    """Whether the person has reconnected since the job found the connection lost: nothing else will wake it (P17)."""
    return job.import_id is not None and connections.works_for_import(tx, job.import_id)


def _deferral(tx: Tx, error: JobError) -> float:
    wait, upstream = error.wait_seconds or DEFAULT_DEFERRAL_SECONDS, UPSTREAM_OF.get(error.code)
    if upstream is None:
        return wait
    return min(wait, outages.probe_that_nobody_makes(tx, upstream.name, upstream.code) or wait)


def _waited(tx: Tx, job: Job, error: JobError) -> float:
    """Seconds since the first of a row of failures of this class; deferrals between them do not end the row."""
    if job.waiting_since is None or job.error_class not in (error.error_class, ErrorClass.DEFERRED):
        return 0.0
    return (database_time(tx.session) - job.waiting_since).total_seconds()


def as_job_error(error: Exception) -> JobError:
    """Any exception as a job's failure. An unexpected one is a bug, and becomes a dead letter (design §3)."""
    if isinstance(error, JobError):
        return error
    if isinstance(error, XpmError):
        found: JobError = from_xpm(error)
    elif isinstance(error, DATABASE_AWAY):
        found = Transient("database_unavailable", "The database did not answer; nothing was written.")
    else:
        found = Permanent("bug", f"Something unexpected went wrong ({_name_of(error)}).", "Contact the developers.")
    found.__cause__ = error
    return found


def _name_of(error: Exception) -> str:
    """An error's type, and PostgreSQL's code if it is one of the database: neither holds anything of a client."""
    sqlstate = sqlstate_of(error)
    return f"{type(error).__name__} {sqlstate}" if sqlstate else type(error).__name__
