"""What a worker holds after many jobs: resident memory and open descriptors, after each fifth of them. Linux only."""

from __future__ import annotations

import sys
import time
from typing import Any

from sqlalchemy import text

from bench.deployment import THREADS, Deployment, deployed
from bench.throughput import requests_of
from handlers.imports.accept import accept_batch
from tests.servers.held import held

PARTS = 5
#: An import and its welcome email are so many jobs, on average.
JOBS_PER_IMPORT = 4


def measure(*, jobs: int) -> dict[str, Any]:
    """Let one worker process run `jobs` jobs."""
    with deployed(clients=max(PARTS, jobs // JOBS_PER_IMPORT)) as deployment:
        deployment.start_worker("worker-1")
        deployment.start_relay()
        deployment.sync_directory()
        requests = requests_of(deployment)
        size = -(-len(requests) // PARTS)
        after: list[tuple[int, float, int]] = []
        for part in range(PARTS):
            accept_batch(
                deployment.database, deployment.bell, f"part {part}", requests[part * size : (part + 1) * size]
            )
            _until_closed(deployment)
            after.append((_ended_jobs(deployment), *held(deployment.processes["worker-1"].pid)))
            print(f"\r{after[-1][0]} jobs", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    done, memory, descriptors = zip(*after, strict=True)
    return {"threads": THREADS, "jobs": done, "resident_mb": memory, "descriptors": descriptors}


def _until_closed(deployment: Deployment) -> None:
    while _number(deployment, "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running', 'waiting')"):
        deployment.processes.check()
        time.sleep(0.5)


def _ended_jobs(deployment: Deployment) -> int:
    return _number(deployment, "SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL")


def _number(deployment: Deployment, sql: str) -> int:
    with deployment.database.read() as tx:
        return int(tx.session.scalar(text(sql)))
