"""When the work that waits for XPM's quota is done, if nothing else comes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xpm.quota import Limits

MINUTE, DAY = 60.0, 86_400.0


@dataclass(frozen=True)
class Forecast:
    """How many calls wait, how many of them fit into what is left of today, and how long all take."""

    calls: int
    today: int
    seconds: float


def forecast(calls: int, limits: Limits, *, used_today: int) -> Forecast:
    """How long so many calls in the background take, each day as many as the day allows, each minute as many as the minute.

    Args:
        limits: XPM's, of which the background leaves a part to people who wait.
    """
    allowed = limits.for_background()
    today = min(calls, max(0, allowed.day - used_today))
    later = calls - today
    if later == 0:
        return Forecast(calls, today, math.ceil(calls / allowed.minute) * MINUTE)
    days, rest = divmod(later - 1, allowed.day)
    return Forecast(calls, today, (days + 1) * DAY + math.ceil((rest + 1) / allowed.minute) * MINUTE)
