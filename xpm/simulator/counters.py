"""The calls that the simulator received: counts, peaks and a log, so that tests can check what really arrived.

Refused calls are counted too. No token, name or email is kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from xpm.simulator.quota import MINUTE, Window

LOG_LENGTH = 50_000


@dataclass(slots=True)
class LogEntry:
    """One call. `status` stays `None` when no answer was started, as in a reset or a hang."""

    at: datetime
    tenant_id: str | None
    method: str
    template: str
    operation: str
    status: int | None = None

    def as_json(self) -> dict[str, object]:
        """Plain values; `at` is ISO 8601 in UTC."""
        plain: dict[str, object] = {name: getattr(self, name) for name in self.__slots__}
        return plain | {"at": self.at.isoformat()}


class Counters:
    """Counts since the start or the last reset. Peaks are the greatest of any one tenant; `now` gives scaled seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._in_flight: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Reset to zero. Calls in flight stay in flight."""
        self.calls: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.refusals: Counter[str] = Counter()
        self.greatest_concurrency = max(self._in_flight.values(), default=0)
        self.greatest_per_minute = 0
        self.log: deque[LogEntry] = deque(maxlen=LOG_LENGTH)
        self._minutes: defaultdict[str, Window] = defaultdict(lambda: Window(MINUTE))

    def begin(self, entry: LogEntry) -> None:
        """A call arrived; `end` must follow."""
        self.calls[entry.operation] += 1
        self.log.append(entry)
        if entry.tenant_id is None:
            return
        self._in_flight[entry.tenant_id] += 1
        self.greatest_concurrency = max(self.greatest_concurrency, self._in_flight[entry.tenant_id])
        minute = self._minutes[entry.tenant_id]
        minute.add(self._now())
        self.greatest_per_minute = max(self.greatest_per_minute, minute.count(self._now()))

    def answered(self, entry: LogEntry, status: int) -> None:
        """An answer was started."""
        entry.status = status
        self.statuses[status] += 1

    def refused(self, problem: str) -> None:
        """A call hit a limit."""
        self.refusals[problem] += 1

    def end(self, entry: LogEntry) -> None:
        """A call has ended, answered or not."""
        if entry.tenant_id is not None:
            self._in_flight[entry.tenant_id] -= 1

    def as_json(self) -> dict[str, object]:
        """Plain values for the control API."""
        return {
            "calls": dict(self.calls),
            "total_calls": self.calls.total(),
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "refusals": dict(self.refusals),
            "greatest_concurrency": self.greatest_concurrency,
            "greatest_per_minute": self.greatest_per_minute,
            "in_flight": sum(self._in_flight.values()),
        }
