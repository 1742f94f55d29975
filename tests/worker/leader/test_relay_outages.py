"""The relay when Redis forgets, when Redis or the leader is away, and when it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
import redis
from structlog.testing import capture_logs

from config.seldom import Seldom
from handlers.imports.accept import accept_batch
from portal_db.states import JobState, Lane
from portal_db.work import leaders
from tests.counts import growth
from tests.making import add, claimed, job, new_job
from tests.servers.redis import RedisServer
from tests.servers.waiting import wait_until
from tests.worker.queue.desk import Desk
from tests.world import World
from worker.leader.relay import IDLE_PAUSES, LEADER_SECONDS, PAUSE_SECONDS, QUIET_LOOKS, REST_SECONDS, ROLE, Relay
from worker.queue.bell import SOCKET_SECONDS, RedisBell


def test_what_redis_forgot_is_rung_again_at_the_next_tick(desk: Desk) -> None:
    import_jobs = add(desk.world, new_job(desk.world), new_job(desk.world, position=1))
    relay = desk.relay(limit=2)
    relay.tick()
    [urgent] = add(desk.world, new_job(desk.world, lane=Lane.INTERACTIVE, interactive=True))
    relay.tick()
    assert relay.tick() == 0
    desk.client.flushall()
    assert relay.tick() == 3
    assert desk.rung(Lane.IMPORT) == import_jobs
    assert desk.rung(Lane.INTERACTIVE) == [urgent]
    assert relay.tick() == 0


def test_while_redis_is_away_nothing_counts_as_rung_and_leases_are_taken_back(
    world: World, own_redis: RedisServer
) -> None:
    desk = Desk.at(world, own_redis.url)
    waiting, lost = add(world, new_job(world), new_job(world))
    claimed(world, lost)
    world.pass_time(11)
    own_redis.stop()
    counted = growth("leases_lost_total")
    with pytest.raises(redis.RedisError):
        desk.relay().tick()
    assert counted() == 1
    assert job(world, waiting).rung_at is None
    assert (job(world, lost).state, job(world, lost).lost_leases) == (JobState.QUEUED, 1)
    own_redis.start()
    assert desk.relay().tick() == 2


class HalfDeaf(RedisBell):
    """A bell whose Redis goes away after the first lane was rung."""

    def ring_sets(self, lane: Lane, sets: Sequence[Sequence[UUID]]) -> None:
        if lane is Lane.EMAIL:
            raise redis.ConnectionError
        super().ring_sets(lane, sets)


def test_a_redis_that_goes_away_between_two_lanes_leaves_nothing_rung(desk: Desk) -> None:
    jobs = add(desk.world, new_job(desk.world), new_job(desk.world, lane=Lane.EMAIL))
    deaf = HalfDeaf(desk.client, desk.settings.redis_namespace, desk.services.sources)
    with pytest.raises(redis.ConnectionError):
        Relay(desk.world.database, deaf, owner="relay-1", limit=4).tick()
    assert [job(desk.world, job_id).rung_at for job_id in jobs] == [None, None]
    assert desk.relay().tick() == 2, "a ring too many does no harm"


def test_an_interactive_ring_that_fails_does_not_fail_the_request(world: World, own_redis: RedisServer) -> None:
    desk = Desk.at(world, own_redis.url)
    own_redis.stop()
    import_id = desk.ask(world.staff_id)
    assert world.import_row(import_id).state.is_open
    own_redis.start()
    assert desk.relay().tick() == 1, "the mark was lost too, so it is rung at once"


def test_one_of_two_leads_and_the_other_takes_over_when_it_dies(desk: Desk) -> None:
    first, second = desk.relay("relay-1"), desk.relay("relay-2")
    add(desk.world, new_job(desk.world))
    assert (second.tick(), first.tick()) == (1, 0)
    add(desk.world, new_job(desk.world))
    assert first.tick() == 0
    assert second.tick() == 1
    add(desk.world, new_job(desk.world))
    desk.world.pass_time(LEADER_SECONDS / 2)
    assert first.tick() == 0, "its lease still runs"
    desk.world.pass_time(LEADER_SECONDS)
    assert first.tick() > 0
    add(desk.world, new_job(desk.world))
    assert second.tick() == 0, "who comes back late stands by"


def test_a_role_is_given_up_by_its_holder_only(world: World) -> None:
    with world.database.write() as tx:
        assert leaders.hold(tx, ROLE, "one", 10)
        leaders.give_up(tx, ROLE, "two")
        assert not leaders.hold(tx, ROLE, "two", 10)
        leaders.give_up(tx, ROLE, "one")
        assert leaders.hold(tx, ROLE, "two", 10)
        assert leaders.hold(tx, "scheduler", "one", 10), "roles are held one by one"


def test_it_works_through_an_outage_and_lets_the_next_one_in_at_its_end(
    sqlite_world: World, own_redis: RedisServer
) -> None:
    desk = Desk.at(sqlite_world, own_redis.url)
    stopping = threading.Event()
    thread = threading.Thread(target=desk.relay("relay-1").run, args=(stopping,), daemon=True)
    own_redis.stop()
    [job_id] = add(sqlite_world, new_job(sqlite_world))
    thread.start()
    wait_until(lambda: sqlite_world.scalar("SELECT count(*) FROM leaders"), "it leads")
    own_redis.start()
    wait_until(lambda: job(sqlite_world, job_id).rung_at is not None, "it rang")
    stopping.set()
    thread.join(5)
    assert not thread.is_alive()
    add(sqlite_world, new_job(sqlite_world))
    assert desk.relay("relay-2").tick() == 1


#: The shortest time that Redis waits for.
AT_ONCE = 0.001


class Pauses(threading.Event):
    """Stops the relay after so many pauses, which take no time."""

    def __init__(self, most: int, meanwhile: Callable[[int], None] = lambda _pause: None) -> None:
        super().__init__()
        self.most, self.passed, self.rests, self.meanwhile = most, 0, 0, meanwhile

    def wait(self, timeout: float | None = None) -> bool:
        if timeout == REST_SECONDS:
            self.rests += 1
            return self.is_set()
        assert timeout == PAUSE_SECONDS
        self.passed += 1
        self.meanwhile(self.passed)
        return self.is_set()

    def is_set(self) -> bool:
        return self.passed > self.most


def looks(relay: Relay, pauses: Pauses) -> list[int]:
    """Run a relay; after how many pauses it looked each time. A pause in which it listens to Redis is one of them."""
    found, tick, is_woken = list[int](), relay.tick, relay._bell.is_woken

    def listen(*, within_seconds: float) -> bool:
        pauses.wait(within_seconds)
        return is_woken(within_seconds=AT_ONCE)

    def look() -> int:
        found.append(pauses.passed)
        return tick()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relay, "tick", look)
        patch.setattr(relay._bell, "is_woken", listen)
        relay.run(pauses)
    assert pauses.passed == pauses.most + 1, "it stops after the pause in which it was told to"
    return found


def test_an_idle_relay_asks_a_redis_that_fails_once_between_two_looks(
    sqlite_world: World, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an idle relay whose Redis goes away between two looks
    desk = Desk.at(sqlite_world, own_redis.url)
    asked, is_woken = list[int](), desk.bell.is_woken
    pauses = Pauses(3 * IDLE_PAUSES, lambda passed: own_redis.stop() if passed == IDLE_PAUSES + 3 else None)

    def ask(*, within_seconds: float) -> bool:
        asked.append(pauses.passed)
        return is_woken(within_seconds=within_seconds)

    monkeypatch.setattr(desk.bell, "is_woken", ask)
    # When it goes on
    looked_after = looks(desk.relay(), pauses)
    # Then it looks at once, for leases to take back, and asks no more while Redis is away
    noticed = IDLE_PAUSES + 3
    assert looked_after == [0, IDLE_PAUSES, noticed, noticed + IDLE_PAUSES]
    assert asked == [*range(1, noticed + 1)]


@pytest.mark.parametrize(
    ("holder", "is_away"),
    [("mine", False), ("another", False), ("mine", True)],
    ids=["leads", "stands by", "Redis away"],
)
def test_a_relay_goes_round_when_it_leads_stands_by_and_meets_an_outage(
    sqlite_world: World, own_redis: RedisServer, holder: str, is_away: bool
) -> None:
    # Given a relay that leads, or stands by, or leads while Redis is away
    desk = Desk.at(sqlite_world, own_redis.url)
    rounds: list[None] = []
    with sqlite_world.database.write() as tx:
        leaders.hold(tx, ROLE, holder, 600)
    if is_away:
        own_redis.stop()
    relay = Relay(sqlite_world.database, desk.bell, owner="mine", limit=4, goes_round=lambda: rounds.append(None))
    # When it has looked twice
    looks(relay, Pauses(IDLE_PAUSES))
    # Then it went round as often, at least, besides once for each pause
    assert len(rounds) >= IDLE_PAUSES + 2
    assert not relay.leads


def test_a_relay_looks_often_until_a_second_has_passed_without_a_ring(desk: Desk) -> None:
    """What the limit of a practice holds back is rung as soon as jobs end, and not a second later."""
    # Given a job to ring
    add(desk.world, new_job(desk.world))
    # When the relay rings it, and then finds nothing to ring
    looked_after = looks(desk.relay(), Pauses(QUIET_LOOKS + 3 * IDLE_PAUSES))
    # Then it looks often for as long as something may follow
    assert desk.rung(Lane.IMPORT)
    assert looked_after == [*range(QUIET_LOOKS + 1), *(QUIET_LOOKS + n * IDLE_PAUSES for n in (1, 2, 3))]


def test_an_idle_relay_looks_at_once_when_a_batch_is_requested(desk: Desk) -> None:
    # Given a relay that has nothing to ring
    world, late = desk.world, 2 * IDLE_PAUSES + 3

    def request(pause: int) -> None:
        # When a batch is requested between two of its looks
        if pause == late:
            accept_batch(world.database, desk.bell, "batch", [world.request(uuid4())])

    # Then it looks after the next pause, once
    looked_after = looks(desk.relay(), Pauses(4 * IDLE_PAUSES, request))
    assert desk.rung(Lane.IMPORT)
    assert looked_after[:5] == [0, IDLE_PAUSES, 2 * IDLE_PAUSES, late, late + 1]


def test_wake_ups_that_find_nothing_end_no_backlog(desk: Desk) -> None:
    # Given a job to ring, and somebody who wakes the relay after each of more pauses than end a backlog
    add(desk.world, new_job(desk.world))
    last = QUIET_LOOKS + 3

    def wake(passed: int) -> None:
        if passed <= last:
            desk.bell.wake_relay()

    pauses = Pauses(last + QUIET_LOOKS + IDLE_PAUSES, wake)
    # When the relay looks
    looked_after = looks(desk.relay(), pauses)
    # Then it looks as often until a second has passed after the last
    assert looked_after == [*range(last + QUIET_LOOKS + 1), last + QUIET_LOOKS + IDLE_PAUSES]
    # And it rests between two looks
    assert pauses.rests == len(looked_after)


def test_a_wake_up_is_heard_while_the_relay_waits_for_it(sqlite_world: World, own_redis: RedisServer) -> None:
    # Given a relay that waits for a wake-up
    desk = Desk.at(sqlite_world, own_redis.url)
    with ThreadPoolExecutor() as threads:
        heard = threads.submit(desk.bell.is_woken, within_seconds=SOCKET_SECONDS - 1)
        wait_until(lambda: desk.client.info("clients")["blocked_clients"] == 1, "it waits")
        # When it is woken several times, then it hears of it
        for _ in range(3):
            desk.bell.wake_relay()
        assert heard.result()
    # And of those that came later, as of one
    assert [desk.bell.is_woken(within_seconds=AT_ONCE) for _ in range(2)] == [True, False]


def test_a_relay_on_standby_leaves_the_wake_up_to_the_one_that_leads(desk: Desk) -> None:
    # Given two relays, one of which leads
    with desk.world.database.write() as tx:
        leaders.hold(tx, ROLE, "another", 600)
    # When one wakes the relay, and the other's pauses pass
    desk.bell.wake_relay()
    assert looks(desk.relay(), Pauses(2 * IDLE_PAUSES)) == [0, IDLE_PAUSES, 2 * IDLE_PAUSES]
    # Then the leader still finds out
    assert desk.bell.is_woken(within_seconds=AT_ONCE)
    assert not desk.bell.is_woken(within_seconds=AT_ONCE)


def test_what_goes_on_and_on_is_logged_once_a_minute(sqlite_world: World, own_redis: RedisServer) -> None:
    # Given a Redis that is away
    desk = Desk.at(sqlite_world, own_redis.url)
    own_redis.stop()
    now = 1000.0
    relay = desk.relay()
    relay._seldom = Seldom(lambda: now)
    with capture_logs() as logs:
        # When the relay looks again and again, it says so once; and once more a minute later
        for moment in (1000.0, 1059.0, 1060.0):
            now = moment
            relay.run(Pauses(5 * IDLE_PAUSES))
    assert [line["event"] for line in logs] == ["relay.interrupted"] * 2
