"""Sentences that tests of the schedule begin or end with: a directory with its schedules, what time it is, and who leads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update

from handlers.schedule import due
from handlers.schedule.due import Plan
from handlers.schedule.times import nightly
from portal_db.database import Tx
from portal_db.directory import directories, schedules
from portal_db.states import SyncMode, SyncState
from portal_db.tables import Directory, DirectorySync, Schedule, ScheduledRun
from portal_db.work import leaders
from portal_db.xero import connections
from tests.world import World
from worker.leader.scheduler import Scheduler

FULL, INCREMENTAL = SyncMode.FULL, SyncMode.INCREMENTAL
#: A Tuesday evening at Sydney, after working hours.
EVENING = datetime(2026, 11, 24, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
OWNER = "relay-1"


@dataclass
class Office:
    """The world's directory with its schedules, at a time that the test says, with so many calls left."""

    world: World
    now: datetime = EVENING
    calls_left: int | None = None
    owner: str = OWNER
    ran: list[str] = field(default_factory=list)

    def scheduler(self, owner: str = OWNER) -> Scheduler:
        plan = Plan(self.world.services.settings, lambda _: self.calls_left, {"tidy": nightly(3)}, self._clock)
        return Scheduler(self.world.database, owner, plan, {"tidy": lambda: self.ran.append("tidy")})

    def _clock(self, _: Tx) -> datetime:
        return self.now

    def look(self, owner: str = OWNER) -> None:
        self.scheduler(owner).tick()

    def lead(self, owner: str = OWNER) -> None:
        with self.world.database.write() as tx:
            tx.connection.exec_driver_sql("DELETE FROM leaders")
            assert leaders.hold(tx, leaders.RELAY, owner, 1_000_000)

    @property
    def directory(self) -> Directory:
        with self.world.database.write() as tx:
            connection = connections.get_one(tx, self.world.connection_id)
            return directories.ensure(tx, connection.xero_login_id, connection.tenant_id)

    def schedule(self, mode: SyncMode = FULL) -> Schedule:
        with self.world.database.read() as tx:
            found = schedules.get(tx, due.name_of(self.directory.id, mode))
        assert found is not None, "it has no schedule yet"
        return found

    def skipped(self, mode: SyncMode = FULL) -> str | None:
        return self.schedule(mode).skipped_code

    def until_due(self, mode: SyncMode = FULL) -> None:
        """Let time pass until the schedule is due."""
        self.now = self.schedule(mode).next_due_at

    def only(self, mode: SyncMode) -> None:
        """Let time pass until this schedule is due; the directory's other one is not."""
        self.until_due(mode)
        with self.world.database.write() as tx:
            others = update(Schedule).where(Schedule.name != self.schedule(mode).name)
            tx.session.execute(others.values(next_due_at=self.now + timedelta(days=365)))

    def syncs(self) -> list[DirectorySync]:
        with self.world.database.read() as tx:
            return list(tx.session.scalars(select(DirectorySync).order_by(DirectorySync.started_at)))

    def runs(self, mode: SyncMode = FULL) -> list[ScheduledRun]:
        name = self.schedule(mode).name
        with self.world.database.read() as tx:
            return list(tx.session.scalars(select(ScheduledRun).where(ScheduledRun.schedule == name)))

    def finish_syncs(self) -> None:
        """Whatever runs has ended well."""
        with self.world.database.write() as tx:
            tx.session.execute(update(DirectorySync).values(state=SyncState.SUCCEEDED))

    def set_directory(self, **values: object) -> None:
        with self.world.database.write() as tx:
            tx.session.execute(update(Directory).values(**values))


def office_of(world: World, prepare: Callable[[Office], None] = lambda _: None) -> Office:
    """An office whose directory was filled and has its schedules; nothing is due yet."""
    office = Office(world)
    assert office.directory
    office.set_directory(cursor=EVENING)
    office.lead()
    office.look()
    prepare(office)
    return office


def add_sync(world: World, directory_id: UUID, started_at: datetime) -> None:
    """A sync that was, whoever asked for it."""
    row = {"directory_id": directory_id, "mode": FULL, "state": SyncState.SUCCEEDED, "asked_by": "a test"}
    with world.database.write() as tx:
        tx.session.add(DirectorySync(id=tx.new_id(), started_at=started_at, **row))
