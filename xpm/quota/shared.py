"""Builds the limiter that all processes with the same settings share."""

from __future__ import annotations

import redis

from config.settings import Settings
from xpm.quota.limiter import RedisLimiter
from xpm.quota.limits import Limits, Timing

SHORTEST_LEASE = 2.0
"""Seconds; a process may stall this long on a busy machine."""


def limiter_of(settings: Settings, client: redis.Redis) -> RedisLimiter:
    """A limiter on this Redis. Scaled time scales its leases too, to 2 s at least."""
    scale = settings.xpm_quota_time_scale
    shrink = min(1.0, max(1 / scale, SHORTEST_LEASE / settings.lease_seconds))
    renewal = min(settings.heartbeat_seconds, settings.lease_seconds / 2)
    timing = Timing(scale, settings.lease_seconds * shrink, renewal * shrink)
    return RedisLimiter(client, settings.redis_namespace, Limits(day=settings.xpm_day_limit), timing)
