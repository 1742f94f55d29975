"""What the measurements share: a simulator to measure against, and how samples become the printed figures."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence

from worker.local.processes import Supervised, free_port, port_open


def start_simulator(processes: Supervised, config: str) -> int:
    """Start a simulator with these arguments of `SimulatorConfig`. Returns its port."""
    port = free_port()
    code = f"from xpm.simulator.serve import SimulatorConfig, run; run(SimulatorConfig({config}, port={port}))"
    processes.start("simulator", [sys.executable, "-c", code], ready=port_open(port))
    return port


def quantiles(samples: Sequence[float]) -> dict[str, float]:
    """Median and 99th percentile, rounded to a hundredth of the samples' unit."""
    cuts = statistics.quantiles(samples, n=100, method="inclusive")
    return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2)}


def p95(samples: Sequence[float]) -> float:
    """The 95th percentile of two samples or more, rounded to a hundredth of their unit."""
    return round(statistics.quantiles(samples, n=100, method="inclusive")[94], 2)
