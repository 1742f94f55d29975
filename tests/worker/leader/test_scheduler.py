"""The scheduler: the night's work is done once, by the relay that leads, and a new portal has nothing to catch up with."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from handlers.schedule.due import Plan
from handlers.schedule.times import nightly
from portal_db.directory import schedules
from portal_db.tables import ScheduledRun
from portal_db.work import leaders
from tests.world import World
from worker.leader.scheduler import Scheduler, Work

NIGHT = 86_400


def lead(world: World, owner: str) -> None:
    with world.database.write() as tx:
        assert leaders.hold(tx, leaders.RELAY, owner, 1_000_000)


def scheduler_of(world: World, owner: str, work: Work) -> Scheduler:
    plan = Plan(world.services.settings, lambda _: None, dict.fromkeys(work, nightly(0)))
    return Scheduler(world.database, owner, plan, work)


def test_a_night_is_done_once_by_the_leader(world: World) -> None:
    ran: list[str] = []

    def scheduler(owner: str) -> Scheduler:
        return scheduler_of(world, owner, {"tidy": lambda: ran.append(owner)})

    lead(world, "relay-1")
    # A new portal has nothing to catch up with
    scheduler("relay-1").tick()
    assert ran == []
    # When the next night is due, the leader does it, and nobody does it again
    world.pass_time(NIGHT)
    for owner in ("relay-2", "relay-1", "relay-1"):
        scheduler(owner).tick()
    assert ran == ["relay-1"]
    # And another leader after it finds it done
    with world.database.write() as tx:
        tx.connection.exec_driver_sql("DELETE FROM leaders")
    lead(world, "relay-2")
    scheduler("relay-2").tick()
    assert ran == ["relay-1"]
    world.pass_time(NIGHT)
    scheduler("relay-2").tick()
    assert ran == ["relay-1", "relay-2"]


class _Twice(threading.Event):
    """Lets the scheduler look twice."""

    waits = 0

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 -- no time passes
        self.waits += 1
        return self.waits > 2


class _Stumbling(Scheduler):
    def look(self) -> None:
        raise ValueError("a bug")


def test_a_bug_does_not_end_the_scheduler_beside_a_relay_that_goes_on_leading(world: World) -> None:
    looks = _Twice()
    _Stumbling(world.database, "relay-1", Plan(world.services.settings, lambda _: None, {}), {}).run(looks)
    assert looks.waits == 3


def test_of_many_who_claim_a_due_time_one_has_it(world: World) -> None:
    due_at, won, start = datetime(2026, 11, 22, 3, tzinfo=UTC), list[str](), threading.Barrier(4)

    def claim(owner: str) -> None:
        start.wait()
        with world.database.write() as tx:
            if schedules.claim(tx, "tidy", due_at, owner):
                won.append(owner)

    threads = [threading.Thread(target=claim, args=(f"relay-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    with world.database.read() as tx:
        assert [*tx.session.scalars(select(ScheduledRun.owner))] == won
    assert len(won) == 1


def test_what_fails_does_not_keep_the_others_from_their_night(sqlite_world: World) -> None:
    ran: list[str] = []

    def fail() -> None:
        raise RuntimeError

    lead(sqlite_world, "relay-1")
    scheduler = scheduler_of(sqlite_world, "relay-1", {"broken": fail, "tidy": lambda: ran.append("tidy")})
    scheduler.tick()
    sqlite_world.pass_time(NIGHT)
    scheduler.tick()
    assert ran == ["tidy"]
    with sqlite_world.database.read() as tx:
        last = {entry.schedule.name: entry.run for entry in schedules.listing(tx)}
    assert {name: run and run.succeeded for name, run in last.items()} == {"broken": False, "tidy": True}


@pytest.mark.parametrize(("now", "due"), [("02:59", "22 03:00"), ("03:00", "23 03:00"), ("23:59", "23 03:00")])
def test_when_the_next_night_is_due(now: str, due: str) -> None:
    moment = datetime.fromisoformat(f"2026-11-22T{now}:00+00:00")
    assert f"{nightly(3).next_after(moment):%d %H:%M}" == due
