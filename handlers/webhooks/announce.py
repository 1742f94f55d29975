"""Makes webhook deliveries for each close of an import or a batch, in the transaction that closes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from handlers.jobs.enqueue import standalone_job
from handlers.jobs.kinds import JobKind
from portal_db import webhooks
from portal_db.database import Tx
from portal_db.tables import Import, ImportEvent, WebhookEndpoint
from portal_db.webhooks import Listener
from portal_db.work import jobs
from portal_db.work.imports import Outcome


def announce(tx: Tx, closed: Sequence[tuple[Import, Outcome | None]]) -> None:
    """Make the deliveries for locked imports of one practice that have closed, each with its reason. An event has the same
    id for every endpoint and attempt."""
    endpoints = webhooks.listening(tx, closed[0][0].practice_id) if closed else ()
    if not endpoints:
        return
    last: dict[UUID, ImportEvent] = {}
    for row, outcome in closed:
        event = _announce(tx, endpoints, row, outcome)
        if row.batch_id is not None:
            last[row.batch_id] = event
    wanting = _wanting(endpoints, Event.BATCH_CLOSED)
    if wanting:
        _announce_batches(tx, wanting, last)


def _announce(tx: Tx, endpoints: Sequence[Listener], row: Import, outcome: Outcome | None) -> ImportEvent:
    event, closed = webhooks.close_of(tx, row.id, row.epoch)
    data = {
        "import_id": str(row.id),
        "epoch": row.epoch,
        "state": event.state,
        "code": outcome.code if outcome else None,
        "client_id": _text(closed.client_id),
        "batch_id": _text(closed.batch_id),
    }
    deliver(tx, _wanting(endpoints, f"import.{event.state}"), f"import.{event.state}", event.id, event.created_at, data)
    return event


def _announce_batches(tx: Tx, endpoints: Sequence[Listener], last: Mapping[UUID, ImportEvent]) -> None:
    """Announce those batches that are closed.

    Args:
        last: the event of the last import of each batch that closes now. The batches are locked in the order of ids, so that
            two transactions cannot wait for each other.
    """
    for batch_id in sorted(last):
        if webhooks.batch_is_closed(tx, batch_id):
            event = last[batch_id]
            event_id = uuid5(event.id, Event.BATCH_CLOSED)
            deliver(tx, endpoints, Event.BATCH_CLOSED, event_id, event.created_at, {"batch_id": str(batch_id)})


def deliver(
    tx: Tx,
    endpoints: Sequence[WebhookEndpoint | Listener],
    event: str,
    event_id: UUID,
    at: datetime,
    data: dict[str, Any],
) -> list[UUID]:
    """Make one delivery and its job for each endpoint that has none of this event. `data` holds ids, states and codes only.

    Returns:
        Ids of the deliveries.
    """
    payload = {"type": event, "timestamp": at.astimezone(UTC).isoformat(), "data": data}
    made: list[UUID] = []
    for endpoint in endpoints:
        delivery_id: UUID = tx.new_id()
        key = f"{JobKind.DELIVER_WEBHOOK}:{endpoint.id}:{event_id}"
        job = standalone_job(
            tx, JobKind.DELIVER_WEBHOOK, endpoint.practice_id, {"delivery_id": str(delivery_id)}, dedupe_key=key
        )
        row = {"id": delivery_id, "practice_id": endpoint.practice_id, "endpoint_id": endpoint.id, "job_id": job.id}
        if webhooks.add_delivery(tx, {**row, "event_id": event_id, "event": event, "payload": payload}):
            jobs.add(tx, [job])
            made.append(delivery_id)
    return made


def _wanting(endpoints: Sequence[Listener], event: str) -> list[Listener]:
    return [endpoint for endpoint in endpoints if event in endpoint.events]


def _text(found: UUID | None) -> str | None:
    return str(found) if found is not None else None


class Event(StrEnum):
    """A close of an import by its state, and of a batch."""

    SUCCEEDED = "import.succeeded"
    PARTLY_SUCCEEDED = "import.partly_succeeded"
    REJECTED = "import.rejected"
    FAILED = "import.failed"
    CANCELLED = "import.cancelled"
    BATCH_CLOSED = "batch.closed"


#: Not subscribed to: somebody pressed a button.
TEST = "webhook.test"
