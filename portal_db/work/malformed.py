"""Messages on the import queue that could not be read: kept encrypted, once each, until somebody looks."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select, update

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore
from portal_db.tables import MalformedMessage
from portal_db.types import db_now


def keep(tx: Tx, *, queue: str, reason: str, payload: bytes, digest: str) -> None:
    """Store an encrypted payload; the same payload again is one row (its digest is unique)."""
    row = {
        "id": tx.new_id(),
        "queue": queue,
        "reason": reason,
        "payload": payload,
        "digest": digest,
        "received_at": db_now(),
    }
    tx.session.execute(insert_or_ignore(tx, MalformedMessage, row))


def page(tx: Tx, *, after: UUID | None, limit: int) -> list[MalformedMessage]:
    """Messages in the order of their ids, from the one after."""
    statement = select(MalformedMessage).order_by(MalformedMessage.id).limit(limit)
    if after is not None:
        statement = statement.where(MalformedMessage.id > after)
    return list(tx.session.scalars(statement))


def reseal(tx: Tx, message_id: UUID, payload: bytes) -> None:
    """Put the same payload, encrypted with another key, in its own place."""
    statement = update(MalformedMessage).where(MalformedMessage.id == message_id).values(payload=payload)
    tx.session.execute(statement)
