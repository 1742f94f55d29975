"""Runs one job in its own child process: for jobs whose worker process died twice (P14).

A job that also kills the child, where nothing else runs, is to blame and becomes a dead letter. Jobs that only shared the
worker finish here unharmed. The child is `worker.isolated`. It ignores stop signals, because a job that a deployment
interrupted has proved nothing: the parent lets it finish within the grace period, then kills it and releases its job.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from uuid import UUID

import structlog

from handlers.errors import Permanent
from handlers.jobs.handler import Handler
from handlers.services import Services
from portal_db.states import JobState
from portal_db.work import jobs
from portal_db.work.jobs import MOST_LOST_LEASES, POISON_CODE, Lease, LeaseLost, lease_of
from worker.runner import outcomes
from worker.runner.failures import record

log = structlog.stdlib.get_logger(__name__)

#: The lease of a job that only becomes a dead letter.
BURIED_WITHIN_SECONDS = 10.0


class IsolatedRunner:
    """Starts the child and decides by how it ended.

    Args:
        handlers: the kinds this process knows, with their functions.
        owner: the name of this process, from which the child's name is made.
    """

    def __init__(
        self, services: Services, handlers: Mapping[str, Handler], owner: str, command: tuple[str, ...] = ()
    ) -> None:
        self._services = services
        self._handlers = handlers
        self._owner = owner
        self._command = command or (sys.executable, "-m", "worker.isolated")
        self._children: dict[UUID, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def run(self, job_id: UUID) -> None:
        """Run the job in a child. If the child dies without finishing it, the job is poison; and so is one whose children
        have taken their workers with them, as when memory ends for all processes of a machine."""
        owner = f"{self._owner}/isolated"
        with self._services.database.read() as tx:
            job = jobs.get(tx, job_id)
        if job is None:
            return
        if job.lost_leases >= MOST_LOST_LEASES:
            self._bury(job_id, owner)
            return
        with self._lock:
            if job_id in self._children:
                return  # a duplicate message that arrived while the child starts
            log.warning("job.alone", job=str(job_id), kind=job.kind)
            child = subprocess.Popen([*self._command, str(job_id), owner])  # noqa: S603 -- our own module
            self._children[job_id] = child
        began = time.monotonic()
        try:
            died = child.wait(job.deadline_seconds + 10) != 0
        except subprocess.TimeoutExpired:
            died = True
            child.kill()
            child.wait()
        finally:
            del self._children[job_id]
        if died and not self._stopped.is_set():
            self._dead_letter(job_id, owner, began)

    def stop(self) -> None:
        """Kill the children that still run and release their jobs: a job that we interrupted has proved nothing."""
        self._stopped.set()
        for job_id, child in list(self._children.items()):
            child.kill()
            child.wait()
            with suppress(LeaseLost), self._services.database.write() as tx:
                job = jobs.get(tx, job_id)
                if job is not None and job.lease_owner == f"{self._owner}/isolated":
                    jobs.release(tx, lease_of(job))

    def _bury(self, job_id: UUID, owner: str) -> None:
        """Make a job that is not run again a dead letter, unless another process has it."""
        began = time.monotonic()
        lease = Lease(job_id, self._services.sources.new_id(), owner)
        with self._services.database.write() as tx:
            jobs.claim_all(tx, [lease], kinds=self._handlers.keys(), lease_seconds=BURIED_WITHIN_SECONDS)
        self._dead_letter(job_id, owner, began)

    def _dead_letter(self, job_id: UUID, owner: str, began: float) -> None:
        with self._services.database.read() as tx:
            job = jobs.get(tx, job_id)
        if job is None or job.state is not JobState.RUNNING or job.lease_owner != owner:
            return
        poison = Permanent(
            POISON_CODE,
            "This job stopped its worker process three times or more, the last time in isolation.",
            "Contact the developers. Do not requeue it before they have checked.",
        )
        try:
            record(self._services, job, lease_of(job), self._handlers[job.kind].on_failure, poison)
        except LeaseLost:
            log.info("job.lease_lost", job=str(job_id))
        else:
            outcomes.failed(job, poison, began=began)
