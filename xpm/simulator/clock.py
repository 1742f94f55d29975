"""The simulator's time. Quota windows run on scaled time, so that tests of minutes and days take seconds; dates do not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds that pass `scale` times as fast as those of `monotonic`: with 60, a minute of quota lasts a second."""

    scale: float = 1.0
    monotonic: Callable[[], float] = time.monotonic

    def now(self) -> float:
        """Scaled seconds since some fixed moment."""
        return self.monotonic() * self.scale

    def real(self, scaled_seconds: float) -> float:
        """How many real seconds a stretch of scaled time takes."""
        return scaled_seconds / self.scale

    def utc(self) -> datetime:
        """The moment in UTC, unscaled."""
        return datetime.now(UTC)
