"""Webhooks: a practice's endpoints, the deliveries to them, and the health of each endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, insert, literal, literal_column, select

from portal_db import bulk
from portal_db.database import Tx
from portal_db.dialect import count_rows, has_row, insert_or_ignore, one_as, update_rows
from portal_db.overlap import replaced
from portal_db.paging import Cursor, by_id, newest_first
from portal_db.states import OPEN_JOB_STATES
from portal_db.tables import Batch, Import, ImportEvent, Job, WebhookDelivery, WebhookEndpoint
from portal_db.types import db_now, has_ended
from portal_db.work.due import import_is_open, state_of_found


@dataclass(frozen=True, slots=True)
class Listener:
    """An endpoint that receives events now, and which."""

    id: UUID
    practice_id: UUID
    events: Sequence[str]


@dataclass(frozen=True, slots=True)
class AddressedDelivery:
    """A delivery and the endpoint it goes to, as of `now`."""

    delivery: WebhookDelivery
    endpoint: WebhookEndpoint
    now: datetime


@dataclass(frozen=True, slots=True)
class DeliveryWithJob:
    """A delivery with its job; `None` once retention has deleted the job."""

    delivery: WebhookDelivery
    job: Job | None


# ---- endpoints ----


def add(tx: Tx, row: dict[str, Any]) -> None:
    tx.session.execute(insert(WebhookEndpoint).values(**row, failures=0, created_at=db_now()))


def of_practice(tx: Tx, practice_id: UUID) -> Sequence[WebhookEndpoint]:
    """A practice's endpoints, newest first; disabled ones too, removed ones not."""
    statement = select(WebhookEndpoint).where(_of_practice(practice_id))
    statement = statement.order_by(WebhookEndpoint.created_at.desc(), WebhookEndpoint.id.desc())
    return tx.session.scalars(statement).all()


def get(tx: Tx, endpoint_id: UUID, *, practice_id: UUID) -> WebhookEndpoint | None:
    return tx.session.scalar(
        select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id, _of_practice(practice_id))
    )


def replace_secret(tx: Tx, endpoint_id: UUID, secret: bytes, *, overlap_seconds: float) -> None:
    """Sign with another secret from now on; the one before signs too, for `overlap_seconds` (`replaced`)."""
    values = replaced(WebhookEndpoint, secret, overlap_seconds=overlap_seconds)
    update_rows(tx, WebhookEndpoint, WebhookEndpoint.id == endpoint_id, **values)


def remove(tx: Tx, endpoint_id: UUID, *, practice_id: UUID) -> bool:
    """Remove an endpoint and delete its secrets. False when the practice has no such endpoint."""
    gone = {"removed_at": db_now(), "secret": None, "old_secret": None, "old_secret_until": None}
    conditions = (WebhookEndpoint.id == endpoint_id, _of_practice(practice_id))
    return bool(update_rows(tx, WebhookEndpoint, *conditions, **gone))


def page(tx: Tx, *, after: UUID | None, limit: int) -> Sequence[WebhookEndpoint]:
    """Endpoints with a secret, in the order of ids, locked: for encrypting the secrets with another key."""
    statement = select(WebhookEndpoint).where(WebhookEndpoint.secret.is_not(None)).with_for_update()
    return tx.session.scalars(by_id(statement, WebhookEndpoint.id, after=after, limit=limit)).all()


def reseal(tx: Tx, endpoint_id: UUID, *, secret: bytes | None, old_secret: bytes | None) -> None:
    """Store the same secrets, encrypted with another key."""
    update_rows(tx, WebhookEndpoint, WebhookEndpoint.id == endpoint_id, secret=secret, old_secret=old_secret)


# ---- deliveries ----


#: Built once: it runs at each close of an import.
_LISTENING = (
    select(WebhookEndpoint.id, WebhookEndpoint.practice_id, WebhookEndpoint.events)
    .where(WebhookEndpoint.practice_id == bindparam("of_practice"))
    .where(WebhookEndpoint.removed_at.is_(None), WebhookEndpoint.disabled_at.is_(None))
)


def listening(tx: Tx, practice_id: UUID) -> list[Listener]:
    """A practice's endpoints that receive events now: neither removed nor disabled. What waits (`bulk.together`) goes with
    this statement."""
    return [Listener(*row) for row in bulk.read(tx, _LISTENING, {"of_practice": practice_id})]


def close_of(tx: Tx, import_id: UUID, epoch: int) -> tuple[ImportEvent, Import]:
    """The event of an import's close, and the import as it now is."""
    statement = (
        select(ImportEvent, Import)
        .join(Import, Import.id == ImportEvent.import_id)
        .where(ImportEvent.import_id == import_id, ImportEvent.epoch == epoch)
    )
    event, row = tx.session.execute(statement).one()
    return event, row


def batch_is_closed(tx: Tx, batch_id: UUID) -> bool:
    """Whether every import of a batch is closed. The batch is locked first, so of two imports that close at once the later
    one sees the other."""
    locked = select(Batch.practice_id, Batch.size).where(Batch.id == batch_id).with_for_update(key_share=True)
    practice_id, size = tx.session.execute(locked).one()
    if tx.session.scalar(_OPEN_OF_BATCH, {"practice_id": practice_id, "batch_id": batch_id}) is not None:
        return False
    return count_rows(tx, Import.batch_id == batch_id) == size


#: A practice's open imports, one by one from their own index. An OFFSET is not looked through: if PostgreSQL looked for the
#: batch first, it would read those that are closed too.
_OPEN = (
    select(Import.batch_id)
    .where(Import.practice_id == bindparam("practice_id"), import_is_open())
    .order_by(Import.created_at, Import.id)
    .offset(literal_column("0"))
    .subquery("open_imports")
)
_OPEN_OF_BATCH = select(literal(1)).where(_OPEN.c.batch_id == bindparam("batch_id")).limit(1)


def add_delivery(tx: Tx, row: dict[str, Any]) -> bool:
    """Record a delivery of an event to an endpoint. False when it is recorded already: the unique index decides."""
    return insert_or_ignore(tx, WebhookDelivery, {**row, "created_at": db_now()})


def addressed(tx: Tx, delivery_id: UUID) -> AddressedDelivery | None:
    statement = (
        select(WebhookDelivery, WebhookEndpoint, db_now())
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .where(WebhookDelivery.id == delivery_id)
    )
    return one_as(tx, AddressedDelivery, statement)


def has_open_test(tx: Tx, endpoint: WebhookEndpoint) -> bool:
    """Whether an endpoint's last test has not ended yet."""
    return has_row(
        tx,
        WebhookDelivery.id == endpoint.test_id,
        Job.id == WebhookDelivery.job_id,
        state_of_found.in_(OPEN_JOB_STATES),
    )


def begin_test(tx: Tx, endpoint: WebhookEndpoint, delivery_id: UUID) -> bool:
    """Make a delivery an endpoint's open test. False while there is one: of two at once the compare-and-set decides."""
    if has_open_test(tx, endpoint):
        return False
    is_last = WebhookEndpoint.test_id.is_not_distinct_from(endpoint.test_id)
    return bool(update_rows(tx, WebhookEndpoint, WebhookEndpoint.id == endpoint.id, is_last, test_id=delivery_id))


def deliveries(tx: Tx, endpoint_id: UUID, *, limit: int, after: Cursor | None = None) -> list[DeliveryWithJob]:
    """A page of an endpoint's deliveries, past and pending, newest first."""
    statement = (
        select(WebhookDelivery, Job)
        .outerjoin(Job, Job.id == WebhookDelivery.job_id)
        .where(WebhookDelivery.endpoint_id == endpoint_id)
    )
    page = newest_first(statement, WebhookDelivery.created_at, WebhookDelivery.id, after=after, limit=limit)
    return [DeliveryWithJob(*found) for found in tx.session.execute(page)]


# ---- the health of an endpoint ----

_ENABLED = {"disabled_at": None, "disabled_reason": None}


def note_status(tx: Tx, delivery_id: UUID, status: int, *, delivered: bool = False) -> None:
    """Record the HTTP status that answered a delivery."""
    values: dict[str, Any] = {"status": status}
    if delivered:
        values["delivered_at"] = db_now()
    update_rows(tx, WebhookDelivery, WebhookDelivery.id == delivery_id, **values)


def note_success(tx: Tx, endpoint_id: UUID, *, enable: bool = False) -> None:
    """Clear an endpoint's failures. `enable`: if it was disabled, it receives events again."""
    healthy = {"failures": 0, **dict.fromkeys(("failing_since", "slow_since", "resting_until"))}
    if enable:
        update_rows(tx, WebhookEndpoint, WebhookEndpoint.id == endpoint_id, **healthy, **_ENABLED)
    else:
        update_rows(tx, WebhookEndpoint, WebhookEndpoint.id == endpoint_id, WebhookEndpoint.failures > 0, **healthy)


def note_failure(tx: Tx, endpoint: WebhookEndpoint, *, rest_seconds: float) -> bool:
    """Count a failed delivery and stop delivering to the endpoint for `rest_seconds`. False when it is resting already: a
    delivery that was under way then says nothing new."""
    return _rest(tx, endpoint, rest_seconds, failing_since=func.coalesce(WebhookEndpoint.failing_since, db_now()))


def note_slow_success(tx: Tx, endpoint: WebhookEndpoint, *, rest_seconds: float, enable: bool = False) -> None:
    """Record that an endpoint accepts deliveries, but slowly: it rests as after a failure. `enable`: as above."""
    slow_since = func.coalesce(WebhookEndpoint.slow_since, db_now())
    enabled = _ENABLED if enable else {}
    update_rows(
        tx, WebhookEndpoint, WebhookEndpoint.id == endpoint.id, failing_since=None, slow_since=slow_since, **enabled
    )
    _rest(tx, endpoint, rest_seconds)


def _rest(tx: Tx, endpoint: WebhookEndpoint, seconds: float, **values: Any) -> bool:
    awake = has_ended(WebhookEndpoint.resting_until, seconds)
    rest = {"failures": WebhookEndpoint.failures + 1, "resting_until": db_now(seconds), **values}
    return bool(update_rows(tx, WebhookEndpoint, WebhookEndpoint.id == endpoint.id, awake, **rest))


def disable(tx: Tx, endpoint_id: UUID, reason: str, *, failing_for_seconds: float | None = None) -> bool:
    """Stop sending events to an endpoint; with a time, only if it has been failing for longer than that."""
    conditions = [WebhookEndpoint.id == endpoint_id, WebhookEndpoint.disabled_at.is_(None)]
    if failing_for_seconds is not None:
        conditions.append(WebhookEndpoint.failing_since < db_now(-failing_for_seconds))
    return bool(update_rows(tx, WebhookEndpoint, *conditions, disabled_at=db_now(), disabled_reason=reason[:200]))


def _of_practice(practice_id: UUID) -> ColumnElement[bool]:
    return (WebhookEndpoint.practice_id == practice_id) & WebhookEndpoint.removed_at.is_(None)
