"""dramatiq's Redis broker without any state of its own: no delays, no retries, no dead letters.

All of its default middleware is off. Retries, Pipelines and Callbacks keep work where a Redis outage loses it (P1, P13);
AgeLimit drops it by design (P9); TimeLimit and Shutdown raise in the middle of an email (P16). The record replaces them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Queue
from typing import Any, cast

import dramatiq
import redis
import structlog
from dramatiq.broker import Consumer
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import CurrentMessage

from config.seldom import Seldom
from config.settings import Settings
from portal_db.database import DATABASE_AWAY
from portal_db.states import Lane
from worker.queue import dispatch
from worker.queue.bell import connect
from worker.queue.consumer import BlockingConsumer

log = structlog.stdlib.get_logger(__name__)

#: Takes a queue's name, an unusable payload and a code that says why; returns once the payload may be acknowledged.
Quarantine = Callable[[str, bytes, str], None]

_LANES = frozenset(Lane)
#: Lanes in which nobody waits for what comes next.
_BACKGROUND = _LANES - {Lane.INTERACTIVE}

#: A process that has sent no command for this long counts as dead: what it holds is delivered again, which is harmless (P4).
DEAD_AFTER_SECONDS = 15.0
#: The first version with BLMOVE.
OLDEST_REDIS = (6, 2)


class UnsafeRedis(Exception):
    """This Redis may drop queued work, or cannot be worked with. The message says what to change."""


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


class PutsBackUnstarted(dramatiq.Middleware):
    """Has the consumers of a worker that stops put back what no thread has begun: its threads begin nothing more, and other
    processes would get it only once the last job has ended."""

    def before_worker_shutdown(self, broker: Any, worker: Any) -> None:
        broker.unstarted = worker.work_queue


class PortalBroker(RedisBroker):
    """The broker of one worker process.

    Args:
        client: shared by the process's threads.
        namespace: prefix of every key.
        quarantine: keeps the messages that cannot be used.
        goes_round: called with a queue's name each time its consumer goes round, with or without Redis.
    """

    def __init__(
        self,
        client: redis.Redis,
        namespace: str,
        quarantine: Quarantine,
        goes_round: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # dramatiq's broker is untyped
            client=client,
            namespace=namespace,
            middleware=[QuarantineFailed(), PutsBackUnstarted(), CurrentMessage()],
        )
        self.quarantine = quarantine
        self.goes_round = goes_round
        #: Once the worker stops: what it has fetched and no thread has begun.
        self.unstarted: Queue[Any] | None = None
        self._seldom = Seldom()
        #: The queues of which Redis refused the last fetch.
        self.refused_queues: set[str] = set()
        #: The latest consumer of each queue that this process consumes.
        self._consumers: dict[str, BlockingConsumer] = {}
        self._script = client.register_script(dispatch.SCRIPT)

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
        self.goes_round(queue_name)
        try:
            self.do_requeue(queue_name, *self.held(queue_name))
        except redis.RedisError as error:  # a refusal too: dramatiq tries again
            if isinstance(error, redis.ResponseError):
                self.refused(queue_name, error)
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]  # dramatiq's is untyped
        consumer = cast(BlockingConsumer, super().consume(queue_name, prefetch, timeout))
        self._consumers[queue_name] = consumer
        return consumer

    def room(self, consumer: BlockingConsumer) -> int:
        """How many messages a consumer may fetch now.

        A process runs one set of imports at a time: they compute, on the one core that Python takes, so that several at once
        all end late, and the emails of those that ended with them.

        Where the process consumes the interactive lane too, the others together hold half of what it can start: otherwise a
        batch takes all the threads for seconds, while somebody waits for one import.
        """
        room: int = consumer.prefetch - consumer.outstanding_message_count
        if consumer.queue_name == Lane.IMPORT and consumer.holds_set:
            return 0
        if Lane.INTERACTIVE not in self._consumers or consumer.queue_name not in _BACKGROUND:
            return room
        others = [each for queue, each in list(self._consumers.items()) if queue in _BACKGROUND]
        half: int = max(1, consumer.prefetch // 2) - sum(each.outstanding_message_count for each in others)
        return min(room, half)

    def refused(self, queue_name: str, refusal: redis.ResponseError) -> None:
        """Note that Redis refuses a queue, as when somebody changed its user's rights; log it once a minute."""
        self.refused_queues.add(queue_name)
        if self._seldom.is_due(queue_name):
            log.error("consumer.refused", queue=queue_name, reason=type(refusal).__name__)

    def fetched(self, queue_name: str) -> None:
        """Note that Redis let a queue's consumer fetch."""
        self.refused_queues.discard(queue_name)

    def _dispatch(self, command: str) -> Callable[..., Any]:
        """`do_fetch`, `do_ack` and `do_requeue`, which dramatiq calls, by our own script."""
        acks = f"{self.namespace}:__acks__."

        def run(queue_name: str, *args: Any) -> Any:
            queue, now = f"{self.namespace}:{queue_name}", int(time.time() * 1000)
            keys = [queue, f"{queue}.msgs", f"{acks}{self.broker_id}.{queue_name}", f"{self.namespace}:__heartbeats__"]
            dead_before = now - int(DEAD_AFTER_SECONDS * 1000)
            common: list[Any] = [
                command,
                self.broker_id,
                now,
                dead_before,
                acks,
                queue_name,
                ",".join({*self.queues, queue_name}),
            ]
            return self._script(keys=keys, args=[*common, *args])

        return run

    def held(self, queue_name: str) -> set[Any]:
        """The ids that this process has fetched from a queue and not acknowledged."""
        return set(self.client.smembers(f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}"))

    def enqueue(self, message: Any, *, delay: int | None = None) -> Any:
        raise NotImplementedError("the bell puts messages on queues")


def make_broker(
    settings: Settings, quarantine: Quarantine, goes_round: Callable[[str], None] = lambda _: None
) -> PortalBroker:
    """A broker on REDIS_URL.

    Raises:
        UnsafeRedis: it evicts keys when short of memory (P17), or cannot be worked with.
    """
    client = usable_client(settings, retries=0)  # P7: a resent fetch would lose the messages of the first
    return PortalBroker(client, settings.redis_namespace, quarantine, goes_round)


def usable_client(settings: Settings, *, retries: int = 1) -> redis.Redis:
    """A client for REDIS_URL, of a Redis that can be worked with as far as can be seen.

    Raises:
        UnsafeRedis: it evicts keys when short of memory (P17), or cannot be worked with.
    """
    client = connect(settings, retries=retries)
    require_usable(client, settings.redis_namespace)
    require_safe(client)
    return client


def require_usable(client: redis.Redis, namespace: str) -> None:
    """Refuse a Redis on which nothing could be consumed: a cluster, an old version, a user without what we need. One that
    cannot be reached yet passes: workers wait for it.

    Raises:
        UnsafeRedis: what is wrong, and the remedy.
    """
    probe = f"{namespace}:__probe__"
    try:
        hello: Any = client.execute_command("HELLO")  # type: ignore[no-untyped-call]  # redis's is untyped
        about = hello if isinstance(hello, dict) else dict(zip(hello[::2], hello[1::2], strict=False))
        values = {_text(name): _text(value) for name, value in about.items()}
        if values.get("mode") == "cluster":
            raise UnsafeRedis("Redis at REDIS_URL is a cluster, which keeps our keys apart. Use a server that is none.")
        version = tuple(int(part) for part in values.get("version", "0").split(".")[:2])
        if version < OLDEST_REDIS:
            raise UnsafeRedis(f"Redis at REDIS_URL is version {values.get('version')}. Use 6.2 or newer, or Valkey.")
        client.blmove(probe, probe, 0.01, "LEFT", "LEFT")  # type: ignore[arg-type]  # its stub knows whole seconds only
        client.eval("return redis.call('zcard', KEYS[1])", 1, probe)
        with client.pipeline(transaction=True) as pipe:
            pipe.hset(probe, "a", "1")
            pipe.delete(probe)
            pipe.execute()
    except redis.ResponseError as error:
        raise UnsafeRedis(
            f"Redis at REDIS_URL refuses what we need ({type(error).__name__}). Give its user"
            f" ~{namespace}:* +@all -@dangerous, and use 6.2 or newer."
        ) from None
    except redis.RedisError as error:
        log.warning("redis.not_reached", exc_info=error)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


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
