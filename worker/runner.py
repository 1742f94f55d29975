"""Runs jobs: claim, fetch outside any transaction, apply in one, go on with the first follow-up (design §2).

Every write names the lease token. Losing the lease means that somebody else decides: whatever this attempt did in the
database rolls back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from handlers import failures
from handlers.errors import JobError, Permanent, Transient, from_xpm
from handlers.flow import LOST_LEASES_BEFORE_ALONE, Bell, FollowUp, Kind, Part, Services, of_import
from handlers.follow_ups import following
from handlers.settle import settle
from portal_db import imports, jobs
from portal_db.database import DATABASE_AWAY, Tx
from portal_db.jobs import Lease, LeaseLost
from portal_db.states import ImportState, Lane
from portal_db.tables import Job
from worker.leases import Leases
from xpm.errors import XpmError

log = structlog.stdlib.get_logger(__name__)

#: Tries of one short database transaction: deadlocks and restarts pass, and the lease runs meanwhile.
DATABASE_TRIES = 4


class Runner:
    """Runs claimed jobs in the calling thread.

    Args:
        kinds: the kinds this process knows.
        run_alone: runs a suspected killer in a child process; `None` in that child itself.
        stopping: once set, nothing more is claimed.
    """

    def __init__(
        self,
        services: Services,
        bell: Bell,
        leases: Leases,
        kinds: Mapping[str, Kind],
        *,
        run_alone: Callable[[UUID], None] | None,
        stopping: threading.Event,
    ) -> None:
        self._services = services
        self._database = services.database
        self._bell = bell
        self._leases = leases
        self._kinds = kinds
        self._run_alone = run_alone
        self._stopping = stopping

    def run(self, job_id: UUID) -> None:
        """Claim a job and run it, then its follow-ups of the same lane one after the other.

        A job that is not there to claim is dropped: its message was one too many, and that is normal.
        """
        if self._stopping.is_set():
            return
        suspect, job = self._tries()(self._claim, job_id)
        if suspect and self._run_alone is not None:
            self._run_alone(job_id)
        while job is not None:
            job = self._run_claimed(job)

    def _claim(self, job_id: UUID) -> tuple[bool, Job | None]:
        """Claim a job.

        Returns:
            Whether it must run alone (and was left), and the job if it is ours now.
        """
        with self._database.write() as tx:
            found = imports.job_with_state(tx, job_id)
            if found is None:
                return False, None
            job, state = found
            if job.lost_leases >= LOST_LEASES_BEFORE_ALONE and self._run_alone is not None:
                return True, None
            row = None
            if job.import_id is not None and state in (ImportState.ACCEPTED, ImportState.WAITING):
                row = imports.lock(tx, job.import_id)  # import before job, as everywhere: no deadlock
            claimed = self._take(tx, job_id)
            if claimed is not None and row is not None:
                settle(tx, row)
            return False, claimed

    def _take(self, tx: Tx, job_id: UUID) -> Job | None:
        lease = Lease(job_id, tx.new_id(), self._leases.owner)
        return jobs.claim(tx, lease, kinds=self._kinds.keys(), lease_seconds=self._leases.lease_seconds)

    def _run_claimed(self, job: Job) -> Job | None:
        """Run a job that is ours.

        Returns:
            The follow-up to run on with, claimed already.
        """
        kind = self._kinds[job.kind]
        lease = lease_of(job)
        structlog.contextvars.bind_contextvars(job=str(job.id), import_id=str(job.import_id), kind=job.kind)
        try:
            with self._leases.held(lease.token):
                try:
                    fetched = kind.fetch(self._services, job)
                    return self._finish(job, lease, kind, fetched)
                except LeaseLost:
                    log.info("job.lease_lost")
                except Exception as error:
                    self._fail(job, lease, kind, as_job_error(error))
        finally:
            structlog.contextvars.unbind_contextvars("job", "import_id", "kind")
        return None

    def _finish(self, job: Job, lease: Lease, kind: Kind, fetched: Any) -> Job | None:
        """Apply, and ring what that made. A COMMIT that got no answer is read back by its token, never assumed."""
        for attempt in self._tries():
            with attempt:
                if attempt.retry_state.attempt_number > 1 and self._was_recorded(lease):
                    return None
                next_job, to_ring = self._apply(job, lease, kind, fetched)
        for lane, job_id in to_ring:
            self._bell.ring(lane, [job_id])
        return next_job

    def _was_recorded(self, lease: Lease) -> bool:
        with self._database.read() as tx:
            return jobs.was_recorded(tx, lease.token)

    def _apply(
        self, job: Job, lease: Lease, kind: Kind, fetched: Any
    ) -> tuple[Job | None, Sequence[tuple[Lane, UUID]]]:
        """The one transaction: effect, job done, follow-ups, import state. Its first statement is the fence."""
        import_id = None if kind.part is Part.APART else of_import(job)
        with self._database.write() as tx:
            row = imports.lock(tx, import_id) if import_id is not None else None
            jobs.succeed(tx, lease)
            wanted = kind.apply(tx, job, row, fetched)
            next_job, to_ring = self._insert_follow_ups(tx, job, wanted)
            if row is not None:
                settle(tx, row)
        return next_job, to_ring

    def _insert_follow_ups(
        self, tx: Tx, parent: Job, wanted: Sequence[FollowUp]
    ) -> tuple[Job | None, Sequence[tuple[Lane, UUID]]]:
        new = [following(tx, parent, follow_up) for follow_up in wanted]
        added = jobs.add(tx, new, rung=parent.interactive)
        new = [job for job in new if job.id in added]
        next_job = None
        for candidate in new:
            if candidate.lane == parent.lane and not self._stopping.is_set():
                next_job = self._take(tx, candidate.id)
                break
        taken = next_job.id if next_job is not None else None
        others = [(job.lane, job.id) for job in new if job.id != taken]
        return next_job, others if parent.interactive else ()

    def _fail(self, job: Job, lease: Lease, kind: Kind, error: JobError) -> None:
        """Record a failure. If even that fails, the lease runs out and the relay takes the job back."""
        log.info("job.failed", code=error.code, error_class=error.error_class.value, attempt=job.attempts + 1)
        try:
            self._tries()(failures.record, self._services, job, lease, kind, error)
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


def lease_of(job: Job) -> Lease:
    """The lease under which a claimed job runs."""
    if job.lease_token is None or job.lease_owner is None:
        raise LeaseLost(f"job {job.id} has no lease")
    return Lease(job.id, job.lease_token, job.lease_owner)


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
            "bug", f"Something we did not foresee went wrong ({type(error).__name__}).", "Tell the developers."
        )
    found.__cause__ = error
    return found
