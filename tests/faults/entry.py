"""A worker, a relay or a job's own child process as they are deployed, with traps on the way of a job.

`python -m tests.faults.start worker|relay|alone …`. A trap is a file in the folder that FAULT_TRAPS names: at its point it
kills, stops or holds up the process, and leaves a mark that says so first. FAULT_CLOCK sets this process's clock off by so
many seconds; FAULT_NEW_KIND makes it a newer version, which knows one more kind of job. The product's code is not changed:
what it is made of is exchanged from outside, before it is put together.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import dramatiq.brokers.redis
from sqlalchemy import event
from sqlalchemy.orm import Session

from config.sources import Sources
from handlers.email.smtp import SmtpMailer
from handlers.jobs.enqueue import FollowUp
from handlers.jobs.handler import Handler
from handlers.jobs.kinds import KINDS, Kind, Part
from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db.tables import Job
from portal_db.work import imports
from tests.faults.traps import NEW_KIND, Trap, mark
from tests.worker.queue.desk import ALL_QUEUES
from worker import isolated as alone
from worker import process
from worker.jobs.isolation import IsolatedRunner

_here = threading.local()
_folder = Path(os.environ["FAULT_TRAPS"])


def reach(point: str) -> None:
    """The calling thread's job has come to a point: whatever trap is set there goes off."""
    job: Job | None = getattr(_here, "job", None)
    if job is None:
        return
    for path in _folder.glob("*.trap"):
        trap = Trap(**json.loads(path.read_text()))
        if (trap.point, trap.kind, trap.practice_id) == (point, job.kind, str(job.practice_id)) and _wanted(trap, job):
            number = mark(path, trap, job.id)
            if number is not None:
                _spring(trap)


def _wanted(trap: Trap, job: Job) -> bool:
    """Whether the trap is meant for this job.

    One that is run alone has lost two workers already: a third death would make it poison (P14), as only those are to
    be whose trap goes off again and again.
    """
    if job.lease_owner is not None and job.lease_owner.endswith("/isolated") and not trap.again:
        return False
    if trap.name is None or job.import_id is None:
        return True
    with _here.services.database.read() as tx:
        row = imports.get(tx, job.import_id)
    return row is not None and row.name == trap.name


def _spring(trap: Trap) -> None:
    if trap.action == "hold":
        time.sleep(trap.seconds)
    else:
        os.kill(os.getpid(), signal.SIGKILL if trap.action == "kill" else signal.SIGSTOP)
        time.sleep(0.2)  # a signal to oneself may take a moment; a stopped process goes on from here


def with_points(kind: Handler) -> Handler:
    """A kind of job whose steps are points."""

    def fetch(services: Services, job: Job) -> Any:
        _here.services, _here.job, _here.applied = services, job, False
        reach("claimed")
        fetched = kind.fetch(services, job)
        reach("fetched")
        return fetched

    def apply(tx: Any, job: Job, row: Any, fetched: Any) -> Sequence[FollowUp]:
        wanted = kind.apply(tx, job, row, fetched)
        _here.applied = True
        return wanted

    return replace(kind, fetch=fetch, apply=apply)


def watch_commits() -> None:
    """Make points of the COMMIT that carries a job's effect: `uncommitted` and `committed`."""

    def before(_: Session) -> None:
        if getattr(_here, "applied", False):
            reach("uncommitted")

    def after(_: Session) -> None:
        if getattr(_here, "applied", False):
            _here.applied = False
            reach("committed")

    def undone(_: Session) -> None:
        _here.applied = False

    event.listen(Session, "before_commit", before)
    event.listen(Session, "after_commit", after)
    event.listen(Session, "after_rollback", undone)


class TrappedMailer(SmtpMailer):
    """A mailer with a point on each side of the mail server's yes."""

    def send(self, message: Any, recipient: str) -> None:
        reach("sending")
        super().send(message, recipient)
        reach("sent")


def become_newer() -> None:
    """A version that brings a client's notes, too: a kind of job that the version before does not know."""
    creation = HANDLERS["create_client"]

    def apply(tx: Any, job: Job, row: Any, seen: Any) -> Sequence[FollowUp]:
        return [*creation.apply(tx, job, row, seen), FollowUp(NEW_KIND)]

    HANDLERS["create_client"] = replace(creation, apply=apply)
    KINDS[NEW_KIND] = Kind(NEW_KIND, Part.BRANCH, None, 30, 8, 60.0)
    HANDLERS[NEW_KIND] = Handler(lambda *_: None, lambda *_: [])


def set_clock_off(seconds: float) -> None:
    """This process's idea of the time of day, in the product and in dramatiq's Redis broker."""
    now = partial(_off, timedelta(seconds=seconds))
    vars(process).update(Sources=partial(Sources, now=now))
    vars(dramatiq.brokers.redis).update(current_millis=lambda: int(now().timestamp() * 1000))


def _off(by: timedelta) -> datetime:
    return datetime.now(UTC) + by


def main(role: str, *arguments: str) -> int:
    """Set everything up as the environment says, and be what is asked for."""
    if os.environ.get("FAULT_NEW_KIND"):
        become_newer()
    set_clock_off(float(os.environ.get("FAULT_CLOCK", "0")))
    HANDLERS.update({name: with_points(kind) for name, kind in HANDLERS.items()})
    watch_commits()
    child = (sys.executable, "-m", "tests.faults.start", "alone")
    vars(process).update(SmtpMailer=TrappedMailer, IsolatedRunner=partial(IsolatedRunner, command=child))
    if role == "worker":
        return process.run_worker(sorted(ALL_QUEUES), threads=4)
    return process.run_relay() if role == "relay" else alone.main(list(arguments))
