"""Whether a process does its own work: each of its loops says when it goes round, and one that has not for too long has
stalled."""

from __future__ import annotations

import time
from collections.abc import Callable


class Liveness:
    """The loops of one process. Threads may share it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._within: dict[str, float] = {}
        self._seen_at: dict[str, float] = {}

    def expect(self, loop: str, *, within_seconds: float) -> Callable[[], None]:
        """Expect a loop to go round at least this often, from now on.

        Returns:
            What the loop calls each time it goes round, whether or not its work succeeded: no restart brings a server back.
        """

        def goes_round() -> None:
            self._seen_at[loop] = self._monotonic()

        goes_round()
        self._within[loop] = within_seconds
        return goes_round

    def stalled(self) -> list[str]:
        """The loops that have not gone round in time."""
        now = self._monotonic()
        return [loop for loop, seconds in self._within.items() if now - self._seen_at[loop] > seconds]
