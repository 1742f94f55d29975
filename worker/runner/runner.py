"""Runs jobs: claim, fetch outside any transaction, apply in one, then run the first follow-up (design §2).

Every write names the lease token. If the lease is lost, another process owns the job, and this attempt's transaction
rolls back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from handlers.errors import JobError, Permanent, Transient, from_xpm
from handlers.imports.settle import settle
from handlers.jobs.enqueue import FollowUp, follow_up_job
from handlers.jobs.handler import LOST_LEASES_BEFORE_ISOLATION, Handler, of_import
from handlers.jobs.kinds import KINDS, Part
from handlers.services import Bell, Services
from portal_db.database import DATABASE_AWAY, Tx
from portal_db.states import ImportState, JobState, Lane
from portal_db.tables import Job
from portal_db.work import imports, jobs
from portal_db.work.jobs import Lease, LeaseLost, lease_of
from worker.runner import failures
from worker.runner.leases import Leases
from xpm.errors import XpmError

log = structlog.stdlib.get_logger(__name__)

#: Tries of one short database transaction: enough for a deadlock or a restart, and short enough for the lease.
DATABASE_TRIES = 4


@dataclass
class _Applied:
    """What an apply leads to: a follow-up to run next, already claimed, and others to ring."""

    next_job: Job | None = None
    next_lease: Lease | None = None
    to_ring: Sequence[tuple[Lane, UUID]] = ()


class Runner:
    """Runs claimed jobs in the calling thread.

    Args:
        handlers: the kinds this process knows, with their functions (`handlers.registry`).
        run_isolated: runs a job that may kill its process in a child; `None` in that child itself.
        stopping: once set, nothing more is claimed.
    """

    def __init__(
        self,
        services: Services,
        bell: Bell,
        leases: Leases,
        handlers: Mapping[str, Handler],
        *,
        run_isolated: Callable[[UUID], None] | None,
        stopping: threading.Event,
    ) -> None:
        self._services = services
        self._database = services.database
        self._bell = bell
        self._leases = leases
        self._handlers = handlers
        self._run_isolated = run_isolated
        self._stopping = stopping

    def run(self, job_id: UUID) -> None:
        """Claim a job and run it, then its follow-ups of the same lane in turn.

        A job that cannot be claimed is skipped: its message is a duplicate, which is normal.
        """
        if self._stopping.is_set():
            return
        lease = Lease(job_id, self._database.sources.new_id(), self._leases.owner)
        suspect, job = self._tries()(self._claim, lease)
        if suspect and self._run_isolated is not None:
            self._run_isolated(job_id)
        while job is not None:
            job = self._run_claimed(job)

    def _claim(self, lease: Lease) -> tuple[bool, Job | None]:
        """Claim a job, or find that an earlier try, whose COMMIT got no answer, claimed it.

        Returns:
            Whether it must run isolated (and was not claimed), and the job if it is ours now.
        """
        with self._database.write() as tx:
            found = imports.job_with_state(tx, lease.job_id)
            if found is None:
                return False, None
            job, state = found
            if _holds(job, lease):
                return False, job
            if job.lost_leases >= LOST_LEASES_BEFORE_ISOLATION and self._run_isolated is not None:
                return job.state in (JobState.QUEUED, JobState.WAITING), None  # no child for a duplicate message
            row = None
            if job.import_id is not None and state in (ImportState.ACCEPTED, ImportState.WAITING):
                row = imports.lock(tx, job.import_id)  # import before job, as everywhere: no deadlock
            claimed = self._take(tx, lease)
            if claimed is not None and row is not None:
                settle(tx, row)
            return False, claimed

    def _take(self, tx: Tx, lease: Lease) -> Job | None:
        return jobs.claim(tx, lease, kinds=self._handlers.keys(), lease_seconds=self._leases.lease_seconds)

    def _run_claimed(self, job: Job) -> Job | None:
        """Run a job that is ours.

        Returns:
            The follow-up to run next, already claimed.
        """
        handler = self._handlers[job.kind]
        lease = lease_of(job)
        structlog.contextvars.bind_contextvars(job=str(job.id), import_id=str(job.import_id), kind=job.kind)
        try:
            with self._leases.held(lease):
                try:
                    fetched = handler.fetch(self._services, job)
                    return self._finish(job, lease, handler, fetched)
                except LeaseLost:
                    log.info("job.lease_lost")
                except Exception as error:
                    self._fail(job, lease, handler, as_job_error(error))
        finally:
            structlog.contextvars.unbind_contextvars("job", "import_id", "kind")
        return None

    def _finish(self, job: Job, lease: Lease, handler: Handler, fetched: Any) -> Job | None:
        """Apply, and ring the follow-ups. A COMMIT that got no answer is read back by its token, never assumed."""
        applied = _Applied()
        for attempt in self._tries():
            with attempt:
                if attempt.retry_state.attempt_number > 1 and self._was_recorded(lease):
                    applied.next_job = self._read_back(applied.next_lease)
                else:
                    applied = _Applied()
                    self._apply(job, lease, handler, fetched, applied)
        for lane, job_id in applied.to_ring:
            self._bell.ring(lane, [job_id])
        return applied.next_job

    def _was_recorded(self, lease: Lease) -> bool:
        with self._database.read() as tx:
            return jobs.was_recorded(tx, lease.token)

    def _read_back(self, lease: Lease | None) -> Job | None:
        """The current state of a job that we claimed; `None` if there is none, or it is no longer ours."""
        if lease is None:
            return None
        with self._database.read() as tx:
            job = jobs.get(tx, lease.job_id)
        return job if job is not None and _holds(job, lease) else None

    def _apply(self, job: Job, lease: Lease, handler: Handler, fetched: Any, applied: _Applied) -> None:
        """The one transaction: effect, job done, follow-ups, import state. Its first statement is the fence.

        `applied` is filled before the COMMIT, because its answer may be lost.
        """
        import_id = None if KINDS[job.kind].part is Part.STANDALONE else of_import(job)
        with self._database.write() as tx:
            row = imports.lock(tx, import_id) if import_id is not None else None
            jobs.succeed(tx, lease)
            follow_ups = handler.apply(tx, job, row, fetched)
            applied.next_job, applied.to_ring = self._insert_follow_ups(tx, job, follow_ups)
            applied.next_lease = lease_of(applied.next_job) if applied.next_job is not None else None
            if row is not None:
                settle(tx, row)

    def _insert_follow_ups(
        self, tx: Tx, parent: Job, follow_ups: Sequence[FollowUp]
    ) -> tuple[Job | None, Sequence[tuple[Lane, UUID]]]:
        new = [follow_up_job(tx, parent, follow_up) for follow_up in follow_ups]
        added = jobs.add(tx, new, rung=parent.interactive)
        new = [job for job in new if job.id in added]
        next_job = None
        for candidate in new:
            if candidate.lane == parent.lane and not self._stopping.is_set():
                next_job = self._take(tx, Lease(candidate.id, tx.new_id(), self._leases.owner))
                break
        taken = next_job.id if next_job is not None else None
        others = [(job.lane, job.id) for job in new if job.id != taken]
        return next_job, others if parent.interactive else ()

    def _fail(self, job: Job, lease: Lease, handler: Handler, error: JobError) -> None:
        """Record a failure. If even that fails, the lease expires and the relay takes the job back."""
        log.info("job.failed", code=error.code, error_class=error.error_class.value, attempt=job.attempts + 1)
        try:
            self._tries()(failures.record, self._services, job, lease, handler.on_failure, error)
        except LeaseLost:
            log.info("job.lease_lost")
        except SQLAlchemyError as database_error:
            log.warning("job.failure_not_recorded", exc_info=database_error)

    def _tries(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(DATABASE_AWAY),
            stop=stop_after_attempt(DATABASE_TRIES),
            wait=wait_random_exponential(multiplier=0.05, max=1.0),
            reraise=True,
        )


def _holds(job: Job, lease: Lease) -> bool:
    return job.lease_token == lease.token and job.state is JobState.RUNNING


def as_job_error(error: Exception) -> JobError:
    """Any exception as a job's failure. An unexpected one is a bug, and becomes a dead letter (design §3)."""
    if isinstance(error, JobError):
        return error
    if isinstance(error, XpmError):
        found: JobError = from_xpm(error)
    elif isinstance(error, DATABASE_AWAY):
        found = Transient("database_unavailable", "The database did not answer; nothing was written.")
    else:
        found = Permanent(
            "bug", f"Something unexpected went wrong ({type(error).__name__}).", "Contact the developers."
        )
    found.__cause__ = error
    return found
