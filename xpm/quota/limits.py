"""What XPM allows, and the limiter's timing. Plain values; `script.lua` applies them."""

from __future__ import annotations

import math
from dataclasses import dataclass

MINUTE_SECONDS = 60.0
DAY_SECONDS = 86_400.0
#: How many buckets, of five minutes each, a day is counted in.
DAY_BUCKETS = 288
#: The share of each limit that background lanes leave for interactive calls; at least one call of each.
RESERVE = 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """Calls that XPM allows an app: at once, in a minute and in a day per tenant, and in a minute for all tenants.

    The defaults are those of Xero's paid tiers; its free one has a day of 1,000 (facts §6).
    """

    concurrent: int = 5
    minute: int = 60
    day: int = 5_000
    app_minute: int = 10_000

    def __post_init__(self) -> None:
        if min(self.concurrent, self.minute, self.day, self.app_minute) < 1:
            raise ValueError("A quota limit below one call would stop all work, so it cannot be set.")

    def for_background(self) -> Limits:
        """What background lanes may use, a reserve below each limit: 4 of 5, 57 of 60, 4,750 of 5,000."""
        return Limits(*map(_without_reserve, (self.concurrent, self.minute, self.day, self.app_minute)))


def _without_reserve(limit: int) -> int:
    return max(1, limit - math.ceil(limit * RESERVE))


@dataclass(frozen=True, slots=True)
class Timing:
    """Lengths of time, in real seconds.

    time_scale: how much faster than real time XPM's windows pass; above 1 only with a simulator that does the same.
    lease_seconds, renew_seconds: how long a call's place is kept without a renewal, and how often it is renewed.
    patience_seconds: the longest that `acquire` waits in its thread; a longer wait is deferred.
    """

    time_scale: float = 1.0
    lease_seconds: float = 10.0
    renew_seconds: float = 3.0
    patience_seconds: float = 2.0

    def __post_init__(self) -> None:
        if self.renew_seconds * 2 > self.lease_seconds:
            raise ValueError("A lease must outlast two renewals, or one that is late would lose it.")

    @property
    def minute(self) -> float:
        return MINUTE_SECONDS / self.time_scale

    @property
    def day(self) -> float:
        return DAY_SECONDS / self.time_scale

    @property
    def brief(self) -> float:
        """How soon to retry when the wait is unknown because another call has to end first."""
        return max(0.25 / self.time_scale, 0.005)

    @property
    def least_deferral(self) -> float:
        """The shortest deferral of a job, because deferring costs work too."""
        return 1.0 / self.time_scale
