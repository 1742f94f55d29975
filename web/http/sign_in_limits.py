"""Limits failed attempts to sign in and requests for a new password, per email address and per network address."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, ip_address, ip_network

from limits import RateLimitItemPerHour, RateLimitItemPerMinute

from config.settings import Settings
from config.sources import Sources
from handlers.access.tries import Attempt, TooManyTries
from web.counting import Budget, SharedCounts

PER_EMAIL = RateLimitItemPerMinute(10, 15)
PER_BROWSER = RateLimitItemPerMinute(10, 15)
#: Everyone in an office shares one address.
PER_ADDRESS = RateLimitItemPerMinute(100, 15)
#: Each request sends an email.
RESETS_PER_EMAIL = RateLimitItemPerHour(3)
RESETS_PER_ADDRESS = RateLimitItemPerHour(20)


class SignInLimits:
    """`handlers.access.tries.Tries` on Redis."""

    def __init__(self, settings: Settings, sources: Sources) -> None:
        self._counts = SharedCounts(settings, sources, "sign-in")

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
        exceeded = self._counts.take(budgets, cost=cost)
        if exceeded is not None:
            raise TooManyTries(exceeded.wait_seconds, is_first=exceeded.is_first)


def _budgets(attempt: Attempt) -> list[Budget]:
    if attempt.browser is not None:
        return [(PER_BROWSER, "browser", f"{attempt.browser} {attempt.email_key}")]
    where = "console " if attempt.at_console else ""
    network = _network_of(attempt.origin.address)
    return [(PER_ADDRESS, f"{where}address", network), (PER_EMAIL, f"{where}email", attempt.email_key)]


def _network_of(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 one: who has one address of it has them all."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
