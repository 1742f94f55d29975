"""The time and memory to read a practice's detailed list, in both formats.

The simulator serves it from its own process. Each format is read in a new process, so that the memory peak is its own:
`peak_rss_mb_above_idle` is that process's peak memory minus its memory after the imports and one small call.
`python -m bench.parse URL FORMAT` is the reading process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import httpx

from bench.figures import start_simulator
from worker.local.processes import Supervised
from xpm.client import Access, XpmApi
from xpm.limiter import UnlimitedLimiter
from xpm.simulator.serve import SimulatorConfig
from xpm.simulator.tenants import BASE_PATH

MEGABYTE = 1024 * 1024
FORMATS: tuple[Literal["xml", "json"], ...] = ("xml", "json")


def measure(*, clients: int) -> dict[str, Any]:
    """Read the list of a practice of `clients` clients in each format."""
    with tempfile.TemporaryDirectory(prefix="portal-sync-bench-") as folder, Supervised(Path(folder)) as processes:
        port = start_simulator(processes, f"clients={clients}, seed=7, enforce_quota=False")
        url = f"http://127.0.0.1:{port}{BASE_PATH}"
        return {"clients": clients, **{wire: _in_a_process(url, wire) for wire in FORMATS}}


def _in_a_process(url: str, wire: str) -> dict[str, Any]:
    body_mb = _size(url, wire) / MEGABYTE  # also warms the simulator up: its first answer is the slowest
    run = subprocess.run([sys.executable, "-m", "bench.parse", url, wire], capture_output=True, text=True, check=True)
    return {"body_mb": round(body_mb, 1), **json.loads(run.stdout)}


def _size(url: str, wire: str) -> int:
    config = SimulatorConfig()
    headers = {"Authorization": f"Bearer {config.access_token}", "xero-tenant-id": config.tenant_id}
    if wire == "json":
        headers |= {"Accept": "application/json", "Xero-Features": "practice-strict-content-type"}
    with httpx.stream("GET", f"{url}/client.api/list?detailed=true", headers=headers, timeout=120) as answer:
        answer.raise_for_status()
        return sum(len(chunk) for chunk in answer.iter_bytes())


def read(url: str, wire: Literal["xml", "json"]) -> dict[str, Any]:
    """Read the list in this process."""
    xpm = XpmApi(url, UnlimitedLimiter(), prefer=wire)
    access = Access(SimulatorConfig().tenant_id, SimulatorConfig().access_token)
    xpm.search(access, "no such client anywhere", lane="resync", deadline_seconds=30)
    idle = resident()
    began = time.monotonic()
    with closing(xpm), xpm.list(access, lane="resync", deadline_seconds=600) as listing:
        count = sum(1 for _ in listing)
    seconds = time.monotonic() - began
    return {
        "read": count,
        "seconds": round(seconds, 1),
        "peak_rss_mb_above_idle": round(max(0, peak() - idle) / MEGABYTE, 1),
    }


def peak() -> int:
    """This process's peak memory in bytes; where the system tells, without that of the process that it was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def resident(process: int | str = "self") -> int:
    """A process's memory in bytes now; this one's peak so far if the system does not report it."""
    status = Path(f"/proc/{process}/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize()
    return peak()


if __name__ == "__main__":
    print(json.dumps(read(sys.argv[1], "xml" if sys.argv[2] == "xml" else "json")))
