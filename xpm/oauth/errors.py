"""The failures of consent and tokens, as one exception tree. Their effect on a connection is decided elsewhere.

::

    XeroAuthError
    ├── GrantRefused          invalid_grant: this refresh token or code is dead
    ├── ReconnectNeeded       a login has no working token, and only a new consent can give it one
    ├── AppRefused            Xero does not accept our app or its request
    ├── TokenRefused          the gateway does not accept the access token
    ├── IdentityUnavailable   5xx, 429, no connection, no answer in time; may be temporary
    ├── IdentityMalformed     an answer that breaks the contract
    ├── CoolingDown           a refresh failed a moment ago; nothing was sent
    └── RefreshUnderWay       another process is refreshing and has not finished; nothing was sent

Messages hold no token, no code and no text from Xero.
"""

from __future__ import annotations


class XeroAuthError(Exception):
    """The root of every failure to get a token."""


class GrantRefused(XeroAuthError):
    """The grant behind a code or a refresh token has ended: never retry with it."""

    def __init__(self) -> None:
        super().__init__("Xero no longer accepts this consent.")


class ReconnectNeeded(XeroAuthError):
    """The login's tokens of this `version` no longer work: connect again, never retry."""

    def __init__(self, version: int) -> None:
        super().__init__("Xero no longer accepts this login's consent.")
        self.version = version


class AppRefused(XeroAuthError):
    """Xero refused our app. `code` is the OAuth error code, such as `invalid_client`."""

    def __init__(self, code: str) -> None:
        super().__init__(f"Xero does not accept this app's request ({code}).")
        self.code = code


class TokenRefused(XeroAuthError):
    """The list of connections was denied to this access token: it expired or was revoked."""

    def __init__(self) -> None:
        super().__init__("Xero does not accept the access token.")


class IdentityUnavailable(XeroAuthError):
    """Xero could not be reached, or failed. `retry_after` is in seconds, if Xero sent it."""

    def __init__(self, cause: str, retry_after: float | None = None) -> None:
        super().__init__(f"Xero's identity server could not be used ({cause}).")
        self.cause = cause
        self.retry_after = retry_after


class IdentityMalformed(XeroAuthError):
    """The answer breaks the contract."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"Xero's answer cannot be used: {problem}.")


class CoolingDown(XeroAuthError):
    """A refresh failed; the next one is due in `wait_seconds`."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(f"A refresh of the token failed; the next one is due in {wait_seconds:.0f} s.")
        self.wait_seconds = wait_seconds


class RefreshUnderWay(XeroAuthError):
    """Another process holds the refresh lease, for up to `wait_seconds` more."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__("The token is being refreshed elsewhere.")
        self.wait_seconds = wait_seconds
