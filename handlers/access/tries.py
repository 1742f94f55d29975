"""How often somebody may try: to sign in, and to ask for a link to set a password. Counted by the web process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from handlers.access.origin import Origin
from handlers.errors import RefusedForNow


class TooManyTries(RefusedForNow):
    """Closed for this email or this address for a while; `wait_seconds` says how long. `is_first`: it has been
    open until now."""

    def __init__(self, wait_seconds: float, *, is_first: bool = False) -> None:
        super().__init__(
            "too_many_tries",
            "There were too many tries.",
            f"Wait {max(1, round(wait_seconds / 60))} minutes, then try again.",
        )
        self.wait_seconds = wait_seconds
        self.is_first = is_first


@dataclass(frozen=True)
class Attempt:
    """An attempt to prove oneself by a password.

    email_key: the login email that it is for.
    browser: what names the browser, if this person has signed in with it before. Such a browser has a budget of its own, so
        that others who try their email do not lock its owner out.
    at_console: it is an operator's. Those are counted apart, so that nobody at the portal locks an operator out.
    """

    email_key: str
    origin: Origin
    browser: str | None = None
    at_console: bool = False


class Tries(Protocol):
    """Counts failed attempts, and requests for a link to set a password.

    An attempt is counted before the password is looked at, so that a thousand at once are no way around, and taken back if
    it succeeds.
    """

    def take(self, attempt: Attempt) -> None:
        """Count an attempt. Raises `TooManyTries`."""

    def take_back(self, attempt: Attempt) -> None:
        """Count an attempt no more: it succeeded."""

    def take_reset(self, email_key: str, address: str) -> None:
        """Count a request for a link. Raises `TooManyTries`."""
