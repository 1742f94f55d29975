"""How long an idle system takes to notice a rung job, and to run one whole import.

`pickup_ms`: from ringing a job to its actor's first line in another process, with our consumer and, alternating in the
same run, with dramatiq's. `import_ms`: from the request's call to the commit that closed the import, with details,
relationships and the welcome email. `statements_per_import`: what all processes send to PostgreSQL for one, without the
relay's looks. All these imports succeed, on one worker process for each lane, as the Procfile runs them.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

import redis
from dramatiq import Message
from sqlalchemy import make_url

from bench.deployment import Deployment, deployed
from bench.figures import quantiles
from bench.statements import counted, open_imports
from handlers.errors import Rejected
from handlers.imports.accept import accept
from handlers.imports.request import ImportRequest, parse
from handlers.imports.validate import login_email
from portal_db.states import ImportState
from tests.servers.postgres import connection_to
from worker.local.processes import log_line
from xpm.client import XpmApi
from xpm.limiter import UnlimitedLimiter

#: The first imports are not measured: they warm the processes up.
WARM_UP = 5
#: Imports whose statements are counted.
COUNTED = 10
#: The lanes of each worker process, as in the Procfile.
WORKERS = (("interactive",), ("import", "resync"), ("email",))
#: Of so many clients of a simulated practice, at least one is a person to import.
CLIENTS_PER_PERSON = 6
#: How often it is looked whether an import is closed: looks take from what they measure. When it was, the server knows.
LOOK_SECONDS = 0.02
_CLOSED = "SELECT state, extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM imports WHERE id = %s"

#: The child: consumes one queue and records when each message's actor started, by the machine's monotonic clock.
PICKUP_WORKER = """
import sys, threading, time, dramatiq, redis
from dramatiq.brokers.redis import RedisBroker
from worker.queue.broker import PortalBroker
url, queue, ours = sys.argv[1], sys.argv[2], sys.argv[3] == "ours"
client = redis.Redis.from_url(url)
broker = PortalBroker(client, "bench", lambda *_: None) if ours else RedisBroker(client=client, namespace="bench")
@dramatiq.actor(broker=broker, queue_name=queue, actor_name="note")
def note():
    client.rpush("picked:" + queue, time.monotonic_ns())
dramatiq.Worker(broker, worker_threads=2).start()
print("pickup.ready", flush=True)
threading.Event().wait()
"""


def measure(*, rounds: int = 100, seed: int = 1) -> dict[str, Any]:
    """Run both measurements.

    Args:
        rounds: samples of each kind.
        seed: for the pauses between rings.
    """
    chance = random.Random(seed)
    with deployed(clients=(rounds + WARM_UP + COUNTED) * CLIENTS_PER_PERSON) as deployment:
        pickup = _pickup(deployment, rounds, chance)
        for lanes in WORKERS:
            deployment.start_worker(f"worker-{lanes[0]}", queues=lanes)
        deployment.start_relay()
        deployment.sync_directory()
        people = iter(_people(deployment))
        whole = _imports(deployment, list(islice(people, rounds + WARM_UP)), chance)
        deployment.processes.stop("relay")
        statements = _statements(deployment, list(islice(people, COUNTED)))
    return {"rounds": rounds, "pickup_ms": quantiles(pickup["ours"]), "import_ms": quantiles(whole),
            "statements_per_import": statements, "stock_pickup_ms": quantiles(pickup["stock"]), "seed": seed}  # fmt: skip


def _pickup(deployment: Deployment, rounds: int, chance: random.Random) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = {"ours": [], "stock": []}
    for side in samples:
        command = [sys.executable, "-c", PICKUP_WORKER, deployment.settings.redis_url, side, side]
        deployment.processes.start(f"pickup-{side}", command, ready=log_line("pickup.ready"))
    with closing(redis.Redis.from_url(deployment.settings.redis_url)) as client:
        for _ in range(rounds):
            for side, found in samples.items():
                time.sleep(chance.uniform(0.05, 0.6))
                found.append(_ring_once(client, side))
    for side in samples:
        deployment.processes.stop(f"pickup-{side}")
    return samples


def _ring_once(client: redis.Redis, queue: str) -> float:
    """Milliseconds from ringing to the actor's first line."""
    message_id = uuid4().hex
    message: Message[None] = Message(queue, "note", (), {}, {"redis_message_id": message_id})
    began = time.monotonic_ns()
    with client.pipeline(transaction=True) as pipe:
        pipe.hset(f"bench:{queue}.msgs", message_id, message.encode())
        pipe.rpush(f"bench:{queue}", message_id)
        pipe.execute()
    picked = client.blpop([f"picked:{queue}"], timeout=10)
    assert isinstance(picked, (list, tuple)), "the message was not picked up within ten seconds"
    return (int(picked[1]) - began) / 1e6


def _people(deployment: Deployment) -> list[UUID]:
    """The records of people with an email of their own that a login can have."""
    with (
        closing(XpmApi(deployment.settings.xpm_api_url, limiter=UnlimitedLimiter())) as xpm,
        xpm.list(deployment.access, lane="import", deadline_seconds=60) as listing,
    ):
        people, seen = [], set()
        for record in listing:
            if record.business_structure == "Individual" and not (record.is_archived or record.is_deleted):
                with suppress(Rejected):
                    _, key = login_email(record.email)
                    if key not in seen:
                        seen.add(key)
                        people.append(record.uuid)
    return people


def _request(deployment: Deployment, xpm_uuid: UUID) -> ImportRequest:
    return parse(
        {
            "practice_id": deployment.practice_id,
            "requested_by": deployment.staff_id,
            "request_id": uuid4().hex,
            "xpm_uuid": xpm_uuid,
            "kind": "individual",
            "send_welcome_email": True,
        }
    )


def _imports(deployment: Deployment, people: Sequence[UUID], chance: random.Random) -> list[float]:
    samples = []
    url = make_url(deployment.settings.database_url)
    with connection_to(deployment.server, url.database) as watcher:
        for xpm_uuid in people:
            time.sleep(chance.uniform(0.05, 0.2))
            request = _request(deployment, xpm_uuid)
            began = time.time()
            import_id = accept(deployment.database, deployment.bell, request).import_id
            while open_imports(watcher, [import_id]):
                time.sleep(LOOK_SECONDS)
            row = watcher.execute(_CLOSED, [import_id]).fetchone()
            assert row is not None
            state, closed_at = row
            assert state == ImportState.SUCCEEDED.value
            samples.append((float(str(closed_at)) - began) * 1000)
    return samples[WARM_UP:]


def _statements(deployment: Deployment, people: Sequence[UUID]) -> float:
    """Without begins and ends of transactions."""
    with counted(deployment.server, deployment.settings.database_url) as statements:
        for xpm_uuid in people:
            import_id = accept(deployment.database, deployment.bell, _request(deployment, xpm_uuid)).import_id
            while statements.open_imports([import_id]):
                time.sleep(0.02)
    return round(statements.count / len(people), 1)
