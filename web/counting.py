"""Counts on Redis, for all web processes. While Redis is unavailable each process counts its own, so that what is limited
stays both possible and limited.

Redis is told no names and no addresses: the keys are HMACs.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
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
#: How long Redis is not asked again once it gave no answer: sign-ins wait in line for each other.
REST_SECONDS = 5.0

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
        self._lock = threading.Lock()
        self._rests_until: float | None = None

    def take(self, budgets: Sequence[Budget], *, cost: int = 1) -> Exceeded | None:
        """Count one of each; `cost=-1` takes it back. Returns the first budget that was used up, if any."""
        if self._may_ask():
            try:
                exceeded = self._take(self._shared, budgets, cost)
                self._rests_until = None
                return exceeded
            except redis.RedisError as error:
                log.warning("counts.redis_away", exc_info=error)
                self._rests_until = self._sources.monotonic() + REST_SECONDS
        return self._take(self._own, budgets, cost)

    def _may_ask(self) -> bool:
        """Whether to ask Redis: after a failure one thread asks, once in a while, and no other waits with it."""
        with self._lock:
            if self._rests_until is None:
                return True
            now = self._sources.monotonic()
            if now < self._rests_until:
                return False
            self._rests_until = now + REST_SECONDS
            return True

    def _take(self, limiter: RateLimiter, budgets: Sequence[Budget], cost: int) -> Exceeded | None:
        for limit, what, value in budgets:
            name = hmac.new(self._key, f"{what} {value}".encode(), hashlib.sha256).hexdigest()
            if not limiter.hit(limit, name, cost=cost) and cost > 0:
                is_first = limiter.storage.get(limit.key_for(name)) == limit.amount + 1
                reset_at, _ = limiter.get_window_stats(limit, name)
                return Exceeded(max(1.0, reset_at - self._sources.now().timestamp()), is_first)
        return None
