"""What console and metrics cost, of the CPU time of the whole system: workers, relay, console, PostgreSQL, Redis, the
simulated XPM and the mail server.

CPU time hardly depends on how busy the host is, and both sides are measured in the same seconds. The console's is that of
its process, and of PostgreSQL for its connections. That of metrics is the cost of scraping a process and of reading the
gauges, measured before by doing so many times, for as often as both happened. `cpu_share_percent`: what both are of all.
A machine whose cores are all busy has so much less for imports: `throughput_kept_percent` is how many it still does.
PostgreSQL's time includes the measurement's own statements, which accept the batches and look whether they are done.
"""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis
from sqlalchemy import make_url, text

from bench import cpu
from bench.deployment import Deployment
from tests.servers.postgres import connection_to
from worker.leader import gauges
from worker.local.processes import LOOPBACK

#: The console's process, and its `PGAPPNAME`.
OPS = "ops"
#: Processes of a deployment that bring no load: those of the measured system besides workers and relay.
OTHERS = (OPS, "simulator", "mail")
#: Scrapes of each process, and readings of the gauges, that the cost of one is measured by; and a time without either.
SCRAPES, READINGS, IDLE_SECONDS = 40, 10, 2.0


@dataclass(frozen=True)
class Costs:
    """CPU seconds of scraping a process, and of reading the gauges."""

    scrape: float
    reading: float


@dataclass
class Bill:
    """CPU seconds of the whole system, and of these of the console and of metrics."""

    system: float = 0.0
    console: float = 0.0
    metrics: float = 0.0


def costs_of(deployment: Deployment, ports: Mapping[str, int]) -> Costs:
    """What metrics cost, measured while there is nothing to do.

    Args:
        ports: of each process that is scraped.
    """
    began, at_first = time.monotonic(), _used(deployment, ports)
    time.sleep(IDLE_SECONDS)
    idle = (_used(deployment, ports) - at_first) / (time.monotonic() - began)
    began, at_first = time.monotonic(), _used(deployment, ports)
    for port in [*ports.values()] * SCRAPES:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics") as answer:
            answer.read()
    scrapes = _used(deployment, ports) - at_first - idle * (time.monotonic() - began)
    with deployment.database.read() as tx:
        backend = int(tx.session.scalar(text("SELECT pg_backend_pid()")) or 0)
        at_first = time.thread_time() + cpu.of_process(backend)
        for _ in range(READINGS):
            gauges.of_record(tx)
        readings = time.thread_time() + cpu.of_process(backend) - at_first
    return Costs(max(scrapes, 0.0) / (SCRAPES * len(ports)), readings / READINGS)


@contextmanager
def billed(deployment: Deployment, names: Sequence[str], scrapes: Sequence[object], costs: Costs) -> Iterator[Bill]:
    """The bill of what happens within, complete at the end.

    Args:
        names: the workers and the relay.
        scrapes: grows by one with each.
    """
    bill = Bill()
    database = make_url(deployment.settings.database_url).database
    with (
        connection_to(deployment.server, database) as watcher,
        redis.Redis.from_url(deployment.settings.redis_url) as client,
    ):
        connections = cpu.Connections(watcher, OPS)

        def add(sign: int) -> None:
            servers = cpu.of_postgresql(watcher) + cpu.of_redis(client)
            bill.system += sign * (_used(deployment, (*names, *OTHERS)) + servers)
            bill.console += sign * (_used(deployment, (OPS,)) + connections.used())
            often = time.monotonic() / gauges.EVERY_SECONDS
            bill.metrics += sign * (len(scrapes) * costs.scrape + often * costs.reading)

        add(-1)
        with connections.followed():
            yield bill
        add(+1)


def shares(bills: Sequence[Bill]) -> dict[str, Any]:
    """The figures of all bills together."""
    system = sum(bill.system for bill in bills)
    if not system:
        return {}
    parts = {name: 100 * sum(getattr(bill, name) for bill in bills) / system for name in ("console", "metrics")}
    both = sum(parts.values())
    cpu_share = {name: round(share, 2) for name, share in {**parts, "both": both}.items()}
    return {"cpu_share_percent": cpu_share, "throughput_kept_percent": round(100 - both, 2)}


def _used(deployment: Deployment, names: Iterable[str]) -> float:
    return sum(cpu.of_process(deployment.processes[name].pid) for name in names)
