"""Inspects the queues on Redis for reconcile and erasure, and drops useless messages.

Keys are dramatiq's (`worker/queue/bell.py` names them), and `<namespace>:__acks__.<process>.<queue>` (a set of message ids):
what a process has fetched and not acknowledged. Those messages are never dropped, nor are the door's, which are personal.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import redis
from dramatiq import Message
from dramatiq.errors import DecodeError

from handlers.operations.reconcile import QueueAway, QueueEntry
from portal_db.states import Lane
from worker.queue.bell import RedisBell
from worker.queue.door import QUEUE, receipt_key

#: Messages read or dropped in one round trip.
CHUNK = 100

#: Drops message ids (ARGV) from a queue (KEYS[1] its list, KEYS[2] its messages), except those in a set of held ones (the
#: other KEYS). Returns how many it dropped.
_DROP = """
local dropped = 0
for _, id in ipairs(ARGV) do
  local held = false
  for i = 3, #KEYS do
    held = held or redis.call('sismember', KEYS[i], id) == 1
  end
  if not held then
    redis.call('lrem', KEYS[1], 0, id)
    dropped = dropped + redis.call('hdel', KEYS[2], id)
  end
end
return dropped
"""


@contextmanager
def _queue_errors() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise QueueAway from error


class RedisQueues:
    """`handlers.operations.reconcile.Queues` and `handlers.operations.erase.Messages` on one Redis."""

    def __init__(self, client: redis.Redis, bell: RedisBell, namespace: str) -> None:
        self._client = client
        self._bell = bell
        self._namespace = namespace
        self._drop = client.register_script(_DROP)

    def ring(self, lane: Lane, job_ids: Sequence[UUID]) -> None:
        with _queue_errors():
            self._bell.ring_or_raise(lane, job_ids)

    def entries(self) -> Iterator[QueueEntry]:
        with _queue_errors():
            for lane in Lane:
                held = self._held(lane)
                for raw_id, data in self._client.hscan_iter(self._key(f"{lane.value}.msgs"), count=CHUNK):
                    if raw_id not in held:
                        yield QueueEntry(lane, raw_id.decode(errors="surrogateescape"), _jobs_of(data))

    def drop(self, entries: Sequence[QueueEntry]) -> int:
        by_lane: dict[Lane, list[bytes]] = defaultdict(list)
        for entry in entries:
            by_lane[entry.lane].append(entry.message_id.encode(errors="surrogateescape"))
        dropped = 0
        with _queue_errors():
            for lane, ids in by_lane.items():
                keys = [self._key(lane.value), self._key(f"{lane.value}.msgs"), *self._ack_sets(lane)]
                for start in range(0, len(ids), CHUNK):
                    dropped += int(self._drop(keys=keys, args=ids[start : start + CHUNK]))
        return dropped

    def requests_waiting(self) -> int:
        with _queue_errors():
            waiting: Any = self._client.hlen(self._key(f"{QUEUE}.msgs"))
            return int(waiting)

    def accepted(self) -> Iterator[UUID]:
        with _queue_errors():
            for key in self._client.scan_iter(f"{self._namespace}:receipts:*", count=1000):
                import_id = _accepted_import(self._client.get(key))
                if import_id is not None:
                    yield import_id

    def requests(self) -> Iterator[bytes]:
        """The requests at the door, to find those that name a person."""
        with _queue_errors():
            for _, data in self._client.hscan_iter(self._key(f"{QUEUE}.msgs"), count=CHUNK):
                yield data

    def receipts(self, practice_id: UUID) -> Iterator[str]:
        """The request ids of a practice's receipts."""
        prefix = receipt_key(self._namespace, practice_id, "")
        with _queue_errors():
            for key in self._client.scan_iter(f"{prefix}*", count=1000):
                yield key.decode(errors="surrogateescape").removeprefix(prefix)

    def drop_receipts(self, practice_id: UUID, request_ids: Sequence[str]) -> None:
        with _queue_errors():
            for request_id in request_ids:
                key = receipt_key(self._namespace, practice_id, request_id)
                self._client.delete(key.encode(errors="surrogateescape"))

    def _held(self, lane: Lane) -> set[Any]:
        return {held for key in self._ack_sets(lane) for held in self._client.smembers(key)}

    def _ack_sets(self, lane: Lane) -> list[Any]:
        """A set for each process that holds messages of the lane; by SCAN, because KEYS would block Redis (P20)."""
        return list(self._client.scan_iter(self._key(f"__acks__.*.{lane.value}"), count=1000))

    def _key(self, name: str) -> str:
        return f"{self._namespace}:{name}"


def _jobs_of(data: bytes) -> frozenset[UUID]:
    try:
        return frozenset(map(UUID, Message.decode(data).args))
    except (DecodeError, KeyError, TypeError, ValueError, AttributeError):
        return frozenset()


def _accepted_import(data: Any) -> UUID | None:
    try:
        return UUID(json.loads(data)["import_id"])
    except (KeyError, TypeError, ValueError):
        return None
