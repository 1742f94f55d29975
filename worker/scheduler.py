"""The scheduler: what is due each night, done once by whichever relay leads, in a thread of its own.

Reconcile and housekeeping are at most once a night: one that was cut off is made good by the next.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from handlers.findings import Became
from handlers.flow import Services
from handlers.housekeeping import keep_house
from handlers.reconcile import Queues, reconcile
from portal_db import leaders, schedules
from portal_db.database import Database
from portal_db.types import database_time

log = structlog.stdlib.get_logger(__name__)

LOOK_SECONDS = 30.0


@dataclass(frozen=True)
class Nightly:
    """Work that is due once a day at a full hour, UTC."""

    name: str
    hour: int
    run: Callable[[], None]

    def last_due(self, now: datetime) -> datetime:
        today = now.replace(hour=self.hour, minute=0, second=0, microsecond=0)
        return today if today <= now else today - timedelta(days=1)


class Scheduler:
    """Takes on what is due while this process leads.

    Args:
        owner: names this process in the record, as its relay does.
    """

    def __init__(self, database: Database, owner: str, schedules: list[Nightly]) -> None:
        self._database = database
        self._owner = owner
        self._schedules = schedules

    def run(self, stopping: threading.Event) -> None:
        """Look now and then until told to stop, through outages of the database."""
        while not stopping.wait(LOOK_SECONDS):
            try:
                self.look()
            except SQLAlchemyError as error:
                log.warning("scheduler.interrupted", exc_info=error)

    def look(self) -> None:
        """Run what is due. What fails is logged and due again the next night."""
        for nightly in self._schedules:
            if not self._claim(nightly):
                continue
            log.info("scheduler.begins", schedule=nightly.name)
            try:
                nightly.run()
            except Exception as error:  # one schedule's bug must not end the others
                log.error("scheduler.failed", schedule=nightly.name, exc_info=error)
            else:
                log.info("scheduler.ended", schedule=nightly.name)

    def _claim(self, nightly: Nightly) -> bool:
        """Whether it is due and ours to do. A schedule that was never run begins with its next due time."""
        with self._database.write() as tx:
            if not leaders.is_held(tx, leaders.RELAY, by=self._owner):
                return False
            is_new = not schedules.was_ever_due(tx, nightly.name)
            claimed = schedules.claim(tx, nightly.name, nightly.last_due(database_time(tx.session)), self._owner)
            return claimed and not is_new


def nightly_work(services: Services, queues: Queues) -> list[Nightly]:
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

    return [
        Nightly("reconcile", settings.nightly_hour, look_everywhere),
        Nightly("housekeeping", settings.nightly_hour, clear_out),
    ]
