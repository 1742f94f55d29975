"""Limits attempts to sign in and requests for a new password, per email address and per network address, counted on Redis
for all web processes.

Redis stores no email addresses: the keys are HMACs. While Redis is unavailable each process counts its own attempts, so that
sign-in stays both possible and limited.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

import redis
import structlog
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

from config.settings import Settings
from config.sources import Sources
from handlers.access.tries import TooManyTries

PER_EMAIL = RateLimitItemPerMinute(10, 15)
#: Everyone in an office shares one address.
PER_ADDRESS = RateLimitItemPerMinute(100, 15)
#: Each request sends an email.
RESETS_PER_EMAIL = RateLimitItemPerHour(3)
RESETS_PER_ADDRESS = RateLimitItemPerHour(20)
SOCKET_SECONDS = 2.0

log = structlog.stdlib.get_logger(__name__)


class SignInLimits:
    """`handlers.access.sessions.Tries` on Redis."""

    def __init__(self, settings: Settings, sources: Sources) -> None:
        self._key = settings.derived_key("sign-in limits")
        self._sources = sources
        storage = RedisStorage(
            settings.redis_url,
            key_prefix=f"{settings.redis_namespace}:sign-in",
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=SOCKET_SECONDS,
        )
        self._shared = MovingWindowRateLimiter(storage)
        self._own = MovingWindowRateLimiter(MemoryStorage())

    def take(self, email_key: str, address: str) -> None:
        """Count an attempt to sign in.

        Raises:
            TooManyTries: there were too many.
        """
        self._take((PER_ADDRESS, "address", address), (PER_EMAIL, "email", email_key))

    def take_reset(self, email_key: str, address: str) -> None:
        """Count a request for a new password.

        Raises:
            TooManyTries: there were too many.
        """
        self._take((RESETS_PER_ADDRESS, "reset address", address), (RESETS_PER_EMAIL, "reset email", email_key))

    def _take(self, *budgets: tuple[RateLimitItem, str, str]) -> None:
        try:
            self._take_of(self._shared, budgets)
        except redis.RedisError as error:
            log.warning("sign_in.redis_away", exc_info=error)
            self._take_of(self._own, budgets)

    def _take_of(self, limiter: MovingWindowRateLimiter, budgets: Sequence[tuple[RateLimitItem, str, str]]) -> None:
        for limit, what, value in budgets:
            name = hmac.new(self._key, f"{what} {value}".encode(), hashlib.sha256).hexdigest()
            if not limiter.hit(limit, name):
                raise TooManyTries(self._wait(limiter, limit, name))

    def _wait(self, limiter: MovingWindowRateLimiter, limit: RateLimitItem, name: str) -> float:
        reset_at, _ = limiter.get_window_stats(limit, name)
        return max(1.0, reset_at - self._sources.now().timestamp())
