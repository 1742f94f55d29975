"""Turns samples into the figures that are printed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def quantiles(samples: Sequence[float]) -> dict[str, float]:
    """Median and 99th percentile, rounded to a hundredth of the samples' unit."""
    cuts = statistics.quantiles(samples, n=100, method="inclusive")
    return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2)}
