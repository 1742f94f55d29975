"""How often somebody may try: to sign in, and to ask for a link to set a password. Counted by the web process."""

from __future__ import annotations

from typing import Protocol

from handlers.errors import RequestRefused


class TooManyTries(RequestRefused):
    """Closed for this email or this address for a while; `wait_seconds` says how long."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(
            "too_many_tries",
            "There were too many tries.",
            f"Wait {max(1, round(wait_seconds / 60))} minutes, then try again.",
        )
        self.wait_seconds = wait_seconds


class Tries(Protocol):
    """Counts attempts to sign in, and requests for a link to set a password."""

    def take(self, email_key: str, address: str) -> None:
        """Count one by this login email from this network address. Raises `TooManyTries`."""

    def take_reset(self, email_key: str, address: str) -> None:
        """Count a request for a link. Raises `TooManyTries`."""
