"""A night of many practices, played fast, while leaders are killed and held up: is everything due done, and done once?

Two candidates run as processes on PostgreSQL. Again and again whoever leads is killed, or stopped until its lease has run
out and then let go on, believing that it leads. Each practice has one sync due in the night, at a time of its own, so what
is done can be counted against what was due, however late.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from portal_db.database import Database
from portal_db.tables import Leader
from portal_db.types import database_time
from portal_db.work.leaders import RELAY
from tests.leader.candidate import LEASE_SECONDS
from tests.leader.clock import FastClock
from tests.leader.office import due_before, open_practices, taken_on, work
from tests.servers.waiting import wait_until
from worker.local.processes import Supervised, log_line


@dataclass(frozen=True)
class Night:
    """From an evening until a morning, in UTC: all nightly syncs are due between them."""

    evening: datetime
    morning: datetime

    @classmethod
    def before(cls, year: int, month: int, day: int) -> Self:
        """A night at Sydney that ends on this day. On a weekend nothing but the full syncs is due in it."""
        times = (datetime(year, month, day, hour, minute, tzinfo=_SYDNEY) for hour, minute in ((0, 55), (5, 5)))
        return cls(*(each.astimezone(UTC) for each in times))


_SYDNEY = ZoneInfo("Australia/Sydney")
ORDINARY = Night.before(2026, 11, 21)
#: At 2 am it is 3 am; at 3 am it is 2 am.
CLOCKS_FORWARD, CLOCKS_BACK = Night.before(2026, 10, 4), Night.before(2027, 4, 4)
#: After the night, what is late is waited for until nothing more was taken on for so many real seconds.
STILL_SECONDS = 60.0
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Verdict:
    """due: syncs due in the night. ran: of those, how many were begun. doubled: begun once too often, or more."""

    due: int
    ran: int
    doubled: int
    kills: int
    stalls: int

    @property
    def is_good(self) -> bool:
        return self.due == self.ran and not self.doubled


@dataclass
class Candidates:
    """The two processes. Each start has a name of its own, by which the record knows who leads."""

    processes: Supervised
    database: Database
    url: str
    clock_file: Path
    started: int = 0

    def start(self, place: str) -> None:
        self.started += 1
        command = [sys.executable, "-m", "tests.leader.candidate"]
        command += [self.url, f"{place}/{self.started}", str(self.clock_file)]
        self.processes.start(place, command, ready=log_line("candidate ready"), cwd=_ROOT, within=90, grace=1)

    def leading(self) -> str | None:
        """Which of the two leads by the record."""
        with self.database.read() as tx:
            row = tx.session.get(Leader, RELAY)
            return row.owner.split("/")[0] if row is not None and row.until >= database_time(tx.session) else None

    def signal(self, place: str, number: signal.Signals) -> None:
        os.kill(self.processes[place].pid, number)


def play(
    url: str, *, runs: int, seconds: float, seed: int, night: Night = ORDINARY, nobody_leads: bool = False
) -> Verdict:
    """Play a night.

    Args:
        url: a PostgreSQL database with the record's tables, and nothing in them.
        runs: practices, each with one sync due.
        seconds: how long the night takes.
        nobody_leads: whether the candidates start only in the morning.
    """
    chance = random.Random(seed)
    begins = night.morning if nobody_leads else night.evening
    speed = (night.morning - night.evening).total_seconds() / seconds
    with closing(Database(url)) as database:
        open_practices(database, runs, night.evening)
        due = due_before(database, night.morning)
        with _candidates(database, url) as candidates, _working(database):
            with database.read() as tx:
                clock = FastClock(database_time(tx.session), begins, night.morning, speed)
            clock.write(candidates.clock_file)
            kills, stalls = _disturb(candidates, clock, night.morning, chance)
            _wait_for_the_late(candidates, due)
        counts = taken_on(database)
    return Verdict(due, len(counts), sum(count - 1 for count in counts.values()), kills, stalls)


def _disturb(candidates: Candidates, clock: FastClock, morning: datetime, chance: random.Random) -> tuple[int, int]:
    """Until the night is over, kill whoever leads, or stop it for longer than its lease; the other one takes over."""
    kills = stalls = 0
    while _now(candidates.database, clock) < morning:
        wait_until(candidates.leading, "somebody leads", within=30)
        time.sleep(chance.uniform(0.05, 0.5))  # the disturbance comes at any moment
        place = candidates.leading()
        if place is None:
            continue
        if chance.random() < 0.5:
            candidates.signal(place, signal.SIGKILL)
            assert candidates.processes[place].ended_within(10)
            kills += 1
            candidates.start(place)
        else:
            candidates.signal(place, signal.SIGSTOP)
            time.sleep(LEASE_SECONDS * chance.uniform(1.0, 2.5))
            candidates.signal(place, signal.SIGCONT)
            stalls += 1
    return kills, stalls


def _now(database: Database, clock: FastClock) -> datetime:
    with database.read() as tx:
        return clock(tx)


def _wait_for_the_late(candidates: Candidates, due: int) -> None:
    """Until all that was due is taken on; what never comes is the verdict's to say."""
    seen, since = 0, time.monotonic()
    while seen < due and time.monotonic() < since + STILL_SECONDS:
        time.sleep(0.1)
        candidates.processes.check()
        count = len(taken_on(candidates.database))
        if count > seen:
            seen, since = count, time.monotonic()


@contextmanager
def _candidates(database: Database, url: str) -> Iterator[Candidates]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portal-sync-leader-")))
        processes = stack.enter_context(Supervised(folder / "logs", loaded=["worker.leader.scheduler"]))
        made = Candidates(processes, database, url, folder / "clock")
        for place in ("one", "two"):
            made.start(place)
        yield made


@contextmanager
def _working(database: Database) -> Iterator[None]:
    stopping = threading.Event()
    thread = threading.Thread(target=work, args=(database, stopping), name="worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(10)
