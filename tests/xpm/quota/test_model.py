"""Any schedule of calls, slow answers, killed holders and flushes, judged by the simulator's own sliding windows.

XPM may refuse a probe, for a probe is what asks how much is left; it never refuses any other call.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import fakeredis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.xpm.quota.desk import NO_PATIENCE, Hands
from xpm.errors import QuotaDeferred, QuotaLimit, XpmRateLimited
from xpm.quota import Limits, RedisLimiter
from xpm.quota.limiter import RedisPermit
from xpm.simulator.quota import Limits as XpmLimits
from xpm.simulator.quota import Quota

LIMITS = Limits(concurrent=2, minute=4, day=14, app_minute=6)
TENANTS = st.sampled_from(["one", "two"])
LANES = st.sampled_from(["interactive", "import"])
RENEWAL = 3.0
DEADLINE = 300.0


@dataclass(eq=False)
class Call:
    """A request on its way: permitted, perhaps arrived at XPM, not answered yet."""

    tenant: str
    worker: RedisLimiter
    stack: ExitStack
    permit: RedisPermit
    is_probe: bool
    begun: float
    arrived: bool = False


class Schedules(RuleBasedStateMachine):
    """Two workers, two tenants."""

    def __init__(self) -> None:
        super().__init__()
        self.hands = Hands()
        self.client = fakeredis.FakeRedis(server=fakeredis.FakeServer())
        self.workers = [self._worker() for _ in range(2)]
        limits = XpmLimits(LIMITS.concurrent, LIMITS.minute, LIMITS.day, LIMITS.app_minute)
        self.xpm = Quota(limits, self.hands)
        self.calls: list[Call] = []
        self.dead = 0
        self._pass(RENEWAL * 3)
        for tenant in ("one", "two"):
            self.work(tenant, "interactive", 0, 1)

    def _worker(self) -> RedisLimiter:
        return RedisLimiter(
            self.client, "test", LIMITS, NO_PATIENCE, clock=self.hands, monotonic=self.hands, sleep=self.hands.sleep
        )

    def teardown(self) -> None:
        for call in self.calls:
            call.worker._held.clear()
        for worker in self.workers:
            worker.close()

    @rule(tenant=TENANTS, lane=LANES, worker=st.integers(0, 1), arrives=st.booleans())
    def begin(self, tenant: str, lane: str, worker: int, arrives: bool) -> None:
        stack, limiter = ExitStack(), self.workers[worker]
        known = limiter.status(tenant).known
        try:
            permit = stack.enter_context(limiter.acquire(tenant, lane=lane, holder="job", deadline=DEADLINE))
        except QuotaDeferred:
            return
        self.calls.append(Call(tenant, limiter, stack, permit, not known, self.hands.now))
        if arrives:
            self._arrive(self.calls[-1])

    @rule(tenant=TENANTS, lane=LANES, worker=st.integers(0, 1), calls=st.integers(1, 8))
    def work(self, tenant: str, lane: str, worker: int, calls: int) -> None:
        """Calls one after the other, each answered at once, as many as are permitted."""
        for _ in range(calls):
            before = len(self.calls)
            self.begin(tenant, lane, worker, arrives=True)
            if len(self.calls) > before:
                self._answer(self.calls[-1], slowly=False)

    @rule(tenant=TENANTS, calls=st.integers(2, 4))
    def crowd(self, tenant: str, calls: int) -> None:
        """Calls at the same time, as many as are permitted, on both workers."""
        for number in range(calls):
            self.begin(tenant, "interactive", number % 2, arrives=True)

    @rule(which=st.integers(0, 9))
    def arrive(self, which: int) -> None:
        """A request reaches XPM, some time after its permit was given."""
        waiting = [call for call in self.calls if not call.arrived]
        if waiting:
            self._arrive(waiting[which % len(waiting)])

    def _arrive(self, call: Call) -> None:
        refusal = self.xpm.enter(call.tenant)
        call.arrived = True
        if refusal is not None:
            assert call.is_probe, f"XPM refused a call ({refusal.problem})"
            self._refuse(call, refusal.problem, refusal.wait)  # type: ignore[arg-type]  # one of Xero's words

    def _refuse(self, call: Call, problem: QuotaLimit, wait: float) -> None:
        self.calls.remove(call)
        with pytest.raises(XpmRateLimited), call.stack:
            raise XpmRateLimited(problem, float(int(wait) + 1))

    @rule(which=st.integers(0, 9), slowly=st.booleans())
    def answer(self, which: int, slowly: bool) -> None:
        """XPM answers; the headers, as of then, are read now or a little later."""
        arrived = [call for call in self.calls if call.arrived]
        if arrived:
            self._answer(arrived[which % len(arrived)], slowly)

    def _answer(self, call: Call, slowly: bool) -> None:
        left = self.xpm.remaining(call.tenant)
        if slowly:
            self._pass(1.5)
        call.permit.calibrate(
            {
                "x-minlimit-remaining": str(left.minute),
                "x-daylimit-remaining": str(left.day),
                "x-appminlimit-remaining": str(left.app_minute),
            }
        )
        self.xpm.leave(call.tenant)
        self.calls.remove(call)
        call.stack.close()

    @rule(which=st.integers(0, 9))
    def kill(self, which: int) -> None:
        """The holder is killed: its connection breaks, and the limiter hears nothing more of it."""
        if self.calls and self.dead < 5:
            call = self.calls.pop(which % len(self.calls))
            call.worker._held.discard(call.permit)
            call.stack.close()
            self.dead += 1
            if call.arrived:
                self.xpm.leave(call.tenant)

    @rule(seconds=st.one_of(st.floats(0.01, 8), st.floats(8, 70)))
    def wait(self, seconds: float) -> None:
        self._pass(seconds)

    @rule(hours=st.integers(1, 13))
    def sleep(self, hours: int) -> None:
        """Much later; nothing runs for so long."""
        for call in list(self.calls):
            if not call.arrived:
                self.arrive(0)
        for call in list(self.calls):
            self._answer(call, slowly=False)
        self.hands.now += hours * 3600

    @rule()
    def flush(self) -> None:
        self.client.flushall()

    @rule(tenant=TENANTS, lane=LANES)
    def come_back_when_told(self, tenant: str, lane: str) -> None:
        """With nobody else about, the wait that is told is enough."""
        if self.calls:
            return
        self._pass(RENEWAL * 4 + 1)  # leases of the dead
        limiter = self.workers[0]
        deferred = None
        try:
            with limiter.acquire(tenant, lane=lane, holder="job", deadline=DEADLINE):
                return
        except QuotaDeferred as caught:
            deferred = caught
        self._pass(deferred.wait_seconds + 0.001)
        assert limiter.free(tenant, lane) >= 1, f"told to wait {deferred.wait_seconds} s for {deferred.limit}"

    def _pass(self, seconds: float) -> None:
        """Let time go by, with renewals on time, and no call beyond its deadline."""
        end = self.hands.now + seconds
        while self.hands.now < end:
            self.hands.now = min(end, self.hands.now + RENEWAL)
            for worker in self.workers:
                worker.renew()
        for call in list(self.calls):
            if call in self.calls and call.begun < self.hands.now - DEADLINE / 2:
                if not call.arrived:
                    self.calls.remove(call)
                    call.stack.close()
                else:
                    self._answer(call, slowly=False)

    @invariant()
    def what_is_free_can_be_had(self) -> None:
        status = self.workers[0].status("one")
        assert status.concurrent <= LIMITS.concurrent
        assert min(status.minute, status.day, status.app_minute) >= 0


TestSchedules = Schedules.TestCase
TestSchedules.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
