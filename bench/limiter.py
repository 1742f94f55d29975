"""Whether many workers on one tenant stay within XPM's quota, use all of it, and leave room for interactive calls.

Worker processes hammer a simulator that enforces the quota, while interactive calls arrive at random. A second run loses
all of Redis half way. Last, a process that holds every permit is killed. The simulator, in its own process, counts.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import httpx
import redis

from bench.figures import start_simulator
from tests.servers.redis import redis_server
from worker.local.processes import Supervised
from xpm.client import Access, XpmApi
from xpm.errors import QuotaDeferred, XpmRateLimited
from xpm.quota import Limits, RedisLimiter, Timing
from xpm.simulator.serve import SimulatorConfig
from xpm.simulator.tenants import BASE_PATH

PROCESSES, THREADS = 4, 8
MINUTES = 5
#: The average number of interactive calls in a minute; they arrive at random.
ARRIVALS = 2.0
#: How long an answer takes, in scaled seconds; XPM is about this slow.
LATENCY = 0.4
DEADLINE = 30.0
SIMULATOR = SimulatorConfig()


@dataclass(frozen=True)
class Site:
    """The addresses that a run's processes use. `scale` is how much faster than real time the quota refills."""

    redis_url: str
    url: str
    client: str
    scale: float

    def timing(self) -> Timing:
        """The product's timing, all of it scaled."""
        real = Timing()
        return Timing(
            self.scale,
            real.lease_seconds / self.scale,
            real.renew_seconds / self.scale,
            real.patience_seconds / self.scale,
        )

    @contextmanager
    def api(self) -> Iterator[XpmApi]:
        """A client with its own limiter on this Redis, as each process has."""
        limiter = RedisLimiter(redis.Redis.from_url(self.redis_url, socket_timeout=5), "bench", timing=self.timing())
        api = XpmApi(self.url + BASE_PATH, limiter)
        try:
            yield api
        finally:
            limiter.close()
            api.close()

    def ask(self, api: XpmApi, lane: str, until: float) -> bool:
        """One call, deferred as a job is for as long as the limiter says. False if `until` (monotonic) passed first.

        A 429 is counted by the simulator; here it is just another reason to wait.
        """
        access = Access(SIMULATOR.tenant_id, SIMULATOR.access_token)
        while time.monotonic() < until:
            try:
                api.get(access, UUID(self.client), lane=lane, deadline_seconds=DEADLINE)
                return True
            except (QuotaDeferred, XpmRateLimited) as refused:
                time.sleep(max(0.0, min(refused.wait_seconds, until - time.monotonic())))
        return False

    def counters(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.url}/_sim/counters", trust_env=False).raise_for_status().json()
        return found


def measure(*, scale: float, seed: int) -> dict[str, Any]:
    """Both runs and the kill. With `scale` 10, five minutes take half a minute. `seed` is for the interactive arrivals."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portal-sync-bench-")))
        server = stack.enter_context(redis_server(folder / "redis"))
        site = stack.enter_context(site_in(folder, server.url, scale))
        calm = _run(site, chance, lambda: None)
        with redis.Redis.from_url(server.url) as client:
            flushed = _run(site, chance, client.flushall)
        back = _capacity_back(server.url)
    return {
        "limit": Limits().minute,
        "max_in_window": calm.max_in_window,
        "max_concurrent": calm.max_concurrent,
        "rejected_429": calm.rejected,
        "utilisation": round(calm.answered / (Limits().minute * MINUTES), 3),
        "interactive_p95_s": calm.interactive_p95,
        "capacity_back_s": round(back, 2),
        "rejected_429_after_flush": flushed.rejected,
        "max_in_window_after_flush": flushed.max_in_window,
        "max_concurrent_after_flush": flushed.max_concurrent,
        "interactive_calls": calm.interactive_calls,
        "processes": PROCESSES,
        "threads": THREADS,
        "scale": scale,
        "seed": seed,
    }


@dataclass(frozen=True)
class Run:
    """The simulator's counts of one run, and how long interactive calls took, in scaled seconds.

    The maxima are since the simulator's start: a window that began before the run counts too.
    """

    answered: int
    rejected: int
    max_in_window: int
    max_concurrent: int
    interactive_calls: int
    interactive_p95: float


def _run(site: Site, chance: random.Random, half_way: Callable[[], object]) -> Run:
    with site.api() as api, ExitStack() as stack:
        assert site.ask(api, "interactive", time.monotonic() + 60), "the first call, which is a probe, got no answer"
        hammers = [stack.enter_context(Hammer(site)) for _ in range(PROCESSES)]
        for hammer in hammers:
            hammer.wait_until("ready")
        before = site.counters()
        for hammer in hammers:
            hammer.send("go")
        end = time.monotonic() + MINUTES * 60 / site.scale
        timer = threading.Timer(MINUTES * 30 / site.scale, half_way)
        timer.start()
        took = _interactive(site, api, chance, end)
        time.sleep(max(0.0, end - time.monotonic()))
        counters = site.counters()
        timer.join()
    return Run(
        answered=more(before, counters, "200"),
        rejected=more(before, counters, "429"),
        max_in_window=counters["greatest_per_minute"],
        max_concurrent=counters["greatest_concurrency"],
        interactive_calls=len(took),
        interactive_p95=round(statistics.quantiles(took, n=20, method="inclusive")[-1], 2),
    )


def more(before: dict[str, Any], after: dict[str, Any], status: str) -> int:
    return int(after["statuses"].get(status, 0) - before["statuses"].get(status, 0))


def _interactive(site: Site, api: XpmApi, chance: random.Random, end: float) -> list[float]:
    """Calls that arrive at random until the end. Returns how long each took, waits included, in scaled seconds."""

    def call() -> float:
        began = time.monotonic()
        assert site.ask(api, "interactive", began + 60), "an interactive call got no answer within a real minute"
        return (time.monotonic() - began) * site.scale

    calls: list[Future[float]] = []
    with ThreadPoolExecutor(16) as pool:
        while True:
            arrives = time.monotonic() + chance.expovariate(ARRIVALS) * 60 / site.scale
            if arrives >= end and len(calls) >= 2:
                return [call.result() for call in calls]
            time.sleep(max(0.0, arrives - time.monotonic()))
            calls.append(pool.submit(call))


class Hammer:
    """A worker process, controlled by lines on its standard input and output. It calls `function`, of `module`, with the
    site and `arguments`."""

    def __init__(self, site: Site, function: str = "hammer", *arguments: object, module: str = "bench.limiter") -> None:
        given = "".join(f", {argument!r}" for argument in arguments)
        code = f"from {module} import {function}; from bench.limiter import Site; "
        code += f"{function}(Site(**{asdict(site)!r}){given})"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def send(self, line: str) -> None:
        assert self.process.stdin is not None
        print(line, file=self.process.stdin, flush=True)

    def wait_until(self, line: str) -> None:
        assert self.process.stdout is not None
        found = self.process.stdout.readline().strip()
        assert found == line, f"a process printed {found!r} and not {line!r}"


def hammer(site: Site) -> None:
    """A worker process: threads that import as fast as the limiter allows, until the time is up."""
    with site.api() as api, ThreadPoolExecutor(THREADS) as pool:
        print("ready", flush=True)
        sys.stdin.readline()
        end = time.monotonic() + MINUTES * 60 / site.scale

        def work() -> None:
            while site.ask(api, "import", end):
                pass

        for _ in range(THREADS):
            pool.submit(work)


def _capacity_back(redis_url: str) -> float:
    """Real seconds from the kill of a process that holds every permit until another can hold as many."""
    with Hammer(Site(redis_url, "", "", 1.0), "hold_all") as holder, ExitStack() as stack:
        holder.wait_until("holding")
        limiter = _real_limiter(redis_url)
        stack.callback(limiter.close)
        assert limiter.free(SIMULATOR.tenant_id, "interactive") == 0
        holder.process.kill()
        killed = time.monotonic()
        for number in range(Limits().concurrent):
            _take(limiter, stack, f"next-{number}")
        return time.monotonic() - killed


def hold_all(site: Site) -> None:
    """Take every permit, and hold them until killed."""
    limiter = _real_limiter(site.redis_url)
    with ExitStack() as stack:
        for number in range(Limits().concurrent):
            _take(limiter, stack, f"holder-{number}")
        print("holding", flush=True)
        sys.stdin.readline()


def _real_limiter(redis_url: str) -> RedisLimiter:
    """A limiter with the product's unscaled timing."""
    return RedisLimiter(redis.Redis.from_url(redis_url, socket_timeout=5), "bench-kill")


def _take(limiter: RedisLimiter, stack: ExitStack, holder: str) -> None:
    """Hold one permit until the stack is left. The first call is a probe, and gets the answer of an idle tenant."""
    while True:
        try:
            permit = stack.enter_context(
                limiter.acquire(SIMULATOR.tenant_id, lane="interactive", holder=holder, deadline=300)
            )
            return permit.calibrate({"x-minlimit-remaining": "59"})
        except QuotaDeferred as deferred:
            time.sleep(min(deferred.wait_seconds, 0.1))


@contextmanager
def site_in(folder: Path, redis_url: str, scale: float) -> Iterator[Site]:
    """A simulator with quota, slow answers and a client to read."""
    with Supervised(folder / "logs") as processes:
        url = f"http://127.0.0.1:{start_simulator(processes, f'clients=3, time_scale={scale}')}"
        slow = {"kind": "latency", "count": 10**9, "seconds": LATENCY / scale}
        httpx.post(f"{url}/_sim/faults", json=slow, trust_env=False).raise_for_status()
        truth = httpx.get(f"{url}/_sim/truth", trust_env=False).raise_for_status().text
        yield Site(redis_url, url, json.loads(truth.splitlines()[0])["uuid"], scale)
