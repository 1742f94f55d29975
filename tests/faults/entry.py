"""A worker, a relay or an isolated child process as they are deployed, with traps on the path of a job.

`python -m tests.faults.start worker|relay|alone …`. A trap is a file in the folder that FAULT_TRAPS names: at its point it
first leaves a mark, then kills, stops or delays the process. FAULT_CLOCK shifts this process's clock by that number of
seconds; FAULT_NEW_KIND makes it a newer version, which knows more kinds of job; FAULT_OUTAGE_SCALE makes the waits of an
outage that many times shorter; FAULT_GAUGES_SECONDS is how often the leader reads its gauges, and FAULT_LOOK_SECONDS how
often it looks for what is due. While the file that FAULT_DISK names is there, SQLite may use no page more than it has, and
what it refuses is counted in a file beside it. The product's code is not changed: its parts are replaced from outside,
before they are assembled.
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
from functools import cache, partial
from pathlib import Path
from typing import Any

import dramatiq.brokers.redis
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from config.sources import Sources
from handlers import outages
from handlers.email.smtp import SmtpMailer
from handlers.errors import Rejected
from handlers.jobs.enqueue import FollowUp
from handlers.jobs.handler import Fetch, Handler, Result, Sending, Task, one_by_one
from handlers.jobs.kinds import KINDS, Kind, Part
from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db.states import Lane
from portal_db.tables import Job
from portal_db.work import imports
from tests.faults.traps import NEW_CHORE, NEW_KIND, Trap, mark
from worker import isolated as alone
from worker import parts, process
from worker.leader import gauges, scheduler
from worker.queue.door import QUEUE
from worker.runner import failures
from worker.runner.isolation import IsolatedRunner

_here = threading.local()
_folder = Path(os.environ["FAULT_TRAPS"])


def reach(point: str) -> None:
    """Spring the trap that is set at this point for a job of the calling thread's set, if there is one."""
    jobs: Sequence[Job] = getattr(_here, "jobs", ())
    if not jobs:
        return
    for path in _folder.glob("*.trap"):
        trap = Trap(**json.loads(path.read_text()))
        for job in jobs:
            meant = (trap.point, trap.kind, trap.practice_id) == (point, job.kind, str(job.practice_id))
            if meant and _wanted(trap, job):
                number = mark(path, trap, job.id)
                if number is not None:
                    _spring(trap)
                    break


def _wanted(trap: Trap, job: Job) -> bool:
    """Whether the trap is meant for this job.

    One that has lost a worker would be isolated after a second death, and poison after a third (P14). Only a trap with
    `again` is meant to do that.
    """
    if job.lost_leases and not trap.again:
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
        time.sleep(0.2)  # a signal to this process may take a moment; a stopped process continues here


def with_points(kind: Handler) -> Handler:
    """A handler whose steps are points."""

    def apply(tx: Any, tasks: Sequence[Task]) -> Sequence[Result]:
        results = kind.apply(tx, tasks)
        before = _here.jobs if getattr(_here, "applied", False) else []
        _here.applied, _here.jobs = True, [*before, *(task.job for task in tasks)]
        return results

    sending = kind.sending and _one_after_the_other(kind.sending)
    return replace(kind, fetch=_fetch_with_points(kind.fetch), apply=apply, sending=sending)


@cache
def _fetch_with_points(fetch: Fetch) -> Fetch:
    """One function for all kinds that have the same: what was fetched for one is not fetched again for the next."""

    def with_points(services: Services, jobs: Sequence[Job]) -> Sequence[Any]:
        _here.services, _here.jobs, _here.applied = services, jobs, False
        reach("claimed")
        fetched = fetch(services, jobs)
        reach("fetched")
        return fetched

    return with_points


def _one_after_the_other(sending: Sending) -> Sending:
    """While a job of a set is sent, it is the one that is at a point."""

    def begin(tx: Any, task: Task) -> bool:
        _here.begun = begun = sending.begin(tx, task)
        return begun

    def send(services: Services, task: Task) -> None:
        _here.jobs, _here.begun = [task.job], False
        sending.send(services, task)

    def record(tx: Any, task: Task) -> bool:
        recorded = sending.record(tx, task)
        _here.applied = recorded
        return recorded

    return replace(sending, begin=begin, send=send, record=record)


def watch_commits() -> None:
    """Add points around the COMMIT of a job's effect: `uncommitted`, `committed`, and `begun` if the next of its set has."""

    def before(_: Session) -> None:
        if getattr(_here, "applied", False):
            reach("uncommitted")

    def after(_: Session) -> None:
        if getattr(_here, "applied", False):
            _here.applied = False
            reach("committed")
            if getattr(_here, "begun", False):
                reach("begun")

    def undone(_: Session) -> None:
        _here.applied = False

    event.listen(Session, "before_commit", before)
    event.listen(Session, "after_commit", after)
    event.listen(Session, "after_rollback", undone)


class TrappedMailer(SmtpMailer):
    """A mailer with a point before and after the mail server accepts the message."""

    def send(self, message: Any, recipient: str) -> None:
        reach("sending")
        super().send(message, recipient)
        reach("sent")


def become_newer() -> None:
    """A newer version that also imports a client's notes: a kind of job that the previous version does not know."""
    creation = HANDLERS["create_client"]

    def apply(tx: Any, tasks: Sequence[Task]) -> Sequence[Result]:
        results = creation.apply(tx, tasks)
        return [result if isinstance(result, Rejected) else [*result, FollowUp(NEW_KIND)] for result in results]

    HANDLERS["create_client"] = replace(creation, apply=apply)
    KINDS[NEW_KIND] = Kind(NEW_KIND, Part.BRANCH, None, 30, 8, 60.0, 1)
    KINDS[NEW_CHORE] = Kind(NEW_CHORE, Part.STANDALONE, None, 30, 8, 60.0, 1)
    HANDLERS.update(dict.fromkeys((NEW_KIND, NEW_CHORE), one_by_one(lambda *_: None, lambda *_: [])))


def scale_outages(scale: float) -> None:
    """Let everything that is waited for in an outage of an upstream come so many times sooner."""
    for module, names in (
        (outages, ("FIRST_PROBE_SECONDS", "LONGEST_PROBE_SECONDS", "PROBE_SECONDS", "RECHECK_SECONDS", "LOOK_SECONDS")),
        (failures, ("BACKOFF_BASE_SECONDS", "DEFAULT_DEFERRAL_SECONDS")),
    ):
        vars(module).update({name: vars(module)[name] / scale for name in names})
    for name, kind in KINDS.items():
        fields: dict[str, Any] = {"patience_hours": kind.patience_hours / scale}
        KINDS[name] = replace(kind, backoff_cap_seconds=kind.backoff_cap_seconds / scale, **fields)


def watch_disk(full: Path) -> None:
    """Let the disk under SQLite be full while this file is there."""

    def begins(connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {1 if full.exists() else 2**30}")

    def refused(failure: Any) -> None:
        if "is full" in str(failure.original_exception):
            with full.with_suffix(".refused").open("a") as file:
                file.write(".")

    event.listen(Engine, "begin", begins)
    event.listen(Engine, "handle_error", refused)


def set_clock_off(seconds: float) -> None:
    """Shift the time of day of this process, in the product and in dramatiq's Redis broker."""
    now = partial(_off, timedelta(seconds=seconds))
    vars(parts).update(Sources=partial(Sources, now=now))
    vars(dramatiq.brokers.redis).update(current_millis=lambda: int(now().timestamp() * 1000))


def _off(by: timedelta) -> datetime:
    return datetime.now(UTC) + by


def main(role: str, *arguments: str) -> int:
    """Install the traps that the environment names, then run as a worker, a relay or an isolated child."""
    if os.environ.get("FAULT_NEW_KIND"):
        become_newer()
    scale_outages(float(os.environ.get("FAULT_OUTAGE_SCALE", "1")))
    vars(gauges).update(EVERY_SECONDS=float(os.environ.get("FAULT_GAUGES_SECONDS", gauges.EVERY_SECONDS)))
    vars(scheduler).update(LOOK_SECONDS=float(os.environ.get("FAULT_LOOK_SECONDS", scheduler.LOOK_SECONDS)))
    set_clock_off(float(os.environ.get("FAULT_CLOCK", "0")))
    if disk := os.environ.get("FAULT_DISK"):
        watch_disk(Path(disk))
    HANDLERS.update({name: with_points(kind) for name, kind in HANDLERS.items()})
    watch_commits()
    child = (sys.executable, "-m", "tests.faults.start", "alone")
    vars(parts).update(SmtpMailer=TrappedMailer)
    vars(process).update(IsolatedRunner=partial(IsolatedRunner, command=child))
    if role == "worker":
        return process.run_worker(sorted({QUEUE, *Lane}), threads=4)
    return process.run_relay() if role == "relay" else alone.main(list(arguments))
