"""Lets the first jobs of a process run before the others, which are then quicker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: How long others wait at most: longer than a first set takes, and short for who waits while that waits for XPM.
FIRST_SECONDS = 0.4


class First:
    """Holds the other threads of a process back while the first one runs its jobs. It compiles each statement, which takes
    longer than to run it, and the others would all compile the same at the same time."""

    def __init__(self) -> None:
        self._has_begun = threading.Lock()
        self._has_ended = threading.Event()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Run the first jobs, or wait for those that do."""
        if self._has_begun.acquire(blocking=False):
            try:
                yield
            finally:
                self._has_ended.set()
        else:
            self._has_ended.wait(FIRST_SECONDS)
            yield
