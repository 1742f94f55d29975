"""The CPU seconds that processes, PostgreSQL and Redis have used so far. Linux only: they are read from `/proc`."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psycopg
import redis

from tests.repeating import repeated

_TICKS = os.sysconf("SC_CLK_TCK")
#: Connections of a process are looked for this often: one that ends meanwhile is counted up to the last time.
SAMPLE_SECONDS = 0.2


def of_process(pid: int) -> float:
    """Of a process, and of its children that have ended; 0 if it has ended."""
    try:
        fields = _stat(pid)
    except FileNotFoundError:
        return 0.0
    return sum(int(ticks) for ticks in fields[11:15]) / _TICKS


def of_postgresql(watcher: psycopg.Connection[Any]) -> float:
    """Of the whole server that this connection leads to."""
    postmaster = int(_stat(watcher.info.backend_pid)[1])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return of_process(postmaster) + sum(of_process(int(child)) for child in children)


def of_redis(client: redis.Redis) -> float:
    """Of the server."""
    info: Any = client.info("cpu")
    return float(info["used_cpu_sys"] + info["used_cpu_user"])


def _stat(pid: int) -> list[str]:
    """The fields that follow the program's name, which may have spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


class Connections:
    """What PostgreSQL uses for the connections of one application: a process that has `PGAPPNAME` in its environment."""

    def __init__(self, watcher: psycopg.Connection[Any], application: str) -> None:
        self._watcher = watcher
        self._application = application
        self._used: dict[int, float] = {}

    def used(self) -> float:
        """Of all that were there when this was called, or followed."""
        pids = "SELECT pid FROM pg_stat_activity WHERE application_name = %s"
        for (pid,) in self._watcher.execute(pids, [self._application]).fetchall():
            self._used[pid] = max(of_process(pid), self._used.get(pid, 0.0))
        return sum(self._used.values())

    def followed(self) -> AbstractContextManager[None]:
        """Look at them again and again, because they come and go."""
        return repeated(self.used, SAMPLE_SECONDS)
