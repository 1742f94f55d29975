"""The record is an SQLite file, and its disk is full: whatever needs a page more fails. Requests come to the queue door
meanwhile."""

from __future__ import annotations

import redis

from tests.faults.rows.messages import at_the_door, were_accepted
from tests.faults.trial import Fault, Trial


def full(trial: Trial) -> None:
    """The disk is full until most of what the processes write has failed; then there is room again, and nobody restarts
    anything."""
    stage = trial.stage
    disk = stage.traps.with_name("disk")
    there = {**stage.usual, "FAULT_DISK": str(disk)}
    stage.run(worker_1=there, worker_2=there, relay=there)
    refused = disk.with_suffix(".refused")
    pids = _pids(trial)
    with redis.Redis.from_url(stage.redis.url) as client:
        trial.ask()
        trial.under_way()
        disk.touch()
        requests = [trial.request() for _ in range(trial.much(4, 40))]
        for request in requests:
            at_the_door(client, request)
        trial.wait(lambda: refused.exists() and refused.stat().st_size >= trial.much(4, 40), "writes are refused")
        trial.count_in_flight()
        disk.unlink()
        trial.injected = refused.stat().st_size
        trial.over()
        were_accepted(trial, client, requests)
        trial.all_closed()
    if _pids(trial) != pids:
        trial.problems.append("a process ended")


def _pids(trial: Trial) -> list[int]:
    return [trial.stage.processes[name].pid for name in trial.stage.wanted]


FAULTS: dict[str, Fault] = {"SQLite's disk full": full}
