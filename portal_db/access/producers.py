"""Producers of queue messages: their encrypted secrets, and the practices that they may request imports for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, insert, or_, select

from portal_db.database import Tx
from portal_db.dialect import has_row, insert_rows, update_rows
from portal_db.overlap import replaced
from portal_db.paging import by_id
from portal_db.tables import Producer, ProducerPractice
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class KnownProducer:
    """A producer with the practices that it may request imports for."""

    producer: Producer
    practice_ids: list[UUID]


def add(tx: Tx, row: dict[str, Any], practice_ids: Collection[UUID]) -> None:
    tx.session.execute(insert(Producer).values(**row, created_at=db_now()))
    insert_rows(
        tx, ProducerPractice, [{"producer_id": row["id"], "practice_id": practice_id} for practice_id in practice_ids]
    )


def listing(tx: Tx) -> list[KnownProducer]:
    """All producers, revoked ones too, newest first."""
    practices: dict[UUID, list[UUID]] = {}
    for producer_id, practice_id in tx.session.execute(
        select(ProducerPractice.producer_id, ProducerPractice.practice_id).order_by(ProducerPractice.practice_id)
    ):
        practices.setdefault(producer_id, []).append(practice_id)
    rows = tx.session.scalars(select(Producer).order_by(Producer.created_at.desc(), Producer.id.desc()))
    return [KnownProducer(row, practices.get(row.id, [])) for row in rows]


def live_secrets(tx: Tx, producer_id: UUID) -> list[bytes]:
    """The encrypted secrets that a producer may sign with now; none when it is unknown or revoked."""
    old = case((Producer.old_secret_until > db_now(), Producer.old_secret))
    found = tx.session.execute(select(Producer.secret, old).where(Producer.id == producer_id)).one_or_none()
    return [secret for secret in found or () if secret is not None]


def serves(tx: Tx, producer_id: UUID, practice_id: UUID) -> bool:
    """Whether a producer may request imports for a practice."""
    return has_row(tx, and_(ProducerPractice.producer_id == producer_id, ProducerPractice.practice_id == practice_id))


def replace_secret(tx: Tx, producer_id: UUID, secret: bytes, *, overlap_seconds: float) -> bool:
    """Accept another secret from now on; the one before too, for `overlap_seconds` (`replaced`). False when there is no such
    live producer."""
    values = replaced(Producer, secret, overlap_seconds=overlap_seconds)
    return bool(update_rows(tx, Producer, Producer.id == producer_id, Producer.revoked_at.is_(None), **values))


def revoke(tx: Tx, producer_id: UUID) -> bool:
    """Revoke a producer and delete its secrets. False when there is no such live producer."""
    gone = {"revoked_at": db_now(), "secret": None, "old_secret": None, "old_secret_until": None}
    return bool(update_rows(tx, Producer, Producer.id == producer_id, Producer.revoked_at.is_(None), **gone))


def page(tx: Tx, *, after: UUID | None, limit: int) -> Sequence[Producer]:
    """Producers with a secret, in the order of ids, locked: for encrypting the secrets with another key."""
    statement = select(Producer).where(or_(Producer.secret.is_not(None), Producer.old_secret.is_not(None)))
    return tx.session.scalars(by_id(statement.with_for_update(), Producer.id, after=after, limit=limit)).all()


def reseal(tx: Tx, producer_id: UUID, *, secret: bytes | None, old_secret: bytes | None) -> None:
    """Store the same secrets, encrypted with another key."""
    update_rows(tx, Producer, Producer.id == producer_id, secret=secret, old_secret=old_secret)
