"""A world with a Redis beside it: a bell that is heard, relays, and a worker's threads in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import dramatiq
import redis
from dramatiq import Message

from config.settings import Settings
from handlers.imports.accept import accept
from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db.states import Lane
from tests.world import World
from worker.actors import REQUEST_IMPORT, declare
from worker.leader.relay import Relay
from worker.queue.bell import RedisBell, connect
from worker.queue.broker import PortalBroker, make_broker
from worker.queue.door import QUEUE, Door
from worker.runner.leases import Leases
from worker.runner.runner import Runner

ALL_QUEUES = frozenset({QUEUE, *(lane.value for lane in Lane)})


@dataclass
class Desk:
    """Everything of a deployment but its processes."""

    world: World
    services: Services
    client: redis.Redis
    bell: RedisBell
    stopping: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def at(cls, world: World, redis_url: str, client: redis.Redis | None = None) -> Desk:
        settings = world.services.settings.model_copy(update={"redis_url": redis_url})
        services = replace(world.services, settings=settings)
        client = client or connect(settings)
        return cls(world, services, client, RedisBell(client, settings.redis_namespace, services.sources))

    @property
    def settings(self) -> Settings:
        return self.services.settings

    def key(self, name: str) -> str:
        return f"{self.settings.redis_namespace}:{name}"

    def relay(self, owner: str = "relay-1", *, limit: int = 4) -> Relay:
        return Relay(self.world.database, self.bell, owner=owner, limit=limit)

    def ask(self, xpm_uuid: UUID, kind: str = "individual", **fields: object) -> UUID:
        """Accept one request and ring its first job."""
        return accept(self.world.database, self.bell, self.world.request(xpm_uuid, kind, **fields)).import_id

    def is_closed(self, import_id: UUID) -> bool:
        return not self.world.import_row(import_id).state.is_open

    def rung(self, lane: Lane) -> list[UUID]:
        """The jobs whose ids wait on a lane's queue, in the order they will be taken."""
        return [job_id for job_ids in self.sets(lane) for job_id in job_ids]

    def sets(self, lane: Lane) -> list[list[UUID]]:
        """The sets of jobs that wait on a lane's queue: a message for each."""
        found = []
        for message_id in self._waiting(lane.value):
            data: Any = self.client.hget(self.key(f"{lane.value}.msgs"), message_id)
            found.append([UUID(job_id) for job_id in Message.decode(data).args])
        return found

    def take_all(self) -> None:
        """Drop what is on the lanes' queues, as workers that found nothing to claim would."""
        for lane in Lane:
            self.client.delete(self.key(lane.value), self.key(f"{lane.value}.msgs"))

    def _waiting(self, queue: str) -> list[Any]:
        return list(self.client.lrange(self.key(queue), 0, -1))

    def put(self, queue: str, payload: bytes, message_id: str) -> None:
        """Put any bytes on a queue, as a broken producer might."""
        self.client.hset(self.key(f"{queue}.msgs"), message_id, payload)
        self.client.rpush(self.key(queue), message_id)

    def post(self, request: Mapping[str, object], message_id: str = "m-1") -> None:
        """Put a request on the door's queue, as the documented contract says."""
        self.put(QUEUE, message(message_id, request), message_id)

    def unacknowledged(self, queue: str) -> int:
        """Messages of a queue that somebody holds or that wait."""
        return int(self.client.hlen(self.key(f"{queue}.msgs")))

    def receipt(self, request_id: object) -> dict[str, Any] | None:
        data = self.client.get(self.key(f"receipts:{self.world.practice_id}:{request_id}"))
        return json.loads(data) if data else None

    def door(self, services: Services | None = None) -> Door:
        namespace = self.settings.redis_namespace
        return Door(services or self.services, self.bell, self.client, namespace)

    @contextmanager
    def working(
        self, *, services: Services | None = None, broker: PortalBroker | None = None
    ) -> Iterator[PortalBroker]:
        """A worker's threads, on every queue, for as long as the block runs."""
        services = services or self.services
        door = self.door(services)
        broker = broker or make_broker(self.settings, door.keep_malformed)
        broker.quarantine = door.keep_malformed
        leases = Leases(services.database, "worker-here", lease_seconds=10, every_seconds=3)
        runner = Runner(services, self.bell, leases, HANDLERS, run_isolated=None, stopping=self.stopping)
        declare(broker, runner, door)
        worker = dramatiq.Worker(broker, queues=set(ALL_QUEUES), worker_threads=2, worker_timeout=50)
        worker.queue_prefetch = 8  # more than it can start, so that messages have neighbours in memory
        with started(worker):
            yield broker


@contextmanager
def started(worker: dramatiq.Worker) -> Iterator[dramatiq.Worker]:
    """A worker that runs for as long as the block does."""
    worker.start()
    try:
        yield worker
    finally:
        worker.stop(timeout=10_000)
        worker.broker.close()


def message(redis_id: str, request: Mapping[str, object], /, **changes: object) -> bytes:
    """A message for the door as bytes; `changes` replace its fields, and `None` leaves one out."""
    fields: dict[str, object] = {
        "queue_name": QUEUE,
        "actor_name": REQUEST_IMPORT,
        "args": [],
        "kwargs": dict(request),
        "options": {"redis_message_id": redis_id},
        "message_id": redis_id,
        "message_timestamp": 1_795_000_000_000,
        **changes,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None}, default=str).encode()
