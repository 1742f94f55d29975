"""The one clock and the one source of randomness, made at a process's edge and passed in.

This clock serves only what machines need not agree about (the start of an XPM request, a log line). Whether a job is due or
a lease has expired goes by the database's clock.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Sources:
    """Where time, randomness and ids come from; a test passes its own."""

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    random: random.Random = field(default_factory=random.SystemRandom)

    def new_id(self) -> UUID:
        """A time-ordered id (RFC 9562, version 7), so that new rows are next to each other in an index, and rows of one
        millisecond are in the order in which they were made: 12 bits are a fraction of it (section 6.2, method 3)."""
        milliseconds, microseconds = divmod((self.now() - _EPOCH) // timedelta(microseconds=1), 1000)
        fraction = microseconds * 4096 // 1000
        return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | self.random.getrandbits(62))

    def full_jitter(self, attempt: int, *, base: float, cap: float) -> float:
        """Seconds to wait before attempt number `attempt + 1`: random, from 0 to `base * 2**attempt`, at most `cap`."""
        return self.random.uniform(0, min(cap, base * 2 ** min(attempt, 30)))
