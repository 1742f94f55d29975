"""Counts on Redis, for all web processes. While Redis is unavailable each process counts its own, so that what is limited
stays both possible and limited.

Redis is told no names and no addresses: the keys are HMACs.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

import redis
import structlog
from limits import RateLimitItem
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter, RateLimiter

from config.redis_connections import connection_class
from config.settings import Settings
from config.sources import Sources

SOCKET_SECONDS = 2.0

#: A budget: how much, of what, and whose.
Budget = tuple[RateLimitItem, str, str]

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Exceeded:
    """A budget was used up already. `is_first`: nothing beyond it was tried before."""

    wait_seconds: float
    is_first: bool


class SharedCounts:
    """Counts for one purpose, such as `sign-in`."""

    def __init__(self, settings: Settings, sources: Sources, purpose: str) -> None:
        self._key = settings.derived_key(f"{purpose} limits")
        self._sources = sources
        storage = RedisStorage(
            settings.redis_url,
            key_prefix=f"{settings.redis_namespace}:{purpose}",
            connection_class=connection_class(settings.redis_url),
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=SOCKET_SECONDS,
        )
        self._shared = FixedWindowRateLimiter(storage)
        self._own = FixedWindowRateLimiter(MemoryStorage())

    def take(self, budgets: Sequence[Budget], *, cost: int = 1) -> Exceeded | None:
        """Count one of each; `cost=-1` takes it back. Returns the first budget that was used up, if any."""
        try:
            return self._take(self._shared, budgets, cost)
        except redis.RedisError as error:
            log.warning("counts.redis_away", exc_info=error)
            return self._take(self._own, budgets, cost)

    def _take(self, limiter: RateLimiter, budgets: Sequence[Budget], cost: int) -> Exceeded | None:
        for limit, what, value in budgets:
            name = hmac.new(self._key, f"{what} {value}".encode(), hashlib.sha256).hexdigest()
            if not limiter.hit(limit, name, cost=cost) and cost > 0:
                is_first = limiter.storage.get(limit.key_for(name)) == limit.amount + 1
                reset_at, _ = limiter.get_window_stats(limit, name)
                return Exceeded(max(1.0, reset_at - self._sources.now().timestamp()), is_first)
        return None
