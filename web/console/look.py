"""One look at the state for everybody who watches it: however many browsers do, the record is read once a second, and not at
all while nobody watches."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from handlers.operations.overview import Now

#: A look is shared by those who ask within this time.
SECONDS = 1.0


@dataclass
class SharedLook:
    """Looks when asked, and answers with the last look for a second."""

    look: Callable[[], Now]
    monotonic: Callable[[], float]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last: tuple[float, Now] | None = None

    def now(self, *, anew: bool = False) -> Now:
        """The state as of this second, or of this moment if `anew`."""
        with self._lock:  # who comes meanwhile waits for this look instead of taking another
            if anew or self._last is None or self.monotonic() - self._last[0] >= SECONDS:
                self._last = (self.monotonic(), self.look())
            return self._last[1]


def digest(found: Now) -> str:
    """The same as long as the page that shows this would show the same, except for ages."""
    workers = [(each.owner, [job.id for job in each.jobs]) for each in found.workers]
    leader = found.leader[0] if found.leader else None
    outages = [(each.upstream, each.reason) for each in found.outages]
    pauses = [each.pause.id for each in found.pauses]
    restore = found.restore.id if found.restore else None
    shown = (found.lanes, workers, leader, pauses, restore, outages, found.dead, sorted(found.closes.items()))
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]
