"""SIGTERM under load. There is no master process (`docs/architecture.md`): one `portal-sync worker` is one process, and a
service manager may signal its process group instead.

A stop is not a failure of a job: no lease may be lost, and the process must end with exit code 0.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from handlers.imports.accept import accept_batch
from tests.faults.stage import WORKERS, Stage
from tests.faults.traps import fired
from tests.faults.trial import Fault, Trial

Stop = Callable[[Stage, str], object]


def terminate(stage: Stage, name: str) -> None:
    stage.kill(name, signal.SIGTERM)


def terminate_group(stage: Stage, name: str) -> None:
    """Send it twice, because a service manager and a terminal may both do so."""
    for _ in range(2):
        os.killpg(stage.processes[name].pid, signal.SIGTERM)
        time.sleep(0.05)


def stopped(trial: Trial, name: str, stop: Stop, within: float = 30.0) -> None:
    """Stop a worker under load; it must end cleanly within its grace period."""
    trial.count_in_flight()
    process = trial.stage.processes[name]
    stop(trial.stage, name)
    trial.injected += 1
    if not process.ended_within(within) or process.exit_code != 0:
        trial.problems.append(f"{name} ended with {process.exit_code}")


def no_lease_was_lost(trial: Trial) -> None:
    trial.all_closed()
    if trial.lost_leases():
        trial.problems.append(f"{trial.lost_leases()} jobs lost their lease to an orderly stop")


def by_process(trial: Trial, stop: Stop = terminate) -> None:
    """Stop one worker after the other while imports are under way; each is restarted."""
    trial.ask()
    trial.under_way()
    for name in WORKERS[: trial.much(1, 2)]:
        stopped(trial, name, stop)
        trial.stage.revive()
    trial.over()
    no_lease_was_lost(trial)


def by_group(trial: Trial) -> None:
    """Send the signal to the whole process group, twice."""
    by_process(trial, terminate_group)


def overrun(trial: Trial) -> None:
    """Jobs that take longer than a short grace period return to the queue without a counted attempt."""
    short = {**trial.stage.usual, "SHUTDOWN_GRACE_SECONDS": "1"}
    trial.stage.run(worker_1=short, worker_2=short)
    trap = trial.trap("fetched", "validate_import", action="hold", times=trial.much(2, 6), seconds=7)
    trial.ask()
    first = trial.has_fired(trap)[0]
    process = trial.stage.named(first.pid)
    assert process is not None
    began = time.time()
    stopped(trial, process.name, terminate, within=6)
    given_back = [mark.job_id for mark in fired(trap) if mark.pid == first.pid]
    no_lease_was_lost(trial)
    sql = "SELECT extract(epoch FROM max(started_at)) FROM jobs WHERE id = ANY(CAST(:ids AS uuid[]))"
    trial.recover_s = float(trial.scalar(sql, ids=given_back)) - began
    used = "SELECT count(*) FROM job_attempts WHERE job_id = ANY(CAST(:ids AS uuid[]))"
    if trial.scalar(used, ids=given_back) != len(given_back):
        trial.problems.append("a job that was given back used an attempt")


def without_redis(trial: Trial) -> None:
    """Stop a worker while Redis is away, with messages in its memory that it cannot return."""
    trial.ask()
    trial.under_way()
    trial.stage.redis.stop()
    stopped(trial, "worker-1", terminate)
    trial.stage.redis.start()
    trial.stage.revive()
    trial.over()
    no_lease_was_lost(trial)


def everything(trial: Trial) -> None:
    """Stop all workers and the relay at the same moment in the middle of one batch, and start them again."""
    requests = [trial.request() for _ in range(trial.much(trial.imports, 2 * trial.imports))]
    accepted = accept_batch(trial.stage.database, trial.stage.bell, "one batch", requests).import_ids
    for import_id, request in zip(accepted, requests, strict=True):
        trial.note(import_id, request)
    trial.under_way()
    names = (*WORKERS, "relay")
    for name in names:
        trial.stage.kill(name, signal.SIGTERM)
    for name in names:
        trial.injected += 1
        process = trial.stage.processes[name]
        if not process.ended_within(30.0) or process.exit_code != 0:
            trial.problems.append(f"{name} ended with {process.exit_code}")
    trial.stage.revive()
    trial.over()
    no_lease_was_lost(trial)


FAULTS: dict[str, Fault] = {
    "SIGTERM to the process": by_process,
    "SIGTERM to everything in a batch": everything,
    "SIGTERM to the process group": by_group,
    "SIGTERM, a job overruns its grace": overrun,
    "SIGTERM while Redis is away": without_redis,
}
