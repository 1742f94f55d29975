"""The scheduler: a thread, in the process whose relay leads, that claims due work exactly once across processes.

Directory syncs are inserted as jobs. Reconcile and housekeeping run here, at most once a night; the next night makes up
for a run that was interrupted. So do the bulk acts of operators, piece by piece.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from handlers.access import ending_keys
from handlers.operations import bulk
from handlers.operations.housekeeping import keep_house
from handlers.operations.reconcile import Became, Queues, Report, reconcile
from handlers.schedule import due as schedule_due
from handlers.schedule.due import Plan
from handlers.schedule.times import nightly
from handlers.services import Services
from portal_db.database import Database
from portal_db.directory import schedules
from portal_db.directory.schedules import Due
from portal_db.work import leaders

log = structlog.stdlib.get_logger(__name__)

#: With the ten seconds of the leader's lease, another process takes over well within thirty.
LOOK_SECONDS = 5.0

#: By the name of a schedule, what the leader itself runs when it is due.
Work = Mapping[str, Callable[[], None]]


def inline(work: Callable[[], None]) -> None:
    """Run it now; other due work waits."""
    work()


def in_thread(work: Callable[[], None]) -> None:
    """Run it in a daemon thread: the next night makes up for work that is interrupted."""
    threading.Thread(target=work, name="nightly", daemon=True).start()


@dataclass(frozen=True)
class Scheduler:
    """Claims due work while this process leads.

    Args:
        owner: the name of this process in the record, the same as its relay's.
        work: the nightly work that is not a job, by the names of `plan.nightly`.
        start: how to run it. It may take minutes, during which syncs in other time zones become due.
    """

    database: Database
    owner: str
    plan: Plan
    work: Work
    start: Callable[[Callable[[], None]], None] = inline

    def run(self, stopping: threading.Event) -> None:
        """Run until stopped, through outages of the database."""
        while not stopping.wait(LOOK_SECONDS):
            try:
                self.tick()
            except SQLAlchemyError as error:
                log.warning("scheduler.interrupted", exc_info=error)
            except Exception as error:  # a bug must not end the thread, because this process's relay keeps leading
                log.error("scheduler.failed", exc_info=error)

    def tick(self) -> None:
        """Claim due work. A failure is logged, and does not stop other work from being claimed."""
        with self.database.read() as tx:
            if not leaders.is_held(tx, leaders.RELAY, by=self.owner):
                return
        schedule_due.adopt(self.database, self.plan)
        schedule_due.plan_anew(self.database, self.plan)
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
        for bulk_id in bulk.due(self.database):
            self.start(partial(self._carry_out, bulk_id))

    def _carry_out(self, bulk_id: UUID) -> None:
        """Go on with a bulk act of an operator, until it has ended or its next turn is later."""
        try:
            while bulk.carry_out_piece(self.database, bulk_id) is not None:
                continue
        except Exception as error:  # it goes on where it was once its claim has run out
            log.error("scheduler.bulk_act_failed", exc_info=error)

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


class Findings:
    """What this process's last nightly reconcile left to people: how many findings of each code."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, report: Report) -> None:
        self.counts = Counter(found.code for found in report.findings if found.became is Became.NEEDS_PERSON)


def nightly_work(services: Services, queues: Queues, findings: Findings) -> Work:
    """The portal's nightly work. What reconcile finds is noted in `findings`."""
    settings = services.settings

    def run_reconcile() -> None:
        report = reconcile(services, queues, dry_run=False, max_links=settings.reconcile_links)
        findings.note(report)
        for (code, became), count in sorted(Counter((found.code, found.became) for found in report.findings).items()):
            log_finding = log.error if became is Became.NEEDS_PERSON else log.warning
            log_finding("reconcile.found", code=code, state=became.value, count=count)

    def run_housekeeping() -> None:
        told = ending_keys.announce(services.database)
        if told:
            log.info("housekeeping.keys_end", count=told)
        for name, count in keep_house(services.database, settings).items():
            if count:
                log.info("housekeeping.deleted", kind=name, count=count)

    return {"reconcile": run_reconcile, "housekeeping": run_housekeeping}


def plan_of(services: Services, work: Work, calls_left: schedule_due.CallsLeft) -> Plan:
    """The portal's schedule."""
    times = nightly(services.settings.nightly_hour)
    return Plan(services.settings, calls_left, dict.fromkeys(work, times))
