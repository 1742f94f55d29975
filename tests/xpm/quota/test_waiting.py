"""How long a thread waits for a permit itself, and what happens without Redis."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers.redis import RedisServer
from tests.servers.waiting import wait_until
from tests.xpm.quota.conftest import MakeDesk
from tests.xpm.quota.desk import FRESH, TENANT, Desk
from xpm.errors import QuotaDeferred, XpmRateLimited
from xpm.quota import Limits, RedisLimiter, Timing

ROOT = Path(__file__).parents[3]


@pytest.fixture
def patient(make_desk: MakeDesk) -> Desk:
    """A desk with the product's patience of two seconds, and one call a minute."""
    return make_desk(limits=Limits(minute=1), timing=Timing())


def test_a_wait_of_two_seconds_is_waited_in_the_thread(patient: Desk) -> None:
    patient.spend(1)
    patient.hands.now += 58.1
    patient.hands.slept.clear()
    patient.spend(1)
    assert patient.hands.slept == [pytest.approx(1.9)]


def test_a_longer_one_is_put_off_at_once(patient: Desk) -> None:
    patient.spend(1)
    patient.hands.now += 57.9
    patient.hands.slept.clear()
    assert patient.refused() == ("minute", 2.1)
    assert patient.hands.slept == []


def test_waits_in_the_thread_add_up_to_two_seconds_at_most(make_desk: MakeDesk) -> None:
    desk = make_desk(limits=Limits(concurrent=1), timing=Timing())
    desk.hold()
    desk.hands.slept.clear()
    assert desk.refused()[0] == "concurrent"
    assert 1 <= sum(desk.hands.slept) <= 2


def test_no_wait_passes_the_deadline(patient: Desk) -> None:
    patient.spend(1)
    patient.hands.now += 58.5
    patient.hands.slept.clear()
    assert patient.deferral(deadline=1).limit == "minute"
    assert patient.hands.slept == []


def test_the_time_waited_is_no_part_of_the_lease(make_desk: MakeDesk) -> None:
    desk = make_desk(limits=Limits(minute=1, concurrent=1), timing=Timing())
    desk.spend(1)
    desk.hands.now += 59
    desk.hold(deadline=3)
    assert desk.client.zrange(f"test:quota:tenant:{TENANT}:calls", 0, -1, withscores=True)[0][1] == pytest.approx(
        (desk.hands.now + 2) * 1e6
    )


def test_without_redis_there_are_no_permits(own_redis: RedisServer) -> None:
    """Fails closed: `unavailable` for some seconds, never unlimited; and what was held is put away in peace."""
    client = redis.Redis.from_url(own_redis.url, socket_timeout=1, retry=Retry(NoBackoff(), 1))
    with closing(client), closing(Desk(client)) as desk:
        desk.open()
        permit = desk.hold()
        own_redis.stop()
        assert desk.refused() == ("unavailable", 5)
        permit.calibrate(FRESH)
        permit.release()
        with pytest.raises(redis.RedisError):
            desk.limiter.free(TENANT, "import")
        assert desk.limiter.day_left(TENANT) is None
        own_redis.start()
        desk.spend(1)


def test_a_refusal_is_still_a_refusal_without_redis(own_redis: RedisServer) -> None:
    client = redis.Redis.from_url(own_redis.url, socket_timeout=1, retry=Retry(NoBackoff(), 1))
    desk = Desk(client)
    desk.open()
    with pytest.raises(XpmRateLimited), desk.asking(), stopped(own_redis):
        raise XpmRateLimited("day")
    desk.close()
    client.close()


@contextmanager
def stopped(server: RedisServer) -> Iterator[None]:
    server.stop()
    yield


def test_scripts_that_redis_forgot_are_sent_again(desk: Desk) -> None:
    desk.client.script_flush()
    desk.spend(1)


def test_redis_tells_the_time(redis_url: str) -> None:
    """Two processes whose clocks know nothing of each other wait for the same moment."""
    timing = Timing(time_scale=60, lease_seconds=1, renew_seconds=0.1, patience_seconds=5)
    with redis.Redis.from_url(redis_url) as client:
        limiters = [RedisLimiter(client, "test", Limits(minute=2), timing, monotonic=lambda: 5.0) for _ in range(2)]
        for limiter in limiters:
            with limiter.acquire(TENANT, lane="interactive", holder="a", deadline=10) as permit:
                permit.calibrate({"x-minlimit-remaining": "1"})
        for limiter in limiters:
            with pytest.raises(QuotaDeferred) as caught:
                impatient(limiter)
            assert caught.value.limit == "minute"
            assert 0 < caught.value.wait_seconds <= 1
            limiter.close()


def impatient(limiter: RedisLimiter) -> None:
    limiter._timing = Timing(time_scale=60, lease_seconds=1, renew_seconds=0.1, patience_seconds=0)
    with limiter.acquire(TENANT, lane="interactive", holder="b", deadline=10):
        pass


def test_a_thread_renews_what_is_held_until_close(redis_url: str) -> None:
    timing = Timing(lease_seconds=1, renew_seconds=0.05, patience_seconds=5)
    with redis.Redis.from_url(redis_url) as client:
        limiter = RedisLimiter(client, "test", timing=timing)
        calls = f"test:quota:tenant:{TENANT}:calls"
        with limiter.acquire(TENANT, lane="interactive", holder="a", deadline=30):
            [(member, until)] = client.zrange(calls, 0, -1, withscores=True)
            wait_until(lambda: (client.zscore(calls, member) or 0) > until + 1e6, "the lease was renewed for a lease")
            client.flushall()
            wait_until(lambda: client.zscore(calls, member), "the holder registered again")
        assert client.zcard(calls) == 0
        limiter.close()
        assert "quota-leases" not in {thread.name for thread in threading.enumerate()}


def test_a_permit_released_during_a_renewal_stays_released(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    permit = desk.hold()
    renew = desk.limiter._ledger.renew

    def renew_late(tenant_id: str, held: dict[str, float]) -> None:
        permit.release()
        renew(tenant_id, held)

    monkeypatch.setattr(desk.limiter._ledger, "renew", renew_late)
    desk.limiter.renew()
    assert desk.status().concurrent == 0


HOLDER = """
import redis, sys
from contextlib import ExitStack
from xpm.quota import RedisLimiter, Timing
timing = Timing(lease_seconds=1, renew_seconds=0.1, patience_seconds=5)
limiter = RedisLimiter(redis.Redis.from_url(sys.argv[1]), "test", timing=timing)
with ExitStack() as stack:
    for number in range(5):
        acquired = limiter.acquire("tenant-1", lane="interactive", holder=f"job-{number}", deadline=300)
        stack.enter_context(acquired).calibrate({"x-minlimit-remaining": "59"})
    print("holding", flush=True)
    sys.stdin.readline()
"""


def test_a_killed_processs_places_are_back_within_a_lease(redis_url: str) -> None:
    """P22. The holder outlives its lease many times over before it is killed; the test waits for places and for no time."""
    timing = Timing(lease_seconds=1, renew_seconds=0.1, patience_seconds=5)
    command = [sys.executable, "-c", HOLDER, redis_url]
    with (
        redis.Redis.from_url(redis_url) as client,
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder,
    ):
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holding\n"
        limiter = RedisLimiter(client, "test", timing=timing)
        calls = f"test:quota:tenant:{TENANT}:calls"
        first = client.zrange(calls, 0, 0, withscores=True)[0][1]
        wait_until(
            lambda: client.zrange(calls, 0, 0, withscores=True)[0][1] > first + 1e6, "leases outlived themselves"
        )
        assert limiter.free(TENANT, "interactive") == 0
        holder.send_signal(signal.SIGKILL)
        wait_until(lambda: limiter.free(TENANT, "interactive") == 5, "all places are free again", within=5)
        limiter.close()
