"""Search over HTTP against a running web process with a full directory: as a person types, and advanced.

Each sample is a whole request on a kept-alive connection with an API key. The texts are beginnings and parts of names
that exist, and some that do not.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from typing import Any

import httpx

from bench.deployment import Deployment, deployed
from bench.figures import p95
from handlers.access import api_keys
from handlers.access.caller import Scope
from handlers.directory.sync import begin_sync
from portal_db.directory import directories, search
from portal_db.states import SyncMode
from portal_db.xero import connections
from worker.local.processes import LOOPBACK, free_port, port_open

FILL_SECONDS = 600.0
WARMING = 20
API = "/api/v1"
#: The web process, for a person who searches more often than any does.
WEB = """
from runpy import run_module
from limits import RateLimitItemPerMinute
from web.usage import LIMITS, Use
LIMITS[Use.SEARCH] = (RateLimitItemPerMinute(10**6), RateLimitItemPerMinute(10**6))
run_module("web", run_name="__main__", alter_sys=True)
"""


def measure(*, clients: int = 15_000, samples: int = 300, seed: int = 1) -> dict[str, Any]:
    """Fill a directory with `clients` records and search it.

    Args:
        samples: requests of each kind.
        seed: for the texts.
    """
    with deployed(clients=clients) as deployment:
        names, seconds = fill(deployment)
        port = start_web(deployment)
        texts = _typed(names, random.Random(seed), samples + WARMING)
        secret = api_keys.add(deployment.database, deployment.practice_id, "bench", {Scope.READ, Scope.IMPORT}).secret
        headers = {"Authorization": f"Bearer {secret}", "X-Staff-Id": str(deployment.staff_id)}
        with httpx.Client(base_url=f"http://{LOOPBACK}:{port}", headers=headers, timeout=30, trust_env=False) as http:
            typed = _ask(http, f"{API}/xpm/clients", texts, {})
            advanced = _ask(http, f"{API}/search", texts, {"integration": "xpm"})
    both = [*typed, *advanced]
    return {
        "records": len(names),
        "fill_seconds": round(seconds, 1),
        "samples": len(both),
        "p95_ms": p95(both),
        "as_you_type": {"p50_ms": round(statistics.median(typed), 2), "p95_ms": p95(typed)},
        "advanced": {"p50_ms": round(statistics.median(advanced), 2), "p95_ms": p95(advanced)},
        "seed": seed,
    }


def fill(deployment: Deployment) -> tuple[list[str], float]:
    """Sync the directory with a worker. Returns the names in it, and the seconds that took."""
    with deployment.database.write() as tx:
        connection = connections.live_connection_of(tx, deployment.staff_id)
        assert connection is not None, "the deployment has one"
        directory = directories.ensure(tx, connection.xero_login_id, connection.tenant_id)
        begin_sync(tx, directory.id, SyncMode.FULL, asked_by="bench")
    began = time.monotonic()
    deployment.start_worker("worker-1")
    deployment.start_relay()
    while True:
        deployment.processes.check()
        with deployment.database.read() as tx:
            found = directories.get(tx, directory.id)
            if found is not None and found.cursor is not None:
                names = [str(row.record["name"]) for row in search.all_records(tx, found)]
                break
        assert time.monotonic() - began < FILL_SECONDS, "the directory was not filled"
        time.sleep(0.1)
    seconds = time.monotonic() - began
    for name in ("worker-1", "relay"):
        deployment.processes.stop(name)
    return names, seconds


def start_web(deployment: Deployment) -> int:
    port = free_port()
    environment = {**deployment.environment(), "WEB_PORT": str(port)}
    deployment.processes.start("web", [sys.executable, "-c", WEB], ready=port_open(port), env=environment)
    return port


def _typed(names: list[str], chance: random.Random, count: int) -> list[str]:
    """What people type: growing beginnings of names, words from the middle, and some names that do not exist."""
    texts: list[str] = []
    while len(texts) < count:
        name = chance.choice(names)
        word = chance.choice([part for part in name.split() if len(part) > 1] or [name])
        texts += [name[:length] for length in range(2, min(len(name), 8) + 1)]
        texts += [word, f"{word} zzz"]
    return [text for text in texts if len(text.strip()) >= 2][:count]


def _ask(http: httpx.Client, path: str, texts: list[str], options: dict[str, str]) -> list[float]:
    """The milliseconds of each request, without the first `WARMING`."""
    found = []
    for text in texts:
        began = time.perf_counter()
        http.get(path, params={"q": text, **options}).raise_for_status()
        found.append((time.perf_counter() - began) * 1000)
    return found[WARMING:]
