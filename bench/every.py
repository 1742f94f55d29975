"""Every measurement of docs/benchmarks.md, one after the other: `python -m bench all`, or `make bench`.

Sizes are chosen so that all take less than 40 minutes on two cores. A measurement that fails leaves its earlier figures, and
the others go on.
"""

from __future__ import annotations

import subprocess
import sys
import time

MEASUREMENTS = (
    "latency",
    "throughput --imports 600",
    "throughput --imports 5000",
    "rivals --parts idle --rounds 5 --singles 6",
    "rivals --parts batch --rounds 5 --imports 120 --limit 60",
    "rivals --parts busy --rounds 1 --singles 15 --backlog 5000 --limit 60",
    "rivals --parts recovery --rounds 1 --imports 200 --limit 90",
    "quota --calls 300",
    "capacity",
    "limiter",
    "growth",
    "console --rounds 1",
    "endurance",
    "resync",
    "parse",
    "search",
)


def run() -> int:
    """Measure all, write the page, and return the exit code."""
    failed = []
    for words in MEASUREMENTS:
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "bench", *words.split(), "--save"], check=False)
        print(f"{words}: exit code {done.returncode} after {time.monotonic() - began:.0f} s", flush=True)
        if done.returncode:
            failed.append(words)
    subprocess.run([sys.executable, "-m", "bench", "page"], check=True)
    for words in failed:
        print(f"failed: {words}", file=sys.stderr)
    return 1 if failed else 0
