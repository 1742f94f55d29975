"""A Redis that fails over, while the server that was demoted keeps its connections open: whoever uses it finds the new
primary, once each connection was refused, and needs no restart."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from limits import RateLimitItemPerHour
from structlog.testing import capture_logs

from config.settings import Settings
from tests.certificates import HouseAuthority
from tests.making import importable
from tests.servers.availability import required
from tests.servers.redis import RedisServer, redis_server
from tests.servers.waiting import wait_until
from tests.worker.queue.desk import Desk
from tests.worker.runner.running import count
from tests.world import World
from web.counting import REST_SECONDS, SharedCounts
from worker.local.processes import LOOPBACK
from worker.queue.bell import connect
from worker.queue.door import QUEUE
from xpm.errors import QuotaDeferred
from xpm.quota import RedisLimiter
from xpm.simulator.serve import SimulatorHandle

#: All continues within this time of the failover.
CONTINUES_SECONDS = 60


class Address:
    """An address of Redis. A new connection goes to the server that it leads to, and stays with it."""

    def __init__(self, url: str, listener: socket.socket, server: RedisServer) -> None:
        self.url = url
        self.server = server
        self._listener = listener
        self._ends: list[socket.socket] = []

    def serve(self) -> None:
        """Take connections until it is closed."""
        with suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                theirs = socket.create_connection((LOOPBACK, self.server.port))
                self._ends += [ours, theirs]
                threading.Thread(target=_forward, args=(ours, theirs), daemon=True).start()

    def close(self) -> None:
        _close(self._listener, *self._ends)


def _forward(ours: socket.socket, theirs: socket.socket) -> None:
    with suppress(OSError, ValueError):  # closed meanwhile
        while all(_moved(end, ours, theirs) for end in select.select([ours, theirs], [], [])[0]):
            pass
    _close(ours, theirs)


def _moved(end: socket.socket, ours: socket.socket, theirs: socket.socket) -> bool:
    """Whether one end had something to say to the other."""
    data = end.recv(65_536)
    (theirs if end is ours else ours).sendall(data)
    return bool(data)


def _close(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def leading_to(server: RedisServer, scheme: str, folder: Path) -> Iterator[Address]:
    """An address of this scheme, for as long as the block runs. One with TLS has a certificate of the house."""
    if scheme == "unix":
        listener, url = socket.socket(socket.AF_UNIX), f"unix://{folder / 'redis.sock'}"
        listener.bind(str(folder / "redis.sock"))
        listener.listen()
    else:
        listener = socket.create_server((LOOPBACK, 0))
        url = f"{scheme}://{LOOPBACK}:{listener.getsockname()[1]}/0"
    if scheme == "rediss":
        house = HouseAuthority.at(folder)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(house.server)
        listener, url = context.wrap_socket(listener, server_side=True), f"{url}?ssl_ca_certs={house.ca}"
    with closing(Address(url, listener, server)) as address:
        threading.Thread(target=address.serve, daemon=True).start()
        yield address


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    """Refusals are logged with their exceptions, which takes structlog's default renderer seconds each."""
    with capture_logs():
        yield


@pytest.fixture
def other_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """The server that becomes the primary."""
    with required(), redis_server(tmp_path / "other") as server:
        yield server


@pytest.fixture
def address(own_redis: RedisServer, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Address]:
    """An address that leads to `own_redis`, by TCP unless the test asks for another scheme."""
    with leading_to(own_redis, getattr(request, "param", "redis"), tmp_path) as made:
        yield made


@pytest.fixture
def settings(sqlite_world: World, address: Address) -> Settings:
    return sqlite_world.services.settings.model_copy(update={"redis_url": address.url})


def _demoted(admin: redis.Redis) -> None:
    admin.replicaof(LOOPBACK, 1)  # nobody's: its link to the new primary does not matter


def _cut_off(admin: redis.Redis) -> None:
    admin.config_set("replica-serve-stale-data", "no")
    _demoted(admin)


def _left_alone(admin: redis.Redis) -> None:
    admin.config_set("min-replicas-to-write", "1")


#: What the old server does in a failover.
REFUSING = {
    "demoted": _demoted,
    "demoted, and silent without a link to the new primary": _cut_off,
    "not demoted yet, and left by its replicas": _left_alone,
}


def fail_over(address: Address, to: RedisServer, *, how: str = "demoted") -> None:
    """The address leads to another server; the one before lets everybody stay, and refuses what they write."""
    with redis.Redis.from_url(address.server.url) as admin:
        REFUSING[how](admin)
    address.server = to


def _piped(client: redis.Redis, *, transaction: bool) -> Any:
    with client.pipeline(transaction=transaction) as pipe:
        pipe.set("a", "1")
        pipe.set("b", "1")
        return pipe.execute()


CALLS: list[Callable[[redis.Redis], Any]] = [
    lambda client: client.set("a", "1"),
    lambda client: client.blmove("list", "list", 1, "LEFT", "LEFT"),
    partial(_piped, transaction=False),
    partial(_piped, transaction=True),
    lambda client: client.register_script("return redis.call('SET', KEYS[1], '1')")(keys=["a"]),
]


@pytest.mark.parametrize("how", REFUSING)
def test_a_refused_call_makes_the_next_one_find_the_new_primary(
    settings: Settings, address: Address, other_redis: RedisServer, how: str
) -> None:
    with ExitStack() as stack:
        # Given clients that are connected, each for one sort of call
        clients = [stack.enter_context(closing(connect(settings, retries=0))) for _ in CALLS]
        for client in clients:
            client.ping()
        # When Redis fails over
        fail_over(address, other_redis, how=how)
        # Then each is refused once, in good order, and reaches the new primary with its next call
        for client, call in zip(clients, CALLS, strict=True):
            with pytest.raises(redis.ResponseError):
                call(client)
            call(client)


@pytest.mark.parametrize("address", ["rediss", "unix"], indirect=True)
def test_so_it_is_with_every_sort_of_address(settings: Settings, address: Address, other_redis: RedisServer) -> None:
    with closing(connect(settings, retries=0)) as client:
        client.ping()
        fail_over(address, other_redis)
        with pytest.raises(redis.ReadOnlyError):
            client.set("a", "1")
        client.set("a", "1")


def test_a_refusal_within_the_error_of_a_script_counts(settings: Settings) -> None:
    """As Redis 6.2 puts it."""
    says = "Error running script (call to f_0): @user_script:1: -READONLY You can''t write against a read only replica."
    with closing(connect(settings)) as client:
        before = client.client_id()
        with pytest.raises(redis.ResponseError):
            client.eval(f'return redis.error_reply("ERR {says}")', 0)
        assert client.client_id() != before


def test_any_other_refusal_keeps_the_connection(settings: Settings) -> None:
    with closing(connect(settings)) as client:
        before = client.client_id()
        with pytest.raises(redis.ResponseError):
            client.eval("return redis.error_reply('ERR no')", 0)
        assert client.client_id() == before


def test_permits_are_given_again(settings: Settings, address: Address, other_redis: RedisServer) -> None:
    with closing(connect(settings)) as client, closing(RedisLimiter(client, "test")) as limiter:
        limiter.open()
        with limiter.acquire("tenant-1", lane="interactive", holder="job-1", deadline=60):
            pass
        fail_over(address, other_redis)
        asked = limiter.acquire("tenant-1", lane="interactive", holder="job-2", deadline=60)
        with pytest.raises(QuotaDeferred, match="unavailable"), asked:
            pass
        limiter.open()
        with limiter.acquire("tenant-1", lane="interactive", holder="job-3", deadline=60):
            pass


def test_tries_to_sign_in_are_counted_together_again(
    sqlite_world: World, settings: Settings, address: Address, other_redis: RedisServer
) -> None:
    clock = [0.0]
    counts = SharedCounts(settings, replace(sqlite_world.services.sources, monotonic=lambda: clock[0]), "sign-in")
    budget = (RateLimitItemPerHour(5), "email", "kim@practice.example")
    counts.take([budget])
    fail_over(address, other_redis)
    with redis.Redis.from_url(other_redis.url) as there:
        counts.take([budget])
        assert there.keys() == [], "each process counted its own"
        clock[0] += REST_SECONDS
        for _ in range(2):
            counts.take([budget])
        assert there.mget(there.keys()) == [b"2"]


def test_a_worker_and_a_relay_continue(
    sqlite_world: World, address: Address, other_redis: RedisServer, simulator: SimulatorHandle
) -> None:
    world, people = sqlite_world, importable(simulator)
    desk, there, stopping = Desk.at(world, address.url), Desk.at(world, other_redis.url), threading.Event()
    relay = threading.Thread(target=desk.relay().run, args=[stopping])
    with closing(desk.client), closing(there.client), desk.working():
        relay.start()
        try:
            # Given a worker and a relay that have done something
            first = desk.ask(people[0].uuid)
            wait_until(partial(desk.is_closed, first), "the first is closed")
            # When Redis fails over, and more is asked for: at the portal, and by a message at the new primary
            fail_over(address, other_redis)
            second = desk.ask(people[1].uuid)
            there.post(world.request(people[2].uuid).model_dump(), str(uuid4()))
            # Then the relay rings, and the consumers of the lanes and of the door fetch and acknowledge
            wait_until(partial(desk.is_closed, second), "the second is closed", CONTINUES_SECONDS)
            wait_until(lambda: not there.unacknowledged(QUEUE), "the door is empty", CONTINUES_SECONDS)
            wait_until(lambda: count(world, "import_events") == 3, "the third is closed", CONTINUES_SECONDS)
        finally:
            stopping.set()
            relay.join(30)
