"""What a process holds of its machine, where /proc tells."""

from __future__ import annotations

import os
from pathlib import Path

TOLD = Path("/proc/self/status").exists()


def held(pid: int) -> tuple[float, int]:
    """A process's resident memory in MB, and its open descriptors."""
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return round(kilobytes / 1024, 1), len(os.listdir(f"/proc/{pid}/fd"))
