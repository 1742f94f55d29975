"""Limits the server-sent event streams of a process: each keeps a connection open for minutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from uuid import UUID

from handlers import refusals

PER_PROCESS = 200
#: An API key acts for whomever of its practice it names.
PER_PRACTICE = 60
PER_STAFF = 6


class Streams:
    """Counts open streams. Used from the event loop only."""

    def __init__(self, *, per_practice: int = PER_PRACTICE) -> None:
        self._per_practice = per_practice
        self._open: Counter[UUID] = Counter()
        self._open_of_practice: Counter[UUID | None] = Counter()

    def reserve(self, staff_id: UUID, practice_id: UUID | None) -> Callable[[], None]:
        """Count a stream as open, before anything is done for it: many may be asked for at once.

        Args:
            practice_id: `None` for operators, who count together.

        Returns:
            What to call when it ends, once.

        Raises:
            RequestRefused: `too_many_streams`.
        """
        if (
            self._open[staff_id] >= PER_STAFF
            or self._open_of_practice[practice_id] >= self._per_practice
            or self._open.total() >= PER_PROCESS
        ):
            raise refusals.TOO_MANY_STREAMS()
        self._open[staff_id] += 1
        self._open_of_practice[practice_id] += 1

        def release() -> None:
            self._open -= Counter([staff_id])  # which leaves out who has none
            self._open_of_practice -= Counter([practice_id])

        return release
