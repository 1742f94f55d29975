"""A limiter whose clock only moves when told: on Redis's side, in the process, and when it sleeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import pytest
import redis

from xpm.errors import QuotaDeferred, QuotaWait
from xpm.quota import Limits, RedisLimiter, Status, Timing
from xpm.quota.limiter import RedisPermit

TENANT = "tenant-1"
#: What XPM says to the first call of a minute and of a day.
FRESH = {"x-minlimit-remaining": "59", "x-daylimit-remaining": "4999", "x-appminlimit-remaining": "9999"}
NO_PATIENCE = Timing(patience_seconds=0.0)


@dataclass
class Hands:
    """A clock's hands, in seconds."""

    now: float = 1_000_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Desk:
    """One worker process's limiter, and what tests do with it. `beside` is another process on the same Redis."""

    client: redis.Redis
    limits: Limits = field(default_factory=Limits)
    timing: Timing = NO_PATIENCE
    hands: Hands = field(default_factory=Hands)

    def __post_init__(self) -> None:
        self.limiter = RedisLimiter(
            self.client,
            "test",
            self.limits,
            self.timing,
            clock=self.hands,
            monotonic=self.hands,
            sleep=self.hands.sleep,
        )
        self._held = ExitStack()

    def beside(self) -> Desk:
        return replace(self)

    def close(self) -> None:
        self._held.close()
        self.limiter.close()

    @contextmanager
    def asking(self, lane: str = "interactive", tenant: str = TENANT, deadline: float = 300) -> Iterator[RedisPermit]:
        with self.limiter.acquire(tenant, lane=lane, holder="job-1", deadline=deadline) as permit:
            yield permit

    def hold(self, lane: str = "interactive", tenant: str = TENANT, deadline: float = 300) -> RedisPermit:
        """A permit kept until it is released or the desk closes."""
        return self._held.enter_context(self.asking(lane, tenant, deadline))

    def die(self) -> None:
        """As kill -9: nothing is given back, nothing renewed."""
        self.limiter._held.clear()
        self._held.pop_all()

    def spend(self, calls: int, lane: str = "interactive", tenant: str = TENANT) -> None:
        """So many calls that take no time."""
        for _ in range(calls):
            with self.asking(lane, tenant):
                pass

    def deferral(self, lane: str = "interactive", tenant: str = TENANT, deadline: float = 300) -> QuotaDeferred:
        """The refusal of a permit; one that is given fails the test."""
        with pytest.raises(QuotaDeferred) as caught, self.asking(lane, tenant, deadline):
            pass
        return caught.value

    def refused(self, lane: str = "interactive", tenant: str = TENANT) -> tuple[QuotaWait, float]:
        """What is waited for and how long, to a hundredth of a second."""
        deferred = self.deferral(lane, tenant)
        return deferred.limit, round(deferred.wait_seconds, 2)

    def status(self, tenant: str = TENANT) -> Status:
        return self.limiter.status(tenant)

    def open(self, *tenants: str) -> None:
        """Let the wait after lost memory pass, probe, and let the probes' minute pass."""
        self.client.flushall()
        self.deferral()
        self.hands.now += self.timing.renew_seconds * 2
        for tenant in tenants or (TENANT,):
            with self.asking(tenant=tenant) as permit:
                permit.calibrate({"x-minlimit-remaining": str(self.limits.minute - 1)})
        self.hands.now += self.timing.minute
