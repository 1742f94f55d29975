"""One look at the state for everybody who watches it: however many browsers do, the record is read once a second, more
seldom while a look takes long, and not at all while nobody watches."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from handlers.operations.overview import Now

#: A look is shared by those who ask within this time.
SECONDS = 1.0
#: Looks take no more than this share of the time: watching must not slow down what is watched.
SHARE = 0.02


@dataclass
class SharedLook:
    """Looks when asked, and answers with the last look until the next one is due."""

    look: Callable[[], Now]
    monotonic: Callable[[], float]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last: Now | None = None
    _next_at: float = 0.0

    def now(self, *, anew: bool = False) -> Now:
        """The state as of the last look, or of this moment if `anew`."""
        with self._lock:  # who comes meanwhile waits for this look instead of taking another
            began = self.monotonic()
            if anew or self._last is None or began >= self._next_at:
                self._last = self.look()
                self._next_at = began + max(SECONDS, (self.monotonic() - began) / SHARE)
            return self._last


def digest(found: Now) -> str:
    """The same as long as the page that shows this would show the same, except for ages."""
    workers = [(each.owner, [job.id for job in each.jobs]) for each in found.workers]
    leader = found.leader[0] if found.leader else None
    outages = [(each.upstream, each.reason) for each in found.outages]
    pauses = [each.pause.id for each in found.pauses]
    restore = found.restore.id if found.restore else None
    shown = (found.lanes, workers, leader, pauses, restore, outages, found.dead, sorted(found.closes.items()))
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]
