"""Lets what goes on and on be logged once in a while."""

from __future__ import annotations

import time
from collections.abc import Callable

#: The same is logged once in this time.
SAY_AGAIN_SECONDS = 60.0


class Seldom:
    """When each thing was said last. Threads may share it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._said_at: dict[str, float] = {}

    def is_due(self, what: str) -> bool:
        """Whether to say it now. If so, it counts as said."""
        now, said_at = self._monotonic(), self._said_at.get(what)
        if said_at is not None and now - said_at < SAY_AGAIN_SECONDS:
            return False
        self._said_at[what] = now
        return True
