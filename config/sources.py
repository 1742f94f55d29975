"""The one clock and the one source of randomness, made at a process's edge and passed in.

Only what needs no agreement between machines is timed here (an XPM request's start, a log line). Whether a job is due or
a lease has run out is decided by the database's clock.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Sources:
    """Where time, chance and identifiers come from; a test passes its own."""

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    random: random.Random = field(default_factory=random.SystemRandom)

    def new_id(self) -> UUID:
        """A time-ordered identifier (RFC 9562, version 7), so that new rows land side by side in an index."""
        milliseconds = int(self.now().timestamp() * 1000)
        chance = 0x7 << 76 | self.random.getrandbits(12) << 64 | 0b10 << 62 | self.random.getrandbits(62)
        return UUID(int=milliseconds << 80 | chance)

    def full_jitter(self, attempt: int, *, base: float, cap: float) -> float:
        """Seconds to wait before try number `attempt + 1`: anything from 0 to `base * 2**attempt`, at most `cap`."""
        return self.random.uniform(0, min(cap, base * 2 ** min(attempt, 30)))
