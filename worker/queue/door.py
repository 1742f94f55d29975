"""The queue door: moves import requests from the queue `import_requests`, for portals that cannot call HTTP, to the record.

Its messages are the only ones with personal data, so they leave Redis at once. Those that are unreadable, or that no
producer has signed, are kept, encrypted, for an operator. A receipt without personal data answers the producer, who sends
again until it says accepted.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError

from config import metrics, spans, tracing
from handlers.access import producers
from handlers.errors import RequestRefused
from handlers.imports.accept import accept
from handlers.imports.request import parse
from handlers.services import Bell, Services
from portal_db.database import DATABASE_AWAY
from portal_db.work import imports, malformed_messages

log = structlog.stdlib.get_logger(__name__)

QUEUE = "import_requests"
RETRY_SECONDS = 1.0
#: Bytes kept of a message that cannot be used, and how many such messages are kept in 24 hours.
KEPT_BYTES = 16 * 1024
KEPT_PER_DAY = 1_000

R = TypeVar("R")


class Door:
    """Records requests, one call for each message."""

    def __init__(self, services: Services, bell: Bell, client: redis.Redis, namespace: str) -> None:
        self._services = services
        self._bell = bell
        self._client = client
        self._namespace = namespace

    def take(self, fields: dict[str, Any], message_id: str | None = None) -> None:
        """Record one request, or keep it as malformed. Either way leave a receipt, which names the message that it answers.

        While the database is unavailable it waits here: raising would acknowledge the message, and so lose it (P1).
        """
        parent = tracing.given(fields.get("traceparent"))
        own, began = tracing.below(parent), time.monotonic()
        with tracing.within(own):
            error = self._take(fields, message_id)
        spans.report(
            f"request_import {QUEUE}",
            "consumer",
            own,
            parent,
            seconds=time.monotonic() - began,
            attributes={
                "messaging.system": "portal_sync",
                "messaging.operation.name": "request_import",
                "messaging.operation.type": "process",
                "messaging.destination.name": QUEUE,
            },
            error=error,
        )

    def _take(self, fields: dict[str, Any], message_id: str | None) -> str | None:
        """Returns the code of a refusal."""
        answered = {"message_id": message_id}
        try:
            request = parse(_without_trace(self._signed(fields)))
            accepted = self._until_recorded(lambda: accept(self._services.database, self._bell, request))
        except RequestRefused as refusal:
            self._keep(_as_json(fields), refusal.code, "refused")
            address = _address(fields)
            if address is not None:
                self._leave_receipt(*address, self._refusal(*address, refusal) | answered)
            return refusal.code
        metrics.DOOR_MESSAGES.labels("accepted").inc()
        self._leave_receipt(request.practice_id, request.request_id, _accepted(accepted.import_id) | answered)
        return None

    def _signed(self, fields: dict[str, Any]) -> dict[str, Any]:
        """What a request asks for, without its signature, which is checked unless the settings do without one.

        Raises:
            RequestRefused: no producer of the practice has signed it.
        """
        services = self._services
        asked = producers.unsigned(fields)
        if len(asked) < len(fields) or not services.settings.unsigned_requests:
            vault = services.settings.vault
            self._until_recorded(lambda: producers.require_signed(services.database, vault, fields))
        return asked

    def _refusal(self, practice_id: UUID, request_id: str, refusal: RequestRefused) -> dict[str, Any]:
        """What the producer reads. An earlier request with the same id stays accepted, and its receipt says so."""
        why = {"code": refusal.code, "field": refusal.field, "message": str(refusal), "remedy": refusal.remedy}

        def find_earlier() -> UUID | None:
            with self._services.database.read() as tx:
                known = imports.by_key(tx, practice_id, request_id)
                return known.id if known is not None else None

        earlier = self._until_recorded(find_earlier)
        return {"status": "refused", **why} if earlier is None else {**_accepted(earlier), "refused": why}

    def keep_malformed(self, queue: str, payload: bytes, reason: str = "not_a_message") -> None:
        """Keep an unusable message. Those of the lanes' queues are dropped, because the work is in the record."""
        if queue == QUEUE:
            self._keep(payload, reason, "malformed")
        else:
            log.warning("door.malformed", queue=queue, code=reason)

    def _keep(self, payload: bytes, reason: str, result: str) -> None:
        """Keep the beginning of an unusable message, up to a number of them a day: whoever can write to Redis must not fill
        the database."""
        log.warning("door.malformed", queue=QUEUE, code=reason)
        metrics.DOOR_MESSAGES.labels(result).inc()
        digest = hashlib.sha256(payload).hexdigest()
        sealed = self._services.settings.vault.encrypt(payload[:KEPT_BYTES])

        def keep() -> None:
            with self._services.database.write() as tx:
                if malformed_messages.has_room_today(tx, KEPT_PER_DAY):
                    malformed_messages.keep(tx, queue=QUEUE, reason=reason, payload=sealed, digest=digest)

        self._until_recorded(keep, despite=(SQLAlchemyError,))  # there is nowhere else to keep it

    def _until_recorded(
        self, work: Callable[[], R], *, despite: tuple[type[SQLAlchemyError], ...] = DATABASE_AWAY
    ) -> R:
        """Retry until it succeeds, even while stopping: a message that is not recorded must not be acknowledged."""
        while True:
            try:
                return work()
            except despite as error:
                log.warning("door.database_away", exc_info=error)
                threading.Event().wait(RETRY_SECONDS)

    def _leave_receipt(self, practice_id: UUID, request_id: str, receipt: dict[str, Any]) -> None:
        """Leave the producer a receipt. If it gets lost, the producer sends again, which is harmless."""
        key = receipt_key(self._namespace, practice_id, request_id)
        try:
            self._client.set(key, json.dumps(receipt), ex=self._services.settings.keep_receipts_hours * 3600)
        except redis.RedisError as error:
            log.warning("door.no_receipt", exc_info=error)


def receipt_key(namespace: str, practice_id: UUID, request_id: str) -> str:
    """The Redis key of a request's receipt: the practice's id in lower case, the request's id as it is recorded."""
    return f"{namespace}:receipts:{practice_id}:{request_id}"


def _without_trace(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "traceparent"}


def _as_json(fields: dict[str, Any]) -> bytes:
    """The fields as they were sent, as nearly as they can be written."""
    try:
        return json.dumps(fields, default=str).encode()
    except RecursionError:
        return repr(sorted(fields)).encode()


def _accepted(import_id: UUID) -> dict[str, Any]:
    return {"status": "accepted", "import_id": str(import_id)}


def _address(fields: dict[str, Any]) -> tuple[UUID, str] | None:
    """The practice and request id of a request's receipt; `None` when the request does not name them."""
    request_id = fields.get("request_id")
    if not isinstance(request_id, str) or not 0 < len(request_id) <= 200:
        return None
    try:
        return UUID(str(fields.get("practice_id"))), request_id.strip()
    except ValueError:
        return None
