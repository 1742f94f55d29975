"""dramatiq's Redis broker without any state of its own: no delays, no retries, no dead letters.

All of its default middleware is off. Retries, Pipelines and Callbacks keep work where a Redis outage loses it (P1, P13);
AgeLimit drops it by design (P9); TimeLimit and Shutdown raise in the middle of an email (P16). The record replaces them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dramatiq
import redis
import structlog
from dramatiq.broker import Consumer
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import ConnectionClosed

from config.settings import Settings
from portal_db.database import DATABASE_AWAY
from portal_db.states import Lane
from worker.queue.bell import connect
from worker.queue.consumer import BlockingConsumer

log = structlog.stdlib.get_logger(__name__)

#: Takes a queue's name, an unusable payload and a code that says why; returns once the payload may be acknowledged.
Quarantine = Callable[[str, bytes, str], None]

_LANES = frozenset(Lane)


class UnsafeRedis(Exception):
    """This Redis may drop queued work. The message says which setting to change."""


class QuarantineFailed(dramatiq.Middleware):
    """Quarantines a message that its actor could not take or failed on. Otherwise it would just be acknowledged.

    A lane's message met by an outage of the database is acknowledged: the relay rings its jobs again. The door waits itself.
    """

    def after_process_message(
        self,
        broker: Any,
        message: Any,
        *,
        result: Any | None = None,  # noqa: ARG002 -- dramatiq's
        exception: BaseException | None = None,
    ) -> None:
        if isinstance(exception, DATABASE_AWAY) and message.queue_name in _LANES:
            log.warning("broker.database_away", queue=message.queue_name, exc_info=exception)
        elif exception is not None:
            log.warning("broker.actor_failed", queue=message.queue_name, exc_info=exception)
            broker.quarantine(message.queue_name, message.encode(), "actor_failed")


class PortalBroker(RedisBroker):
    """The broker of one worker process.

    Args:
        client: shared by the process's threads.
        namespace: prefix of every key.
        quarantine: keeps the messages that cannot be used.
    """

    def __init__(self, client: redis.Redis, namespace: str, quarantine: Quarantine) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # dramatiq's broker is untyped
            client=client,
            namespace=namespace,
            middleware=[QuarantineFailed()],
            # P4: check for dead processes at every command, and call one dead after 15 s; running twice is harmless.
            maintenance_chance=1_000_000,
            heartbeat_timeout=15_000,
        )
        self.quarantine = quarantine

    @property
    def consumer_class(self) -> type[BlockingConsumer]:
        return BlockingConsumer

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue without dramatiq's delay queue (P2, P10): the record knows when each job is due."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Make a consumer. Messages that an earlier one fetched and lost with its connection go back to the queue first
        (P2, P7): this process is alive, so no other would free them. Delivering a message twice is harmless."""
        try:
            self.do_requeue(queue_name, *self.held(queue_name))
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]  # dramatiq's is untyped
        return super().consume(queue_name, prefetch, timeout)

    def held(self, queue_name: str) -> set[Any]:
        """The ids that this process has fetched from a queue and not acknowledged."""
        return set(self.client.smembers(f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}"))

    def enqueue(self, message: Any, *, delay: int | None = None) -> Any:
        if delay is not None:
            raise ValueError("delays are kept in the record, not in Redis")
        return super().enqueue(message)


def make_broker(settings: Settings, quarantine: Quarantine) -> PortalBroker:
    """A broker on REDIS_URL.

    Raises:
        UnsafeRedis: it evicts keys when short of memory (P17).
    """
    client = connect(settings, retries=0)  # P7: a resent fetch would lose the messages of the first
    require_safe(client)
    return PortalBroker(client, settings.redis_namespace, quarantine)


def require_safe(client: redis.Redis) -> None:
    """Refuse a Redis that evicts (P17). One that hides its policy, or cannot be reached yet, passes with a warning."""
    try:
        policy = client.info("memory").get("maxmemory_policy")
    except redis.RedisError as error:
        log.warning("redis.policy_unknown", exc_info=error)
        return
    if policy not in (None, "noeviction"):
        raise UnsafeRedis(
            f"Redis at REDIS_URL has maxmemory-policy {policy} and would drop queued work. Set it to noeviction."
        )
