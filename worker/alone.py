"""Runs one job in a process of its own: for jobs that took their process down twice (P14).

Whoever dies alone is the culprit and becomes a dead letter; its former neighbours run through here unharmed.
`python -m worker.alone JOB_ID OWNER` is the child. A signal to stop is not for the child: a job that a deployment cut off
has proved nothing. Its parent lets it finish within the grace period, then ends it and gives its job back.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from contextlib import suppress
from uuid import UUID

import structlog

from config.loading import loading
from handlers.errors import Permanent
from handlers.failures import record
from handlers.flow import Services
from handlers.kinds import KINDS
from portal_db import jobs
from portal_db.holding import lease_of
from portal_db.jobs import POISON_CODE, LeaseLost
from portal_db.states import JobState

log = structlog.stdlib.get_logger(__name__)


class AloneRunner:
    """Starts the child and judges how it ended.

    Args:
        owner: names this process; the child's name is made from it.
    """

    def __init__(self, services: Services, owner: str, command: tuple[str, ...] = ()) -> None:
        self._services = services
        self._owner = owner
        self._command = command or (sys.executable, "-m", "worker.alone")
        self._children: dict[UUID, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def run(self, job_id: UUID) -> None:
        """Run the job in a child; if that dies without finishing it, the job is poison."""
        owner = f"{self._owner}/alone"
        with self._services.database.read() as tx:
            job = jobs.get(tx, job_id)
        if job is None:
            return
        with self._lock:
            if job_id in self._children:
                return  # rung again while its child starts
            log.warning("job.alone", job=str(job_id), kind=job.kind)
            child = subprocess.Popen([*self._command, str(job_id), owner])  # noqa: S603 -- our own module
            self._children[job_id] = child
        try:
            died = child.wait(job.deadline_seconds + 10) != 0
        except subprocess.TimeoutExpired:
            died = True
            child.kill()
            child.wait()
        finally:
            del self._children[job_id]
        if died and not self._stopped.is_set():
            self._bury(job_id, owner)

    @property
    def running(self) -> int:
        """How many children run."""
        return len(self._children)

    def stop(self) -> None:
        """End the children that still run and give their jobs back: a job that we cut off has proved nothing."""
        self._stopped.set()
        for job_id, child in list(self._children.items()):
            child.kill()
            child.wait()
            with suppress(LeaseLost), self._services.database.write() as tx:
                job = jobs.get(tx, job_id)
                if job is not None and job.lease_owner == f"{self._owner}/alone":
                    jobs.give_back(tx, lease_of(job))

    def _bury(self, job_id: UUID, owner: str) -> None:
        with self._services.database.read() as tx:
            job = jobs.get(tx, job_id)
        if job is None or job.state is not JobState.RUNNING or job.lease_owner != owner:
            return
        poison = Permanent(
            POISON_CODE,
            "This job ended its worker process three times, the last time running alone.",
            "Tell the developers; do not requeue it before they have looked.",
        )
        try:
            record(self._services, job, lease_of(job), KINDS[job.kind], poison)
        except LeaseLost:
            log.info("job.lease_lost", job=str(job_id))


def main(arguments: list[str]) -> int:
    """The child: run the one job and its follow-ups, then exit 0."""
    with loading():
        from worker.process import STOP_SIGNALS, Parts  # the parts of a worker are only needed in the child

    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    job_id, owner = UUID(arguments[0]), arguments[1]
    with Parts.from_environment(owner) as parts:
        parts.runner(run_alone=None, stopping=threading.Event()).run(job_id)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
