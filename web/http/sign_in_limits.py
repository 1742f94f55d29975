"""Limits failed attempts to sign in and requests for a new password, per email address and per network address, counted on
Redis for all web processes.

Redis stores no email addresses: the keys are HMACs. While Redis is unavailable each process counts its own attempts, so that
sign-in stays both possible and limited.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from ipaddress import IPv4Address, ip_address, ip_network

import redis
import structlog
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter, RateLimiter

from config.settings import Settings
from config.sources import Sources
from handlers.access.tries import Attempt, TooManyTries

PER_EMAIL = RateLimitItemPerMinute(10, 15)
PER_BROWSER = RateLimitItemPerMinute(10, 15)
#: Everyone in an office shares one address.
PER_ADDRESS = RateLimitItemPerMinute(100, 15)
#: Each request sends an email.
RESETS_PER_EMAIL = RateLimitItemPerHour(3)
RESETS_PER_ADDRESS = RateLimitItemPerHour(20)
SOCKET_SECONDS = 2.0

#: A budget: how much, of what, and whose.
Budget = tuple[RateLimitItem, str, str]

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
        self._shared = FixedWindowRateLimiter(storage)
        self._own = FixedWindowRateLimiter(MemoryStorage())

    def take(self, attempt: Attempt) -> None:
        """Count an attempt to sign in.

        Raises:
            TooManyTries: there were too many.
        """
        self._hit(_budgets(attempt))

    def take_back(self, attempt: Attempt) -> None:
        """Count an attempt no more."""
        self._hit(_budgets(attempt), cost=-1)

    def take_reset(self, email_key: str, address: str) -> None:
        """Count a request for a new password.

        Raises:
            TooManyTries: there were too many.
        """
        network = _network_of(address)
        self._hit([(RESETS_PER_ADDRESS, "reset address", network), (RESETS_PER_EMAIL, "reset email", email_key)])

    def _hit(self, budgets: Sequence[Budget], *, cost: int = 1) -> None:
        try:
            self._hit_of(self._shared, budgets, cost)
        except redis.RedisError as error:
            log.warning("sign_in.redis_away", exc_info=error)
            self._hit_of(self._own, budgets, cost)

    def _hit_of(self, limiter: RateLimiter, budgets: Sequence[Budget], cost: int) -> None:
        for limit, what, value in budgets:
            name = hmac.new(self._key, f"{what} {value}".encode(), hashlib.sha256).hexdigest()
            if not limiter.hit(limit, name, cost=cost) and cost > 0:
                is_first = limiter.storage.get(limit.key_for(name)) == limit.amount + 1
                raise TooManyTries(self._wait(limiter, limit, name), is_first=is_first)

    def _wait(self, limiter: RateLimiter, limit: RateLimitItem, name: str) -> float:
        reset_at, _ = limiter.get_window_stats(limit, name)
        return max(1.0, reset_at - self._sources.now().timestamp())


def _budgets(attempt: Attempt) -> list[Budget]:
    if attempt.browser is not None:
        return [(PER_BROWSER, "browser", f"{attempt.browser} {attempt.email_key}")]
    return [(PER_ADDRESS, "address", _network_of(attempt.origin.address)), (PER_EMAIL, "email", attempt.email_key)]


def _network_of(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 one: who has one address of it has them all."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
