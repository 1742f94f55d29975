"""What one import and one sync of a directory cost each part: CPU, write-ahead log, disk, and commands of Redis.

The basis of docs/scaling.md. CPU seconds hardly depend on how busy the machine is, so it may be measured beside other
work. First two workers and a relay with nothing to do; then, over that, a batch of whole imports, and incremental syncs
of a directory in which nothing has changed, one after the other. Linux only: CPU is read from `/proc`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import psycopg
import redis
from sqlalchemy import make_url

from bench import cpu
from bench.deployment import Deployment, deployed
from bench.throughput import requests_of
from handlers.directory.sync import begin_sync
from handlers.imports.accept import accept_batch
from handlers.imports.request import ImportRequest
from portal_db.directory import directories
from portal_db.states import SyncMode
from portal_db.work import progress
from portal_db.xero import connections
from tests.servers.postgres import connection_to

WORKERS = ("worker-1", "worker-2")
NOTHING: Mapping[str, float] = MappingProxyType({})
#: What is written to disk: it is not due to time.
_WRITTEN = ("wal_kb", "disk_kb")


def measure(*, imports: int, syncs: int, idle_seconds: float) -> dict[str, Any]:
    """Measure the cost of one import out of `imports`, of one sync out of `syncs`, and of a second without work."""
    with deployed(clients=imports) as deployment:
        for worker in WORKERS:
            deployment.start_worker(worker)
        deployment.start_relay()
        deployment.sync_directory()
        requests = requests_of(deployment)
        name = make_url(deployment.settings.database_url).database
        with (
            connection_to(deployment.server, name) as watcher,
            redis.Redis.from_url(deployment.settings.redis_url) as client,
        ):
            meter = _Meter(deployment, watcher, client)
            idle = meter.cost(lambda: time.sleep(idle_seconds), idle_seconds)
            for name in _WRITTEN:
                del idle[name]  # autovacuum and checkpoints come and go
            return {
                "an_idle_second": idle,
                "imports": len(requests),
                "an_import": meter.cost(lambda: _import(deployment, requests), len(requests), idle),
                "syncs": syncs,
                "a_sync": meter.cost(lambda: _sync(deployment, syncs), syncs, idle),
                "connections": meter.connections(),
            }


@dataclass(frozen=True)
class _Meter:
    """Reads what the parts of a deployment have used so far."""

    deployment: Deployment
    watcher: psycopg.Connection[Any]
    client: redis.Redis

    def cost(self, work: Callable[[], None], times: float, idle: Mapping[str, float] = NOTHING) -> dict[str, float]:
        """What one of `times` pieces of work costs each part, without what the parts cost in so much time when idle."""
        before, began = self._used(), time.monotonic()
        work()
        seconds = time.monotonic() - began
        return {
            **{
                name: round((used - before[name] - seconds * idle.get(name, 0)) / times, 2)
                for name, used in self._used().items()
            },
            "seconds_in_all": round(seconds, 1),
        }

    def connections(self) -> int:
        found = self._one("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        return int(found) - 1

    def _used(self) -> dict[str, float]:
        info: Any = self.client.info("stats")
        processes = self.deployment.processes
        workers = sum(cpu.of_process(processes[name].pid) for name in WORKERS)
        return {
            "workers_cpu_ms": workers * 1000,
            "relay_cpu_ms": cpu.of_process(processes["relay"].pid) * 1000,
            "postgresql_cpu_ms": cpu.of_postgresql(self.watcher) * 1000,
            "redis_cpu_ms": cpu.of_redis(self.client) * 1000,
            "redis_commands": float(info["total_commands_processed"]),
            "wal_kb": float(self._one("SELECT pg_current_wal_lsn() - '0/0'")) / 1024,
            "disk_kb": float(self._one("SELECT pg_database_size(current_database())")) / 1024,
        }

    def _one(self, statement: str) -> Any:
        found = self.watcher.execute(statement).fetchone()
        assert found is not None
        return found[0]


def _import(deployment: Deployment, requests: list[ImportRequest]) -> None:
    batch = accept_batch(deployment.database, deployment.bell, "bench", requests)
    is_open = True
    while is_open:
        deployment.processes.check()
        time.sleep(0.5)
        with deployment.database.read() as tx:
            is_open = any(state.is_open for state in progress.by_state(tx, progress.of_batch(batch.batch_id)))


def _sync(deployment: Deployment, syncs: int) -> None:
    for _ in range(syncs):
        with deployment.database.write() as tx:
            connection = connections.get_one(tx, deployment.connection_id)
            directory = directories.ensure(tx, connection.xero_login_id, connection.tenant_id)
            assert begin_sync(tx, directory.id, SyncMode.INCREMENTAL, asked_by="bench") is not None
        cursor = directory.cursor
        while directory is not None and directory.cursor == cursor:
            deployment.processes.check()
            time.sleep(0.2)
            with deployment.database.read() as tx:
                directory = directories.of(tx, connection.xero_login_id, connection.tenant_id) or directory
