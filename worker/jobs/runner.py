"""Runs jobs: claim, fetch outside any transaction, apply in one, go on with the first follow-up (design §2).

Every write names the lease token. Losing the lease means that somebody else decides: whatever this attempt did in the
database rolls back.
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
from handlers.jobs.enqueue import FollowUp, following
from handlers.jobs.handler import LOST_LEASES_BEFORE_ISOLATION, Handler, of_import
from handlers.jobs.kinds import KINDS, Part
from handlers.services import Bell, Services
from portal_db.database import DATABASE_AWAY, Tx
from portal_db.states import ImportState, JobState, Lane
from portal_db.tables import Job
from portal_db.work import imports, jobs
from portal_db.work.jobs import Lease, LeaseLost, lease_of
from worker.jobs import failures
from worker.jobs.leases import Leases
from xpm.errors import XpmError

log = structlog.stdlib.get_logger(__name__)

#: Tries of one short database transaction: deadlocks and restarts pass, and the lease runs meanwhile.
DATABASE_TRIES = 4


@dataclass
class _Made:
    """What an apply leads to: a follow-up to run on with, claimed already, and others to ring."""

    next_job: Job | None = None
    next_lease: Lease | None = None
    to_ring: Sequence[tuple[Lane, UUID]] = ()


class Runner:
    """Runs claimed jobs in the calling thread.

    Args:
        handlers: the kinds this process knows, with their functions (`handlers.registry`).
        run_isolated: runs a suspected killer in a child process; `None` in that child itself.
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
        """Claim a job and run it, then its follow-ups of the same lane one after the other.

        A job that is not there to claim is dropped: its message was one too many, and that is normal.
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
        """Claim a job, or find that an earlier try did, whose COMMIT got no answer.

        Returns:
            Whether it must run alone (and was left), and the job if it is ours now.
        """
        with self._database.write() as tx:
            found = imports.job_with_state(tx, lease.job_id)
            if found is None:
                return False, None
            job, state = found
            if _is_under(job, lease):
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
            The follow-up to run on with, claimed already.
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
        """Apply, and ring what that made. A COMMIT that got no answer is read back by its token, never assumed."""
        made = _Made()
        for attempt in self._tries():
            with attempt:
                if attempt.retry_state.attempt_number > 1 and self._was_recorded(lease):
                    made.next_job = self._read_back(made.next_lease)
                else:
                    made = _Made()
                    self._apply(job, lease, handler, fetched, made)
        for lane, job_id in made.to_ring:
            self._bell.ring(lane, [job_id])
        return made.next_job

    def _was_recorded(self, lease: Lease) -> bool:
        with self._database.read() as tx:
            return jobs.was_recorded(tx, lease.token)

    def _read_back(self, lease: Lease | None) -> Job | None:
        """The job of a lease that we took, as it now is; `None` if there is none, or it is not ours any more."""
        if lease is None:
            return None
        with self._database.read() as tx:
            job = jobs.get(tx, lease.job_id)
        return job if job is not None and _is_under(job, lease) else None

    def _apply(self, job: Job, lease: Lease, handler: Handler, fetched: Any, made: _Made) -> None:
        """The one transaction: effect, job done, follow-ups, import state. Its first statement is the fence.

        What it `made` is noted before the COMMIT, whose answer may not come.
        """
        import_id = None if KINDS[job.kind].part is Part.STANDALONE else of_import(job)
        with self._database.write() as tx:
            row = imports.lock(tx, import_id) if import_id is not None else None
            jobs.succeed(tx, lease)
            wanted = handler.apply(tx, job, row, fetched)
            made.next_job, made.to_ring = self._insert_follow_ups(tx, job, wanted)
            made.next_lease = lease_of(made.next_job) if made.next_job is not None else None
            if row is not None:
                settle(tx, row)

    def _insert_follow_ups(
        self, tx: Tx, parent: Job, wanted: Sequence[FollowUp]
    ) -> tuple[Job | None, Sequence[tuple[Lane, UUID]]]:
        new = [following(tx, parent, follow_up) for follow_up in wanted]
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
        """Record a failure. If even that fails, the lease runs out and the relay takes the job back."""
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


def _is_under(job: Job, lease: Lease) -> bool:
    return job.lease_token == lease.token and job.state is JobState.RUNNING


def as_job_error(error: Exception) -> JobError:
    """Any exception as a job's failure: what nobody foresaw is a bug, and waits for people (design §3)."""
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
