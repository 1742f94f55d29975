"""What operators wait for at the console, and what console and metrics cost the imports, with a year's work in the record.

`p95_ms`: of each page, read over HTTP while imports run; `scrape_p95_ms`: of the leading relay's metrics, meanwhile.
`read_beside_imports`: the share of the pages that were read before the imports had all closed. `imports_per_s`: medians of
batches of the same size, without console and metrics, and with both: somebody watches the first page, which renews itself,
and opens another page every five seconds, and every process is scraped every fifteen. `ratios`: of a batch with both, over
the one without that ran just before or after it: the lowest, the median and the highest. Both are warmed up, and the two
take turns in being first, since a batch later in a day's work is never quite the same. How far the ratios are apart says how
little they tell: the host moves each by more than console and metrics do. It hardly moves `cpu_share_percent` and
`throughput_kept_percent`, which `bench.bill` explains.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

import httpx

from bench.bill import OPS, Bill, billed, costs_of, shares
from bench.console_rows import fill
from bench.deployment import Deployment, deployed
from bench.figures import p95
from bench.importing import import_all
from bench.throughput import requests_of
from handlers.access import operators, passwords
from handlers.access.origin import Origin
from handlers.access.practices import add_operator
from handlers.imports.request import ImportRequest
from portal_db.states import OperatorRole
from tests.web.console.desk import set_up
from tests.web.desk import PASSWORD
from tests.web.pages.reading import Reader
from worker.local.processes import LOOPBACK, free_port, port_open

EMAIL = "olu@platform.example"
PAGES: Mapping[str, Mapping[str, str]] = {
    "now": {"path": "/"},
    "inbox": {"path": "/inbox"},
    "dead_groups": {"path": "/dead"},
    "dead_list": {"path": "/dead", "q": "kind:create_client code:bug"},
    "dead_search": {"path": "/dead", "q": 'text:"disk was full" age:<7d'},
    "jobs": {"path": "/jobs"},
    "imports": {"path": "/imports", "state": "rejected"},
    "audit": {"path": "/audit"},
    "schedules": {"path": "/schedules"},
}
WORKERS = ("worker-1", "worker-2")
#: An operator opens a page this often, which few do for long; Prometheus scrapes as config/deploy/prometheus has it.
OPENS_SECONDS, SCRAPES_SECONDS = 5.0, 15.0
#: Batches of imports that run while pages are timed.
BESIDE = 3
#: Before each batch a part of as many imports: a process that has just started, or has had nothing to do, runs otherwise.
WARM_UP = 0.1


def measure(
    *, finished: int, dead: int, open: int, imports: int = 2_000, samples: int = 40, rounds: int = 6
) -> dict[str, Any]:
    """Fill a database and measure.

    Args:
        finished: finished jobs, five of each import.
        dead: dead letters.
        open: jobs that wait or are due, and stay so.
        imports: records of each batch.
        samples: requests of each page.
        rounds: batches without, and with, console and metrics; 0 leaves them out.
    """
    with deployed(clients=round(imports * (2 * rounds * (1 + WARM_UP) + BESIDE))) as deployment:
        operator_id = add_operator(deployment.database, "Olu Ops", EMAIL, OperatorRole.ADMIN)
        fill(deployment, operator_id=operator_id, finished=finished, dead=dead, open_jobs=open)
        requests = iter(requests_of(deployment))
        with _running(deployment) as ports, _console(deployment, operator_id) as browser:
            deployment.sync_directory()
            beside = list(itertools.islice(requests, BESIDE * imports))
            latency = _latency(deployment, browser, ports["relay"], beside, samples)
            costs = costs_of(deployment, ports)
        rates: dict[str, list[float]] = {"without": [], "with": []}
        bills: list[Bill] = []
        for number in range(rounds):
            for side in ("without", "with") if number % 2 else ("with", "without"):
                batch = partial(_rate, deployment, f"{side} {number}", requests, imports)
                if side == "without":
                    with _running(deployment, watched=False):
                        rates[side].append(batch())
                    continue
                with (  # workers and relay start last, as without
                    _console(deployment, operator_id) as browser,
                    _running(deployment) as ports,
                    _watching(browser, ports) as scrapes,
                    billed(deployment, tuple(ports), scrapes, costs) as bill,
                ):
                    rates[side].append(batch())
                bills.append(bill)
    medians = {name: round(statistics.median(each), 1) for name, each in rates.items() if each}
    ratios = [watched / alone for alone, watched in zip(rates["without"], rates["with"], strict=True)]
    return {
        "finished": finished,
        "dead": dead,
        "open": open,
        "samples": samples,
        **latency,
        "imports_per_s": medians,
        "ratios": _spread(ratios),
        **shares(bills),
    }


def _spread(ratios: Sequence[float]) -> dict[str, float]:
    if not ratios:
        return {}
    found = {"lowest": min(ratios), "median": statistics.median(ratios), "highest": max(ratios)}
    return {name: round(ratio, 3) for name, ratio in found.items()}


def _rate(deployment: Deployment, key: str, requests: Iterator[ImportRequest], imports: int) -> float:
    import_all(deployment, f"{key}, warm up", list(itertools.islice(requests, int(imports * WARM_UP))))
    return imports / import_all(deployment, key, list(itertools.islice(requests, imports)))


@contextmanager
def _running(deployment: Deployment, *, watched: bool = True) -> Iterator[dict[str, int]]:
    """Workers and a relay, each with its own port for metrics unless nobody watches."""
    ports = {name: free_port() if watched else 0 for name in (*WORKERS, "relay")}
    for worker in WORKERS:
        deployment.start_worker(worker, {"METRICS_PORT": str(ports[worker])})
    deployment.start_relay({"METRICS_PORT": str(ports["relay"])})
    try:
        yield ports
    finally:
        for name in ports:
            deployment.processes.stop(name)


@contextmanager
def _console(deployment: Deployment, operator_id: UUID) -> Iterator[httpx.Client]:
    """The console as a process, and the browser of an operator who has signed in for the first time."""
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    environment = {**deployment.environment(), "OPS_PORT": str(port), "OPS_URL": url, "PGAPPNAME": OPS}
    command = [sys.executable, "-m", "worker.cli", "ops"]
    deployment.processes.start(OPS, command, ready=port_open(port), env=environment)
    settings = deployment.settings
    operators.reset_second_factor(deployment.database, operator_id)
    link = operators.issue_link(deployment.database, settings, operator_id)
    passwords.set_by_link(deployment.database, link.partition("#")[2], PASSWORD, Origin(LOOPBACK))
    options: dict[str, Any] = {"base_url": url, "trust_env": False, "timeout": 60, "follow_redirects": True}
    try:
        with httpx.Client(headers={"Accept": "text/html"}, **options) as browser:
            set_up(Reader(browser), EMAIL)
            yield browser
    finally:
        deployment.processes.stop(OPS)


def _latency(
    deployment: Deployment, browser: httpx.Client, relay: int, rows: Sequence[ImportRequest], samples: int
) -> dict[str, Any]:
    """Read every page in turn while imports run."""
    times: dict[str, list[float]] = {name: [] for name in (*PAGES, "scrape")}
    beside = 0
    with ThreadPoolExecutor(1) as pool:
        importing = pool.submit(import_all, deployment, "beside", rows)
        for number in range(samples + 1):
            for name, query in PAGES.items():
                times[name].append(_timed(browser, query))
            times["scrape"].append(_timed(browser, {"path": f"http://{LOOPBACK}:{relay}/metrics"}))
            beside += not importing.done() and number > 0
        importing.result()
    found = {name: p95(each[1:]) for name, each in times.items()}  # without the first, which warms caches
    return {
        "scrape_p95_ms": found.pop("scrape"),
        "p95_ms": found,
        "read_beside_imports": round(beside / samples, 2),
    }


def _open(browser: httpx.Client, page: Mapping[str, str]) -> httpx.Response:
    """Read a page, whose query is everything but its `path`."""
    query = dict(page)
    return browser.get(query.pop("path"), params=query or None)


def _timed(browser: httpx.Client, page: Mapping[str, str]) -> float:
    began = time.perf_counter()
    answer = _open(browser, page)
    seconds = time.perf_counter() - began
    assert answer.status_code == 200, (page["path"], answer.status_code)
    assert not answer.url.path.startswith("/sign-in"), page["path"]
    return seconds * 1000


@contextmanager
def _watching(browser: httpx.Client, ports: Mapping[str, int]) -> Iterator[list[int]]:
    """An operator who keeps the first page open and opens others, and Prometheus. Lists the ports that were scraped."""
    ended = threading.Event()
    scrapes: list[int] = []

    def open_pages() -> None:
        for query in itertools.cycle(PAGES.values()):
            _open(browser, query)
            if ended.wait(OPENS_SECONDS):
                return

    def scrape() -> None:
        with httpx.Client(trust_env=False) as prometheus:
            while not ended.is_set():
                for port in ports.values():
                    prometheus.get(f"http://{LOOPBACK}:{port}/metrics")
                    scrapes.append(port)
                ended.wait(SCRAPES_SECONDS)

    def keep_open() -> None:
        with browser.stream("GET", "/now/events", headers={"Accept": "text/event-stream"}) as events:
            for line in events.iter_lines():
                if ended.is_set():
                    return
                if line.startswith("data:"):
                    browser.get("/now/part")

    for query in PAGES.values():  # somebody has used them before
        _open(browser, query)
    with ThreadPoolExecutor(3) as pool:
        watching = [pool.submit(each) for each in (open_pages, scrape, keep_open)]
        try:
            yield scrapes
        finally:
            ended.set()
    for each in watching:
        each.result()
