"""Webhooks: the endpoints of a practice, what is to be told to them, and how each of them answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, insert, or_, select, update

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore
from portal_db.paging import Cursor, older
from portal_db.states import OPEN_IMPORT_STATES
from portal_db.tables import Batch, Import, ImportEvent, Job, WebhookDelivery, WebhookEndpoint
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class AddressedDelivery:
    """What is to be told, and to whom, as of `now`."""

    delivery: WebhookDelivery
    endpoint: WebhookEndpoint
    now: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """A delivery with its job, as long as that is kept."""

    delivery: WebhookDelivery
    job: Job | None


# ---- endpoints ----


def add(tx: Tx, row: dict[str, Any]) -> None:
    tx.session.execute(insert(WebhookEndpoint).values(**row, failures=0, created_at=db_now()))


def of_practice(tx: Tx, practice_id: UUID) -> Sequence[WebhookEndpoint]:
    """A practice's endpoints that are not removed, disabled ones too, newest first."""
    statement = select(WebhookEndpoint).where(_is_there(practice_id))
    statement = statement.order_by(WebhookEndpoint.created_at.desc(), WebhookEndpoint.id.desc())
    return tx.session.scalars(statement).all()


def get(tx: Tx, endpoint_id: UUID, *, practice_id: UUID) -> WebhookEndpoint | None:
    statement = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id, _is_there(practice_id))
    return tx.session.scalar(statement)


def replace_secret(tx: Tx, endpoint: WebhookEndpoint, secret: bytes, *, overlap_seconds: float) -> None:
    """Sign with another secret from now on; the one before signs too for so long."""
    news = {"secret": secret, "old_secret": endpoint.secret, "old_secret_until": db_now(overlap_seconds)}
    _change(tx, WebhookEndpoint.id == endpoint.id, **news)


def remove(tx: Tx, endpoint_id: UUID, *, practice_id: UUID) -> bool:
    """Forget an endpoint's secrets and tell it no more. False when it is not there."""
    gone = {"removed_at": db_now(), "secret": None, "old_secret": None, "old_secret_until": None}
    return _change(tx, WebhookEndpoint.id == endpoint_id, _is_there(practice_id), **gone)


def page(tx: Tx, *, after: UUID | None, limit: int) -> Sequence[WebhookEndpoint]:
    """Endpoints with a secret, by id, from the one after: to encrypt them anew."""
    statement = select(WebhookEndpoint).where(WebhookEndpoint.secret.is_not(None))
    if after is not None:
        statement = statement.where(WebhookEndpoint.id > after)
    return tx.session.scalars(statement.order_by(WebhookEndpoint.id).limit(limit).with_for_update()).all()


def reseal(tx: Tx, endpoint_id: UUID, *, secret: bytes | None, old_secret: bytes | None) -> None:
    _change(tx, WebhookEndpoint.id == endpoint_id, secret=secret, old_secret=old_secret)


# ---- what is told ----


#: Built once: it runs at each close of an import.
_LISTENING = (
    select(WebhookEndpoint)
    .where(WebhookEndpoint.practice_id == bindparam("practice_id"))
    .where(WebhookEndpoint.removed_at.is_(None), WebhookEndpoint.disabled_at.is_(None))
)


def listening(tx: Tx, practice_id: UUID) -> Sequence[WebhookEndpoint]:
    """A practice's endpoints that are told of events now."""
    return tx.session.scalars(_LISTENING, {"practice_id": practice_id}).all()


def close_of(tx: Tx, import_id: UUID, epoch: int) -> tuple[ImportEvent, Import]:
    """The event of a close that was just written, and the import as it now is."""
    statement = (
        select(ImportEvent, Import)
        .join(Import, Import.id == ImportEvent.import_id)
        .where(ImportEvent.import_id == import_id, ImportEvent.epoch == epoch)
    )
    event, row = tx.session.execute(statement).one()
    return event, row


def batch_is_closed(tx: Tx, batch_id: UUID) -> bool:
    """Whether every import of a batch is closed. Of two that close at once, the later one sees the other: both lock the
    batch first."""
    locked = select(Batch.size).where(Batch.id == batch_id).with_for_update(key_share=True)
    size = tx.session.execute(locked).scalar_one()
    is_open = select(Import.id).where(Import.batch_id == batch_id, Import.state.in_(OPEN_IMPORT_STATES)).limit(1)
    if tx.session.scalar(is_open) is not None:
        return False
    return tx.session.scalar(select(func.count()).where(Import.batch_id == batch_id)) == size


def add_delivery(tx: Tx, row: dict[str, Any]) -> bool:
    """Note that an endpoint is to be told of an event. False when that is noted already: the unique index decides."""
    values = {**row, "created_at": db_now()}
    return tx.session.scalar(insert_or_ignore(tx, WebhookDelivery, values).returning(WebhookDelivery.id)) is not None


def addressed(tx: Tx, delivery_id: UUID) -> AddressedDelivery | None:
    statement = (
        select(WebhookDelivery, WebhookEndpoint, db_now())
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .where(WebhookDelivery.id == delivery_id)
    )
    found = tx.session.execute(statement).one_or_none()
    return AddressedDelivery(*found) if found is not None else None


def deliveries(tx: Tx, endpoint_id: UUID, *, limit: int, after: Cursor | None = None) -> list[Told]:
    """What an endpoint was and is to be told, newest first, from a cursor on."""
    statement = (
        select(WebhookDelivery, Job)
        .outerjoin(Job, Job.id == WebhookDelivery.job_id)
        .where(WebhookDelivery.endpoint_id == endpoint_id)
    )
    if after is not None:
        statement = statement.where(older(WebhookDelivery.created_at, WebhookDelivery.id, after))
    statement = statement.order_by(WebhookDelivery.created_at.desc(), WebhookDelivery.id.desc()).limit(limit)
    return [Told(*found) for found in tx.session.execute(statement)]


# ---- how it is taken ----


def note_status(tx: Tx, delivery_id: UUID, status: int, *, delivered: bool = False) -> None:
    """Write down the answer to a delivery."""
    values: dict[str, Any] = {"status": status}
    if delivered:
        values["delivered_at"] = db_now()
    statement = update(WebhookDelivery).where(WebhookDelivery.id == delivery_id).values(**values)
    tx.session.execute(statement)


def note_success(tx: Tx, endpoint_id: UUID, *, enable: bool = False) -> None:
    """The endpoint takes deliveries. `enable`: and is told of events again, if it was disabled."""
    well: dict[str, Any] = {"failures": 0, "failing_since": None, "resting_until": None}
    if enable:
        _change(tx, WebhookEndpoint.id == endpoint_id, **well, disabled_at=None, disabled_reason=None)
    else:
        _change(tx, WebhookEndpoint.id == endpoint_id, WebhookEndpoint.failures > 0, **well)


def note_failure(tx: Tx, endpoint: WebhookEndpoint, *, rest_seconds: float) -> bool:
    """The endpoint did not take a delivery, and rests for so long. False when it rests already: what was under way then and
    fails too says nothing new."""
    awake = or_(WebhookEndpoint.resting_until.is_(None), WebhookEndpoint.resting_until <= db_now())
    return _change(
        tx,
        WebhookEndpoint.id == endpoint.id,
        awake,
        failures=WebhookEndpoint.failures + 1,
        failing_since=func.coalesce(WebhookEndpoint.failing_since, db_now()),
        resting_until=db_now(rest_seconds),
    )


def disable(tx: Tx, endpoint_id: UUID, reason: str, *, failing_for_seconds: float | None = None) -> bool:
    """Tell an endpoint no more, and say why; with a time, only if nothing was taken there for so long."""
    conditions = [WebhookEndpoint.id == endpoint_id, WebhookEndpoint.disabled_at.is_(None)]
    if failing_for_seconds is not None:
        conditions.append(WebhookEndpoint.failing_since < db_now(-failing_for_seconds))
    return _change(tx, *conditions, disabled_at=db_now(), disabled_reason=reason[:200])


def _is_there(practice_id: UUID) -> ColumnElement[bool]:
    return (WebhookEndpoint.practice_id == practice_id) & WebhookEndpoint.removed_at.is_(None)


def _change(tx: Tx, *conditions: ColumnElement[bool], **values: Any) -> bool:
    statement = update(WebhookEndpoint).where(*conditions).values(**values).returning(WebhookEndpoint.id)
    return tx.session.scalar(statement) is not None
