"""The scheduler: takes on what is due, once for everybody, in the process whose relay leads, in a thread of its own.

Syncs of directories are inserted as jobs. Reconcile and housekeeping it does itself, at most once a night: one that was
cut off is made good by the next.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from handlers.operations.housekeeping import keep_house
from handlers.operations.reconcile import Became, Queues, reconcile
from handlers.schedule import due as schedule_due
from handlers.schedule.due import Plan
from handlers.schedule.times import nightly
from handlers.services import Services
from portal_db.database import Database
from portal_db.directory import schedules
from portal_db.directory.schedules import Due
from portal_db.work import leaders

log = structlog.stdlib.get_logger(__name__)

#: With the ten seconds of the leader's lease, another process is at it well within thirty.
LOOK_SECONDS = 5.0

#: By the name of a schedule, what the leader does itself when it is due.
Work = Mapping[str, Callable[[], None]]


def in_place(work: Callable[[], None]) -> None:
    """Do it now; whatever else is due waits."""
    work()


def aside(work: Callable[[], None]) -> None:
    """Do it in a thread of its own. A daemon: nightly work that is cut off is made good by the next night's."""
    threading.Thread(target=work, name="nightly", daemon=True).start()


@dataclass(frozen=True)
class Scheduler:
    """Takes on what is due while this process leads.

    Args:
        owner: names this process in the record, as its relay does.
        work: what is not a job: by the names of `plan.nightly`.
        start: how that is done. It may take minutes, in which syncs are due somewhere in the world.
    """

    database: Database
    owner: str
    plan: Plan
    work: Work
    start: Callable[[Callable[[], None]], None] = in_place

    def run(self, stopping: threading.Event) -> None:
        """Look now and then until told to stop, through outages of the database."""
        while not stopping.wait(LOOK_SECONDS):
            try:
                self.look()
            except SQLAlchemyError as error:
                log.warning("scheduler.interrupted", exc_info=error)
            except Exception as error:  # a bug must not end the thread: the relay beside it would go on leading
                log.error("scheduler.failed", exc_info=error)

    def look(self) -> None:
        """Take on what is due. What fails is logged, and keeps nothing else from being taken on."""
        with self.database.read() as tx:
            if not leaders.is_held(tx, leaders.RELAY, by=self.owner):
                return
        schedule_due.adopt(self.database, self.plan)
        for due in schedule_due.due(self.database, self.plan):
            try:
                ours = schedule_due.take_on(self.database, self.plan, due, self.owner)
            except Exception as error:  # one schedule's bug must not end the others
                log.error("scheduler.failed", schedule=due.schedule.name, exc_info=error)
                continue
            if ours:
                log.info("scheduler.begins", schedule=due.schedule.name)
                if due.schedule.name in self.work:
                    self.start(partial(self._do, due))

    def _do(self, due: Due) -> None:
        name = due.schedule.name
        try:
            self.work[name]()
        except Exception as error:  # nor that of the work
            log.error("scheduler.failed", schedule=name, exc_info=error)
            succeeded = False
        else:
            log.info("scheduler.ended", schedule=name)
            succeeded = True
        try:
            with self.database.write() as tx:
                schedules.note_ended(tx, name, due.schedule.next_due_at, succeeded=succeeded)
        except SQLAlchemyError as error:
            log.warning("scheduler.end_not_noted", schedule=name, exc_info=error)


def nightly_work(services: Services, queues: Queues) -> Work:
    """What the portal does each night."""
    settings = services.settings

    def look_everywhere() -> None:
        report = reconcile(services, queues, dry_run=False, max_links=settings.reconcile_links)
        for (code, became), count in sorted(Counter((found.code, found.became) for found in report.findings).items()):
            tell = log.error if became is Became.NEEDS_PERSON else log.warning
            tell("reconcile.found", code=code, state=became.value, count=count)

    def clear_out() -> None:
        for name, count in keep_house(services.database, settings).items():
            if count:
                log.info("housekeeping.deleted", kind=name, count=count)

    return {"reconcile": look_everywhere, "housekeeping": clear_out}


def plan_of(services: Services, work: Work, calls_left: schedule_due.CallsLeft) -> Plan:
    """When this portal does what."""
    times = nightly(services.settings.nightly_hour)
    return Plan(services.settings, calls_left, dict.fromkeys(work, times))
