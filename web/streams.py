"""Limits the server-sent event streams of a process: each keeps a connection open for minutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from uuid import UUID

from handlers import refusals

PER_PROCESS = 200
PER_STAFF = 6


class Streams:
    """Counts open streams. Used from the event loop only."""

    def __init__(self, *, per_process: int = PER_PROCESS, per_staff: int = PER_STAFF) -> None:
        self._per_process = per_process
        self._per_staff = per_staff
        self._open: Counter[UUID] = Counter()

    def reserve(self, staff_id: UUID) -> Callable[[], None]:
        """Count a stream as open, before anything is done for it: many may be asked for at once.

        Returns:
            What to call when it ends, once.

        Raises:
            RequestRefused: `too_many_streams`.
        """
        if self._open[staff_id] >= self._per_staff or self._open.total() >= self._per_process:
            raise refusals.TOO_MANY_STREAMS()
        self._open[staff_id] += 1

        def release() -> None:
            self._open[staff_id] -= 1
            if not self._open[staff_id]:
                del self._open[staff_id]

        return release
