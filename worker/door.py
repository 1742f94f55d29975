"""The queue door: requests from portals that cannot call HTTP, taken from the queue `import_requests` into the record.

Its messages are the only ones with personal data, so they leave Redis at once. What cannot be read is kept, encrypted, for
people to look at. A receipt without personal data tells the producer; until it says accepted, the producer sends again.
"""

from __future__ import annotations

import hashlib
import json
import threading
from typing import Any
from uuid import UUID

import redis
import structlog

from handlers.flow import Bell, Services
from handlers.request_import import accept
from handlers.requests import RequestRefused, parse
from portal_db import malformed
from portal_db.database import DATABASE_AWAY

log = structlog.stdlib.get_logger(__name__)

QUEUE = "import_requests"
RECEIPT_SECONDS = 24 * 3600
RETRY_SECONDS = 1.0


class Door:
    """Takes requests in, one call a message."""

    def __init__(self, services: Services, bell: Bell, client: redis.Redis, namespace: str) -> None:
        self._services = services
        self._bell = bell
        self._client = client
        self._namespace = namespace

    def take(self, fields: dict[str, Any]) -> None:
        """Record one request, or keep it as malformed; either way leave a receipt.

        While the database is away it waits here: raising would acknowledge the message, and so lose it (P1).
        """
        try:
            request = parse(fields)
            accepted = self._until_recorded(lambda: accept(self._services.database, self._bell, request))
        except RequestRefused as refusal:
            payload = json.dumps(fields, default=str).encode()
            self.keep_malformed(QUEUE, payload, refusal.code)
            self._leave_receipt(
                fields.get("practice_id"),
                fields.get("request_id"),
                {
                    "status": "refused",
                    "code": refusal.code,
                    "field": refusal.field,
                    "message": str(refusal),
                    "remedy": refusal.remedy,
                },
            )
            return
        self._leave_receipt(
            request.practice_id, request.request_id, {"status": "accepted", "import_id": str(accepted.import_id)}
        )

    def keep_malformed(self, queue: str, payload: bytes, reason: str = "not_a_message") -> None:
        """Keep what could not be read. On the lanes' queues there is nothing worth keeping: the record has the work."""
        log.warning("door.malformed", queue=queue, code=reason)
        if queue != QUEUE:
            return
        digest = hashlib.sha256(payload).hexdigest()
        sealed = self._services.settings.vault.encrypt(payload)

        def keep() -> None:
            with self._services.database.write() as tx:
                malformed.keep(tx, queue=queue, reason=reason, payload=sealed, digest=digest)

        self._until_recorded(keep)

    def _until_recorded(self, work: Any) -> Any:
        """Do it as often as it takes. While stopping too: a message that is not recorded must not be acknowledged."""
        while True:
            try:
                return work()
            except DATABASE_AWAY as error:
                log.warning("door.database_away", exc_info=error)
                threading.Event().wait(RETRY_SECONDS)

    def _leave_receipt(self, practice_id: object, request_id: object, receipt: dict[str, Any]) -> None:
        """Tell the producer. A lost receipt makes it send again, which is harmless."""
        try:
            practice = UUID(str(practice_id))
        except ValueError:
            return
        if not isinstance(request_id, str) or not 0 < len(request_id) <= 200:
            return
        try:
            self._client.set(
                f"{self._namespace}:receipts:{practice}:{request_id.strip()}", json.dumps(receipt), ex=RECEIPT_SECONDS
            )
        except redis.RedisError as error:
            log.warning("door.no_receipt", exc_info=error)
