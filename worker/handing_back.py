"""How a consumer hands messages back to Redis, done or not begun, when Redis may be away: it tries once and goes on."""

from __future__ import annotations

from collections.abc import Iterable

import redis
import structlog
from dramatiq import MessageProxy
from dramatiq.brokers.redis import _RedisConsumer
from dramatiq.errors import ConnectionClosed

log = structlog.stdlib.get_logger(__name__)


class HandingBack(_RedisConsumer):
    """dramatiq's consumer, which would wait for Redis with a worker's thread, and with the end of the process (P18)."""

    #: An acknowledgement got lost, so this consumer holds a message that nobody works on.
    lost_ack = False

    def ack(self, message: MessageProxy) -> None:
        """Say that a message is done with. One of which that cannot be said comes once more, which is harmless."""
        try:
            super().ack(message)  # type: ignore[no-untyped-call]  # dramatiq's is untyped
        except (ConnectionClosed, redis.RedisError) as error:
            log.warning("consumer.not_acknowledged", queue=self.queue_name, exc_info=error)
            self.lost_ack = True

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Put back what was not begun. If Redis is away that fails in a way which dramatiq's shutdown survives: the relay
        rings again, and requests at the door go to whoever finds this process dead."""
        try:
            super().requeue(messages)  # type: ignore[no-untyped-call]  # dramatiq's is untyped
        except redis.RedisError as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]  # dramatiq's is untyped
