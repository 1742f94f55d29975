"""The broker's settings, and what may be read in Redis by whoever looks."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from dramatiq import Message
from fakeredis import FakeRedis

from portal_db.states import ImportState
from tests.making import importable
from tests.servers.redis import RedisServer
from tests.servers.waiting import wait_until
from tests.worker.queue.desk import Desk
from tests.world import World
from worker.queue.broker import PortalBroker, UnsafeRedis, make_broker, require_safe
from xpm.simulator.serve import SimulatorHandle


def everything(client: redis.Redis) -> bytes:
    """All keys and all values in a Redis, of any type."""
    found: list[bytes] = []
    for key in client.scan_iter("*"):
        kind: Any = client.type(key)
        values: Any
        match kind:
            case b"none":  # gone since we saw its name
                continue
            case b"string":
                values = [client.get(key)]
            case b"list":
                values = client.lrange(key, 0, -1)
            case b"hash":
                values = [part for pair in client.hgetall(key).items() for part in pair]
            case b"set":
                values = client.smembers(key)
            case b"zset":
                values = client.zrange(key, 0, -1)
            case _:
                raise AssertionError(f"{key!r} is a {kind!r}, which nobody looks into")
        found += [key, *values]
    return b"\n".join(found)


def test_a_message_holds_a_job_id_and_nothing_else(sqlite_desk: Desk, simulator: SimulatorHandle) -> None:
    desk = sqlite_desk
    import_id = desk.ask(importable(simulator)[0].uuid, name="Jane Roe", email="jane.roe@example.com")
    [first] = desk.world.jobs_of(import_id).values()
    data: Any
    [data] = desk.client.hvals(desk.key("interactive.msgs"))
    message = Message.decode(data)
    assert message.args == (str(first.id),)
    assert message.kwargs == {}
    assert set(message.options) == {"redis_message_id"}


def test_nothing_personal_is_in_redis_at_any_step(sqlite_desk: Desk, simulator: SimulatorHandle) -> None:
    desk, person = sqlite_desk, importable(simulator)[0]
    import_id = desk.ask(person.uuid, name="Jane Roe", email="jane.roe@example.com", send_welcome_email=True)
    seen = [everything(desk.client)]
    with desk.working():
        while not desk.is_closed(import_id):
            seen.append(everything(desk.client))
    seen.append(everything(desk.client))
    assert desk.world.import_row(import_id).state is ImportState.SUCCEEDED
    looked_at = b"\n".join(seen).lower()
    [first, *_] = desk.world.jobs_of(import_id).values()
    assert str(first.id).encode() in looked_at, "we did look"
    for word in ("jane", "roe@", person.name, person.email, str(person.uuid)):
        assert word
        assert word.lower().encode() not in looked_at


def test_a_redis_that_evicts_is_refused(sqlite_world: World, own_redis: RedisServer) -> None:
    desk = Desk.at(sqlite_world, own_redis.url)
    for policy in ("allkeys-lru", "volatile-ttl"):
        desk.client.config_set("maxmemory-policy", policy)
        with pytest.raises(UnsafeRedis, match=f"{policy}.*noeviction"):
            make_broker(desk.settings, lambda *_: None)
    desk.client.config_set("maxmemory-policy", "noeviction")
    make_broker(desk.settings, lambda *_: None)


def test_a_redis_that_is_not_there_yet_is_waited_for(sqlite_world: World, own_redis: RedisServer) -> None:
    own_redis.stop()
    desk = Desk.at(sqlite_world, own_redis.url)
    require_safe(desk.client)
    make_broker(desk.settings, lambda *_: None)


def test_there_are_no_delays_in_redis(sqlite_desk: Desk) -> None:
    with sqlite_desk.working() as broker:
        assert broker.delay_queues == set()
        message: Message[Any] = Message("interactive", "run_job", (), {}, {})
        with pytest.raises(NotImplementedError, match="bell"):
            broker.enqueue(message, delay=1)


def test_the_consumers_connection_sends_nothing_twice(sqlite_desk: Desk) -> None:
    """P7: whoever rings may try again by itself; a fetch tried again would forget what the first one took."""
    retries = [
        client.get_retry() for client in (make_broker(sqlite_desk.settings, lambda *_: None).client, sqlite_desk.client)
    ]
    assert [retry and retry.get_retries() for retry in retries] == [0, 1]


def test_the_whole_pipeline_runs_on_an_emulated_redis(sqlite_world: World, simulator: SimulatorHandle) -> None:
    client = FakeRedis()
    desk = Desk.at(sqlite_world, "redis://nowhere.invalid", client)
    first, second = importable(simulator)[:2]
    batch = sqlite_world.ask_batch([sqlite_world.request(second.uuid, send_welcome_email=True)])
    with desk.working(broker=PortalBroker(client, desk.settings.redis_namespace, lambda *_: None)):
        imports = [desk.ask(first.uuid, send_welcome_email=True), *batch]
        relay = desk.relay()

        def done() -> bool:
            relay.tick()
            return all(desk.is_closed(import_id) for import_id in imports)

        wait_until(done, "both are closed")
    assert [sqlite_world.import_row(row).state for row in imports] == [ImportState.SUCCEEDED] * 2
    assert len(sqlite_world.mail.deliveries()) == 2
