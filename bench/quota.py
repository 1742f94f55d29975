"""How many calls of XPM an import costs, and what XPM's quota allows when every record needs one.

`by_clients`: a practice is connected and so many of its clients are imported as one batch; all calls count, the sync of its
directory included. A design that asks XPM for each client makes at least one call an import.

`pacing`: worker processes fetch records one by one from a simulator that enforces the quota, with our limiter, by retrying
after each 429 as it says, and with a token bucket on Redis before that. `over_floor` is the time over the shortest that the
quota allows. The simulator counts.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import redis

from bench.deployment import deployed
from bench.limiter import DEADLINE, SIMULATOR, Hammer, Site, more, site_in
from bench.throughput import requests_of
from handlers.imports.accept import accept_batch
from portal_db.work import progress
from tests.servers.redis import redis_server
from xpm.client import Access, XpmApi
from xpm.errors import DEFAULT_WAITS, XpmRateLimited
from xpm.limiter import UnlimitedLimiter
from xpm.quota import Limits
from xpm.simulator.tenants import BASE_PATH

PROCESSES, THREADS = 2, 8
PACERS = ("ours", "retry on 429", "token bucket")
#: The number of the next record to fetch, on Redis.
_TICKET = "bench:ticket"

#: A token bucket by Redis's clock: KEYS[1] holds tokens and time; ARGV are capacity and tokens a second. The answer is 0 for
#: a token, or the seconds until there is one.
_BUCKET = """
local now = redis.call('TIME'); now = now[1] + now[2] / 1e6
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = math.min(tonumber(ARGV[1]), (kept[1] or ARGV[1]) + (now - (kept[2] or now)) * ARGV[2])
local wait = 0
if tokens >= 1 then tokens = tokens - 1 else wait = (1 - tokens) / ARGV[2] end
redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', now)
return tostring(wait)
"""


def measure(*, clients: Sequence[int], calls: int, scale: float) -> dict[str, Any]:
    """Import practices of these numbers of clients, then fetch `calls` records by each way of pacing."""
    return {
        "by_clients": {str(number): _imported(number) for number in clients},
        "pacing": _paced(calls, scale),
        "calls": calls,
        "processes": PROCESSES,
        "threads": THREADS,
        "scale": scale,
    }


def _imported(clients: int) -> dict[str, Any]:
    """Connect a practice and import all its clients."""
    with deployed(clients=clients, enforce_quota=True) as deployment:
        site = deployment.settings.xpm_api_url.removesuffix(BASE_PATH)
        for number in range(2):
            deployment.start_worker(f"worker-{number + 1}")
        deployment.start_relay()
        deployment.sync_directory()
        rows = requests_of(deployment)
        httpx.post(f"{site}/_sim/quota/refill", trust_env=False)  # our own listing is no part of the import
        began, listed = time.monotonic(), 1
        batch = accept_batch(deployment.database, deployment.bell, "bench", rows)
        while True:
            with deployment.database.read() as tx:
                states = progress.by_state(tx, progress.of_batch(batch.batch_id))
            if not any(state.is_open for state in states):
                break
            deployment.processes.check()
            time.sleep(0.1)
        seconds = time.monotonic() - began
        counters = httpx.get(f"{site}/_sim/counters", trust_env=False).json()
    asked = sum(counters["statuses"].values()) - listed
    return {
        "xpm_calls": asked,
        "calls_per_import": round(asked / clients, 4),
        "rejected_429": counters["statuses"].get("429", 0),
        "seconds": round(seconds, 1),
        "floor_seconds_of_a_call_each": round(_floor(clients), 1),
    }


def _floor(calls: int) -> float:
    """Seconds that so many calls take at least: a minute's calls at once, the others as the minute refills."""
    return max(0.0, (calls - Limits().minute) / Limits().minute * 60)


def _paced(calls: int, scale: float) -> dict[str, dict[str, Any]]:
    """Fetch by each way of pacing in turn; each finds a full quota and an empty Redis."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portal-sync-bench-")))
        server = stack.enter_context(redis_server(folder / "redis"))
        site = stack.enter_context(site_in(folder, server.url, scale))
        found = {}
        for pacer in PACERS:
            httpx.post(f"{site.url}/_sim/quota/refill", trust_env=False).raise_for_status()
            with redis.Redis.from_url(server.url) as client:
                client.flushall()
            found[pacer] = _paced_by(pacer, site, calls)
        return found


def _paced_by(pacer: str, site: Site, calls: int) -> dict[str, Any]:
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Hammer(site, "fetch", pacer, calls, module="bench.quota")) for _ in range(PROCESSES)
        ]
        for worker in workers:
            worker.wait_until("ready")
        before, began = site.counters(), time.monotonic()
        for worker in workers:
            worker.send("go")
        for worker in workers:
            worker.wait_until("done")
        seconds = time.monotonic() - began
        after = site.counters()
    answered, refused = more(before, after, "200"), more(before, after, "429")
    floor = _floor(calls) / site.scale
    return {
        "calls_sent": answered + refused,
        "rejected_429": refused,
        "seconds": round(seconds, 1),
        "floor_seconds": round(floor, 1),
        "over_floor": round(seconds / floor, 3) if floor else None,
    }


def fetch(site: Site, pacer: str, calls: int) -> None:
    """A worker process: threads that fetch records until `calls` have been fetched by all."""
    with ExitStack() as stack:
        tickets = redis.Redis.from_url(site.redis_url)
        fetch_one = _ours(site, stack) if pacer == "ours" else _retrying(site, with_bucket=pacer == "token bucket")
        print("ready", flush=True)
        input()

        def work() -> None:
            while int(tickets.incr(_TICKET)) <= calls:
                fetch_one()

        with ThreadPoolExecutor(THREADS) as pool:
            running = [pool.submit(work) for _ in range(THREADS)]
        for each in running:
            each.result()
        print("done", flush=True)


def _ours(site: Site, stack: ExitStack) -> Callable[[], None]:
    api = stack.enter_context(site.api())

    def fetch_one() -> None:
        assert site.ask(api, "import", time.monotonic() + 600)

    return fetch_one


def _retrying(site: Site, *, with_bucket: bool) -> Callable[[], None]:
    api = XpmApi(site.url + BASE_PATH, UnlimitedLimiter())
    client = redis.Redis.from_url(site.redis_url)
    bucket = client.register_script(_BUCKET)
    access, limit = Access(SIMULATOR.tenant_id, SIMULATOR.access_token), Limits().minute

    def fetch_one() -> None:
        while True:
            while with_bucket and (wait := float(bucket(["bench:bucket"], [limit, limit / 60 * site.scale]))) > 0:
                time.sleep(wait)
            try:
                api.get(access, UUID(site.client), lane="import", deadline_seconds=DEADLINE)
                return
            except XpmRateLimited as refused:
                # The header has whole real seconds, which are long in scaled time.
                time.sleep(min(refused.wait_seconds, DEFAULT_WAITS[refused.problem] / site.scale))

    return fetch_one
