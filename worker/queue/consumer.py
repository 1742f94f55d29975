"""A Redis consumer with a blocking read: a rung job starts at once, a bad message blocks nothing, and a Redis outage
holds up neither a worker's thread nor the end of the process (P18)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from queue import Queue
from typing import Any

import redis
import structlog
from dramatiq import Message, MessageProxy
from dramatiq.brokers.redis import _RedisConsumer
from dramatiq.common import iter_queue
from dramatiq.errors import ConnectionClosed, DecodeError

log = structlog.stdlib.get_logger(__name__)

#: At most a second: below the heartbeat and the socket's timeout, so neither runs out while we wait.
WAIT_SECONDS = 1.0
#: How often a consumer of a worker that stops looks for something to put back.
STOPPING_SECONDS = 0.1
#: Messages are a few hundred bytes; a set's is the longest. A larger one is not even decoded.
MAX_MESSAGE_BYTES = 64 * 1024


class BlockingConsumer(_RedisConsumer):
    """dramatiq's consumer with its own way to wait, to acknowledge, and to handle messages that it cannot read."""

    #: An acknowledgement got lost, so this consumer holds a message that nobody works on.
    lost_ack = False

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)  # type: ignore[no-untyped-call]  # dramatiq's is untyped
        #: The message of a set that was handed out last.
        self._set: str | None = None

    @property
    def holds_set(self) -> bool:
        """Whether a set, of two jobs or more, is handed out and not ended."""
        return self._set in self.queued_message_ids

    def __next__(self) -> MessageProxy | None:
        self.broker.goes_round(self.queue_name)
        try:
            if self.lost_ack:
                raise redis.ConnectionError  # the next consumer takes back what this one holds
            if self.broker.unstarted is not None:
                self._put_back(self.broker.unstarted)
                return None
            if self.broker.room(self) <= 0:
                time.sleep(0.01)  # the threads that this lane may have are busy
            elif fetched := self._wait_and_fetch():
                message = self._read(*fetched)
                if message is not None:
                    self.queued_message_ids.add(message.message_id)
                    if len(message.args) > 1:
                        self._set = message.message_id
                    return MessageProxy(message)
        except (redis.ConnectionError, redis.TimeoutError) as error:  # P7: a timeout is a lost connection too
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]  # dramatiq's is untyped
        except redis.ResponseError as error:
            self.broker.refused(self.queue_name, error)
            time.sleep(WAIT_SECONDS)
        return None

    def _wait_and_fetch(self) -> Sequence[Any]:
        """Wait for a message. Returns the id under which it is held, and what it holds; nothing if none came."""
        key = f"{self.broker.namespace}:{self.queue_name}"
        self.broker.client.blmove(key, key, WAIT_SECONDS, "LEFT", "LEFT")  # leaves the list as it was
        if self.broker.room(self) <= 0:  # another lane has taken it meanwhile
            return ()
        # Even an empty fetch carries this process's heartbeat, and frees what dead processes held (P4). One message at a
        # time: of two that are rung together, another process that has nothing to do takes the second.
        fetched: Sequence[Any] = self.broker.do_fetch(self.queue_name)
        self.broker.fetched(self.queue_name)
        return fetched

    def _put_back(self, unstarted: Queue[Any]) -> None:
        """Put back what this process has fetched and not begun. Also without any, this carries its heartbeat."""
        self.broker.do_requeue(self.queue_name)
        for item in iter_queue(unstarted):  # type: ignore[no-untyped-call]  # dramatiq's is untyped
            message = item.message
            try:
                self.broker.do_requeue(message.queue_name, message.options["redis_message_id"])
            except redis.RedisError:
                unstarted.put(item)  # for the next try, or for dramatiq's own at the end
                raise
        time.sleep(STOPPING_SECONDS)

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge a message. If that fails, the message is delivered again, which is harmless."""
        try:
            super().ack(message)  # type: ignore[no-untyped-call]  # dramatiq's is untyped
        except (ConnectionClosed, redis.RedisError) as error:
            log.warning("consumer.not_acknowledged", queue=self.queue_name, exc_info=error)
            self.lost_ack = True

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Put back what was not started. If Redis is away, fail with an error that dramatiq's shutdown survives: the relay
        rings jobs again, and requests at the door go to the process that finds this one dead."""
        try:
            super().requeue(messages)  # type: ignore[no-untyped-call]  # dramatiq's is untyped
        except redis.RedisError as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]  # dramatiq's is untyped

    def _read(self, held: bytes, data: bytes | None) -> Message[Any] | None:
        """A message that is held under this id; `None` after quarantining what dramatiq cannot handle (P6), so that its
        neighbours still run."""
        reason = "not_a_message"
        try:
            if data is not None and len(data) > MAX_MESSAGE_BYTES:
                reason = "too_large"
                raise ValueError
            message: Message[Any] = Message.decode(data or b"")
            own = {"redis_message_id": message.options["redis_message_id"]}
            fits = message.queue_name == self.queue_name and message.actor_name in self.broker.actors
            fits = fits and isinstance(message.message_id, str) and isinstance(message.kwargs, dict)
            if fits and own["redis_message_id"].encode() == held:
                return replace(message, options=own)  # no delay, and nothing else that dramatiq would obey
        except (DecodeError, KeyError, TypeError, AttributeError, ValueError, RecursionError):
            pass
        if data is not None and held in self.broker.held(self.queue_name):  # or another process has dealt with it
            self.broker.quarantine(self.queue_name, data, reason)
        self.broker.do_ack(self.queue_name, held)
        return None
