"""Looks at the record that all who watch share: however many browsers do, it is read once a second, more seldom while a look
takes long, and not at all while nobody watches."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from handlers.operations.overview import Now

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")

#: A look is shared by those who ask within this time.
SECONDS = 1.0
#: Looks take no more than this share of the time: watching must not slow down what is watched.
SHARE = 0.01
#: Who asks when the last look is so many times as old as that is looks anew; anybody earlier need not wait.
STALE = 3.0


def in_thread(work: Callable[[], None]) -> None:
    """Run it in a daemon thread. Nobody waits for it: whoever asks later looks for themselves and meets the error."""

    def run() -> None:
        try:
            work()
        except Exception as error:
            log.warning("console.not_looked", exc_info=error)

    threading.Thread(target=run, name="look", daemon=True).start()


@dataclass
class SharedLook(Generic[T]):
    """Looks while somebody asks, and answers with the last look at once while the next one is taken.

    Args:
        start: runs the next look beside those who ask.
    """

    look: Callable[[], T]
    monotonic: Callable[[], float]
    start: Callable[[Callable[[], None]], None] = in_thread
    _lock: threading.Lock = field(default_factory=threading.Lock)
    #: What was seen, when the look began, and for how long it is shared.
    _last: tuple[T, float, float] | None = None

    def get(self, *, anew: bool = False) -> T:
        """What the last look saw, or what there is at this moment if `anew`."""
        last = self._last
        age = self.monotonic() - last[1] if last else 0.0
        if anew:
            return self._look()
        if last is None or age >= STALE * last[2]:
            with self._lock:  # who comes meanwhile waits for this look instead of taking another
                return self._last[0] if self._last and self._last is not last else self._look()
        if age >= last[2] and self._lock.acquire(blocking=False):
            self.start(self._renew)
        return last[0]

    def _renew(self) -> None:
        try:
            self._look()
        finally:
            self._lock.release()

    def _look(self) -> T:
        began = self.monotonic()
        seen = self.look()
        if self._last is None or began >= self._last[1]:  # another may have begun later, and have ended
            self._last = (seen, began, max(SECONDS, (self.monotonic() - began) / SHARE))
        return seen


def digest(found: Now) -> str:
    """The same as long as the page that shows this would show the same, except for ages."""
    workers = [(each.owner, [job.id for job in each.jobs]) for each in found.workers]
    outages = [(each.upstream, each.reason) for each in found.outages]
    pauses = [each.pause.id for each in found.pauses]
    closes = sorted(found.closes.items())
    shown = (found.lanes, workers, found.leader, pauses, found.restoring_since, outages, found.dead, closes)
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]
