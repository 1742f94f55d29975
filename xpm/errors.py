"""The failures of a call to XPM, as one exception tree. Retry and job rules live elsewhere.

::

    XpmError
    ├── QuotaDeferred        our own limiter gave no permit; nothing was sent
    ├── XpmAway              XPM has failed too often; nothing was sent
    ├── XpmTimeout           the call's deadline passed
    ├── XpmUnreachable       no connection, or it broke
    ├── XpmServerError       5xx
    ├── XpmMalformed         the body ended early, or breaks the contract
    │   └── XpmForeign       the answer is not XPM's: an intermediary's page, a redirect, nothing at all
    ├── XpmTooLarge          the body exceeds its size limit
    ├── XpmNotFound          XPM does not know the client's uuid
    ├── XpmRefused           any other Status=ERROR, or 4xx
    ├── XpmUnauthorized      401
    ├── XpmForbidden         403
    └── XpmRateLimited       429

Messages and attributes hold no personal data: no names, no emails, no part of a body.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

UnauthorizedReason = Literal["token_expired", "scope_missing", "other"]
ForbiddenReason = Literal["disconnected", "scope_missing", "other"]
QuotaLimit = Literal["minute", "day", "concurrent", "appminute", "unknown"]
QuotaWait = Literal[QuotaLimit, "recovering", "unavailable"]
"""What a permit waits for: room below a limit, or the limiter's ledger, which is recovering or unavailable."""
DEFAULT_WAITS: Mapping[QuotaLimit, float] = MappingProxyType(
    {"concurrent": 2.0, "minute": 60.0, "appminute": 60.0, "day": 3600.0, "unknown": 30.0}
)
"""Seconds to wait after a 429 without Retry-After (facts §6): concurrent calls end soon, a minute's limit clears in a
minute, and the end of XPM's day is unknown, so one call may try every hour."""


class XpmError(Exception):
    """The root of every failure of a call to XPM."""


class QuotaDeferred(XpmError):
    """The limiter gave no permit because of `limit`. One may be free in `wait_seconds`."""

    def __init__(self, limit: QuotaWait, wait_seconds: float) -> None:
        super().__init__(f"No permit to ask XPM ({limit}); try again in {wait_seconds:.0f} s.")
        self.limit = limit
        self.wait_seconds = wait_seconds


class XpmAway(XpmError):
    """XPM counts as away for `reason`. It may be tried again in `wait_seconds`, or sooner if another call finds it back."""

    def __init__(self, reason: str, wait_seconds: float) -> None:
        super().__init__(f"XPM {reason}.")
        self.reason = reason
        self.wait_seconds = wait_seconds


class XpmTimeout(XpmError):
    """The call's deadline passed before it ended. Whatever had arrived was discarded."""

    def __init__(self) -> None:
        super().__init__("XPM did not finish its answer within the time allowed.")


class XpmUnreachable(XpmError):
    """No connection could be made, or it broke before the answer ended. `cause` is the network error's class name."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"The connection to XPM failed ({cause}).")
        self.cause = cause


class XpmServerError(XpmError):
    """XPM answered `status` (500 to 599). `retry_after` is in seconds, if XPM sent it."""

    def __init__(self, status: int, retry_after: float | None = None) -> None:
        super().__init__(f"XPM failed with status {status}.")
        self.status = status
        self.retry_after = retry_after


class XpmMalformed(XpmError):
    """The answer breaks the contract; `problem` says how, and names the field and the record if it is about one.

    `truncated` is true if the body ended early.
    """

    def __init__(self, problem: str, *, truncated: bool = False) -> None:
        super().__init__(f"XPM's answer cannot be used: {problem}.")
        self.problem = problem
        self.truncated = truncated


class XpmForeign(XpmMalformed):
    """The answer is neither XPM's nor Xero's. Something in between sent it, so it says nothing about the request."""


class XpmTooLarge(XpmError):
    """The decoded body exceeds `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"XPM's answer is larger than {limit} bytes.")
        self.limit = limit


class XpmNotFound(XpmError):
    """XPM does not know the identifier. `status` is the HTTP status of its answer (200, 400, 404 or 500)."""

    def __init__(self, status: int) -> None:
        super().__init__("XPM has no client with this identifier.")
        self.status = status


class XpmRefused(XpmError):
    """XPM refused the request with `status`. `description` is XPM's text, reduced to technical words."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(f"XPM refused the request with status {status}: {description or 'no reason given'}")
        self.status = status
        self.description = description


class XpmUnauthorized(XpmError):
    """401: the access token expired (refresh once), or the consent lacks a scope (connect again)."""

    def __init__(self, reason: UnauthorizedReason) -> None:
        super().__init__(f"XPM did not accept the access token ({reason}).")
        self.reason = reason


class XpmForbidden(XpmError):
    """403: the practice was disconnected, the Xero user lost access, or a scope is missing."""

    def __init__(self, reason: ForbiddenReason) -> None:
        super().__init__(f"XPM no longer accepts this connection ({reason}).")
        self.reason = reason


class XpmRateLimited(XpmError):
    """429: `problem` is the limit that was hit, `retry_after` the wait in seconds, if XPM sent it."""

    def __init__(self, problem: QuotaLimit, retry_after: float | None = None) -> None:
        super().__init__(f"XPM's {problem} limit was hit.")
        self.problem = problem
        self.retry_after = retry_after

    @property
    def wait_seconds(self) -> float:
        """How long to make no calls: what XPM sent, otherwise the limit's default."""
        return DEFAULT_WAITS[self.problem] if self.retry_after is None else self.retry_after
