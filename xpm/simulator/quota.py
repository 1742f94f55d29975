"""XPM's rate limits: five calls at once, a minute and a day for each tenant, and a minute for the whole app.

Pure counting on a given clock; `gate` decides how a refusal looks on the wire. Source: Xero's published limits. A call
counts from its arrival, a refused call does not count, and minutes and days slide.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

MINUTE = 60.0
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Calls allowed: at once, in a minute and in a day for each tenant, and in a minute for all tenants together."""

    concurrent: int = 5
    minute: int = 60
    day: int = 5_000
    app_minute: int = 10_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call was refused: `problem` is Xero's name of the limit, `wait` the scaled seconds until there is room."""

    problem: str
    wait: float


@dataclass(frozen=True, slots=True)
class Remaining:
    """Calls left in the sliding windows, never below zero."""

    day: int
    minute: int
    app_minute: int


class Window:
    """A sliding log of times, of which those in the last `length` seconds count."""

    def __init__(self, length: float) -> None:
        self._length = length
        self._moments: deque[float] = deque()

    def count(self, now: float) -> int:
        while self._moments and now - self._moments[0] >= self._length:
            self._moments.popleft()
        return len(self._moments)

    def add(self, now: float) -> None:
        self._moments.append(now)

    def wait(self, now: float) -> float:
        """Seconds until the oldest time leaves the window; 0 if it is empty."""
        return max(0.0, self._moments[0] + self._length - now) if self._moments else 0.0


class Quota:
    """Counts calls against the limits, and refuses those beyond them while `enforce` is on.

    `now` gives scaled seconds. Not safe for threads: the simulator runs in one event loop.
    """

    def __init__(self, limits: Limits, now: Callable[[], float], *, enforce: bool = True) -> None:
        self.limits = limits
        self.enforce = enforce
        self._now = now
        self.refill()
        self._in_flight: defaultdict[str, int] = defaultdict(int)

    def refill(self) -> None:
        """Empty the windows. Calls in flight stay in flight."""
        self._minutes: defaultdict[str, Window] = defaultdict(lambda: Window(MINUTE))
        self._days: defaultdict[str, Window] = defaultdict(lambda: Window(DAY))
        self._app_minute = Window(MINUTE)

    def enter(self, tenant_id: str) -> Refusal | None:
        """Admit a call, which must `leave` once its answer is sent; or refuse it."""
        now = self._now()
        refusal = self._over(tenant_id, now) if self.enforce else None
        if refusal is None:
            self._in_flight[tenant_id] += 1
            for window in (self._minutes[tenant_id], self._days[tenant_id], self._app_minute):
                window.add(now)
        return refusal

    def leave(self, tenant_id: str) -> None:
        """End an admitted call: its answer has been sent, or its connection is closed."""
        self._in_flight[tenant_id] -= 1

    def _over(self, tenant_id: str, now: float) -> Refusal | None:
        """The limit that blocks a call; the one with the longest wait first."""
        day, minute = self._days[tenant_id], self._minutes[tenant_id]
        if day.count(now) >= self.limits.day:
            return Refusal("day", day.wait(now))
        if minute.count(now) >= self.limits.minute:
            return Refusal("minute", minute.wait(now))
        if self._app_minute.count(now) >= self.limits.app_minute:
            return Refusal("appminute", self._app_minute.wait(now))
        if self._in_flight[tenant_id] >= self.limits.concurrent:
            return Refusal("concurrent", 1.0)
        return None

    def remaining(self, tenant_id: str) -> Remaining:
        """The values of a tenant's rate-limit headers now."""
        now = self._now()
        return Remaining(
            day=max(0, self.limits.day - self._days[tenant_id].count(now)),
            minute=max(0, self.limits.minute - self._minutes[tenant_id].count(now)),
            app_minute=max(0, self.limits.app_minute - self._app_minute.count(now)),
        )
