"""Rings jobs: puts their ids on their lanes' Redis queues, as messages that dramatiq reads.

A message carries only job ids: of one job, or of a set that runs at once. A ring may fail or get lost: the relay rings
unclaimed jobs again.

Keys (dramatiq's layout, `docs/queue-contract.md`):
    <namespace>:<lane>          list of message ids, oldest first
    <namespace>:<lane>.msgs     hash of message id to message
    <namespace>:remembers       set once by the relay; gone when Redis lost its memory
    <namespace>:woken           list of one, by whoever added background jobs; the relay waits for it and looks at once
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import redis
import structlog
from dramatiq import Message
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.redis_connections import connection_class
from config.settings import Settings
from config.sources import Sources
from portal_db.states import Lane

log = structlog.stdlib.get_logger(__name__)

RUN_JOB = "run_job"
#: Longer than any blocking read, and short enough for a person who waits.
SOCKET_SECONDS = 5.0


def connect(settings: Settings, *, retries: int = 1) -> redis.Redis:
    """A client for REDIS_URL whose calls end within seconds, and which finds the new primary after a failover.

    Args:
        retries: how often a call is resent when its connection breaks, before it raises.
    """
    return redis.Redis.from_url(
        settings.redis_url,
        connection_class=connection_class(settings.redis_url),
        socket_timeout=SOCKET_SECONDS,
        socket_connect_timeout=SOCKET_SECONDS,
        retry=Retry(NoBackoff(), retries),
        health_check_interval=30,
    )


class RedisBell:
    """The bell on one Redis."""

    def __init__(self, client: redis.Redis, namespace: str, sources: Sources) -> None:
        self._client = client
        self._namespace = namespace
        self._sources = sources

    def ring(self, lane: Lane, job_ids: Sequence[UUID]) -> None:
        """Ring jobs of one lane in one round trip. A failure is logged, not raised: the work is in the record."""
        try:
            self.ring_or_raise(lane, job_ids)
        except redis.RedisError as error:
            log.warning("bell.silent", lane=lane.value, count=len(job_ids), exc_info=error)

    def wake_relay(self) -> None:
        """Let an idle relay look at once. A failure is logged, not raised: it looks within a second anyway."""
        try:
            self.wake_relay_or_raise()
        except redis.RedisError as error:
            log.warning("bell.silent", exc_info=error)

    def wake_relay_or_raise(self) -> None:
        """Let an idle relay look at once.

        Raises:
            redis.RedisError: it was not woken.
        """
        with self._client.pipeline(transaction=True) as pipe:
            pipe.rpush(f"{self._namespace}:woken", "1")
            pipe.ltrim(f"{self._namespace}:woken", 0, 0)
            pipe.execute()

    def is_woken(self, *, within_seconds: float) -> bool:
        """Whether the relay was woken since the last call that said so, or is within this time."""
        return self._client.blpop([f"{self._namespace}:woken"], timeout=within_seconds) is not None

    def ring_or_raise(self, lane: Lane, job_ids: Sequence[UUID]) -> None:
        """Ring jobs of one lane, each by itself.

        Raises:
            redis.RedisError: some or all jobs were not rung.
        """
        self.ring_sets(lane, [[job_id] for job_id in job_ids])

    def ring_sets(self, lane: Lane, sets: Sequence[Sequence[UUID]]) -> None:
        """Ring sets of jobs of one lane: each set is one message.

        Raises:
            redis.RedisError: some or all sets were not rung.
        """
        queue = f"{self._namespace}:{lane.value}"
        with self._client.pipeline(transaction=True) as pipe:
            for job_ids in sets:
                message_id = str(self._sources.new_id())
                message: Message[None] = Message(
                    queue_name=lane.value,
                    actor_name=RUN_JOB,
                    args=tuple(map(str, job_ids)),
                    kwargs={},
                    options={"redis_message_id": message_id},
                    message_id=message_id,
                    message_timestamp=int(self._sources.now().timestamp() * 1000),
                )
                pipe.hset(f"{queue}.msgs", message_id, message.encode())
                pipe.rpush(queue, message_id)
            pipe.execute()

    def lengths(self) -> dict[Lane, int]:
        """How many messages wait on each lane's queue."""
        with self._client.pipeline(transaction=False) as pipe:
            for lane in Lane:
                pipe.llen(f"{self._namespace}:{lane.value}")
            return dict(zip(Lane, pipe.execute(), strict=True))

    def forgot(self) -> bool:
        """Whether Redis has lost its memory since the last call, which left a mark there. Leaves a new mark."""
        return self._client.set(f"{self._namespace}:remembers", "1", nx=True) is True
