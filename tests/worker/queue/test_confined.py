"""Redis as others run it: a user confined to our keys and without dangerous commands, and servers that cannot work."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import redis
from sqlalchemy import make_url
from structlog.testing import capture_logs

from config.liveness import Liveness
from portal_db.states import ImportState, Lane
from portal_db.work import workers
from tests.making import importable
from tests.servers.redis import RedisServer
from tests.servers.waiting import wait_until
from tests.worker.queue.desk import ALL_QUEUES, Desk
from tests.world import World
from worker.process import consumed
from worker.queue.broker import UnsafeRedis, make_broker, require_usable
from worker.queue.inspect import RedisQueues
from worker.runner.presence import Presence
from xpm.quota import RedisLimiter
from xpm.quota.limits import Limits
from xpm.simulator.serve import SimulatorHandle

PASSWORD = "secret"


@pytest.fixture
def confined_url(own_redis: RedisServer) -> str:
    """A Redis user with exactly the rights that the settings page asks for."""
    with redis.Redis.from_url(own_redis.url) as admin:
        admin.execute_command("ACL", "SETUSER", "portal", "on", f">{PASSWORD}", "~portal:*", "+@all", "-@dangerous")
    return make_url(own_redis.url).set(username="portal", password=PASSWORD).render_as_string(hide_password=False)


@pytest.fixture
def confined(sqlite_world: World, confined_url: str) -> Desk:
    return Desk.at(sqlite_world, confined_url)


def test_a_user_confined_to_our_keys_is_enough_for_an_import(confined: Desk, simulator: SimulatorHandle) -> None:
    # Given requests at the door and by the bell, and a batch
    people = importable(simulator)
    asked = confined.ask(people[0].uuid)
    request = confined.world.request(people[1].uuid)
    confined.post(request.model_dump())
    # When a worker and a relay run as that user
    confined.relay().tick()
    with confined.working():
        wait_until(lambda: confined.is_closed(asked), "the import is closed")
        wait_until(lambda: confined.receipt(request.request_id) is not None, "the request has its receipt")
    # Then the work is done
    assert confined.world.import_row(asked).state is ImportState.SUCCEEDED


def test_a_dead_process_s_requests_are_taken_over_without_dangerous_commands(confined: Desk) -> None:
    """dramatiq's script asks for KEYS once a process is dead, which stopped every consumer after an ordinary restart."""
    request = confined.world.request(uuid4())
    confined.post(request.model_dump())
    dead = make_broker(confined.settings, lambda *_: None)
    assert dead.do_fetch("import_requests")
    confined.client.zadd(confined.key("__heartbeats__"), {dead.broker_id: 0})
    with confined.working():
        wait_until(lambda: confined.receipt(request.request_id) is not None, "the request has its receipt")


def test_a_dead_process_is_remembered_until_all_its_queues_were_looked_after(confined: Desk) -> None:
    # Given a process that died with messages of two queues
    for queue in ("import", "email"):
        confined.put(queue, b"{}", "m-1")
    dead, alive = (make_broker(confined.settings, lambda *_: None) for _ in range(2))
    for broker in (dead, alive):
        broker.queues |= {"import", "email"}
    for queue in ("import", "email"):
        assert dead.do_fetch(queue) == [b"m-1", b"{}"]
    confined.client.zadd(confined.key("__heartbeats__"), {dead.broker_id: 0})
    # When only one of the queues has a consumer, for long
    for _ in range(3):
        alive.do_fetch("import")
    # Then the other's message is put back as soon as somebody consumes that
    assert alive.do_fetch("email") == [b"m-1", b"{}"]


def test_reconcile_and_the_quota_work_for_that_user(confined: Desk) -> None:
    namespace = confined.settings.redis_namespace
    queues = RedisQueues(confined.client, confined.bell, namespace)
    confined.put("import", b"nonsense", "m-1")
    assert queues.drop(list(queues.entries())) == 1
    assert list(queues.accepted()) == []
    limiter = RedisLimiter(confined.client, namespace, Limits())
    try:
        assert limiter.free("tenant", Lane.IMPORT) >= 0
    finally:
        limiter.close()


@pytest.mark.parametrize("rights", ["-blmove", "-eval -evalsha", "resetkeys ~other:*", "-multi"])
def test_a_user_without_what_we_need_is_refused_with_the_remedy(
    own_redis: RedisServer, confined_url: str, rights: str
) -> None:
    with redis.Redis.from_url(own_redis.url) as admin:
        admin.execute_command("ACL", "SETUSER", "portal", *rights.split())
    client = redis.Redis.from_url(confined_url)
    with pytest.raises(UnsafeRedis, match=r"REDIS_URL.*~portal:\* \+@all -@dangerous"):
        require_usable(client, "portal")


def test_a_worker_refuses_a_user_without_rights(confined: Desk, own_redis: RedisServer) -> None:
    with redis.Redis.from_url(own_redis.url) as admin:
        admin.execute_command("ACL", "SETUSER", "portal", "-blmove")
    with pytest.raises(UnsafeRedis, match="REDIS_URL"):
        make_broker(confined.settings, lambda *_: None)


class Claiming:
    """A Redis that says of itself what the test wants; nothing else of it is reached."""

    def __init__(self, **hello: str) -> None:
        self.hello = hello

    def execute_command(self, *_: object) -> dict[str, str]:
        return {"server": "redis", "mode": "standalone", "version": "7.0.15"} | self.hello


@pytest.mark.parametrize(
    ("hello", "says"), [({"mode": "cluster"}, "cluster"), ({"version": "6.0.16"}, "6.2"), ({"version": "5.0"}, "6.2")]
)
def test_what_cannot_work_is_refused_at_the_start(hello: dict[str, str], says: str) -> None:
    client: Any = Claiming(**hello)
    with pytest.raises(UnsafeRedis, match=says):
        require_usable(client, "portal")


@pytest.mark.parametrize("when", ["before it fetches", "while it runs"])
def test_rights_that_are_taken_away_stop_nothing_for_good_and_are_logged_once(
    confined: Desk, own_redis: RedisServer, when: str
) -> None:
    def refusals() -> list[str]:
        return [line["queue"] for line in logs if line["event"] == "consumer.refused"]

    broker = make_broker(confined.settings, lambda *_: None)
    rounds: list[str] = []
    broker.goes_round = rounds.append
    with redis.Redis.from_url(own_redis.url) as admin, capture_logs() as logs:
        if when == "before it fetches":
            admin.execute_command("ACL", "SETUSER", "portal", "-evalsha", "-eval", "-blmove")
        # Given a worker that reports which lanes it consumes
        with confined.working(broker=broker):
            if when == "while it runs":
                wait_until(lambda: min(map(rounds.count, ALL_QUEUES)) > 1, "every queue's consumer runs")
            # When its user may not fetch, for a while
            admin.execute_command("ACL", "SETUSER", "portal", "-evalsha", "-eval", "-blmove")
            wait_until(lambda: len(refusals()) == len(ALL_QUEUES), "the refusals are logged")
            assert consumed(ALL_QUEUES, broker, Liveness()) == set()
            admin.execute_command("ACL", "SETUSER", "portal", "+evalsha", "+eval", "+blmove")
            # Then it goes on by itself
            request = confined.world.request(uuid4())
            confined.post(request.model_dump())
            wait_until(lambda: confined.receipt(request.request_id) is not None, "the request has its receipt")
            wait_until(lambda: consumed(ALL_QUEUES, broker, Liveness()) == set(Lane), "every lane is consumed again")
    assert sorted(refusals()) == sorted(ALL_QUEUES)


def test_a_worker_that_consumes_a_lane_no_longer_says_so_with_its_heartbeat(confined: Desk) -> None:
    # Given a worker that consumes every lane
    lanes = set(Lane)
    presence = Presence(
        confined.world.database, "w-1", lanes=lambda: lanes, kinds=["x"], lasts_seconds=10, every_seconds=60
    )
    with presence:
        for now in (set(Lane), {Lane.EMAIL}, set(), set(Lane)):
            # When it reports again, after Redis took rights away or gave them back
            lanes = now
            presence._report()
            # Then the record has the lanes that it consumes now
            with confined.world.database.read() as tx:
                assert workers.lanes_consumed(tx) == now


def test_a_lane_whose_consumer_stands_still_is_not_consumed(confined: Desk) -> None:
    now = 0.0
    liveness = Liveness(lambda: now)
    for queue in ALL_QUEUES:
        liveness.expect(f"consumer of {queue}", within_seconds=99 if queue == Lane.EMAIL else 30)
    broker = make_broker(confined.settings, lambda *_: None)
    assert consumed(ALL_QUEUES, broker, liveness) == set(Lane)
    now = 31
    assert consumed(ALL_QUEUES, broker, liveness) == {Lane.EMAIL}
