"""Messages on the import queue that could not be used: the beginning of each is kept encrypted, for people to look at."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from portal_db.database import Tx
from portal_db.dialect import delete_rows, insert_or_ignore, update_rows
from portal_db.paging import by_id
from portal_db.tables import MalformedMessage
from portal_db.types import db_now


def keep(tx: Tx, *, queue: str, reason: str, payload: bytes, digest: str) -> None:
    """Store an encrypted payload; the same payload is stored once (its digest is unique)."""
    row = {"id": tx.new_id(), "queue": queue, "reason": reason, "payload": payload, "digest": digest}
    insert_or_ignore(tx, MalformedMessage, {**row, "received_at": db_now()})


def has_room_today(tx: Tx, most: int) -> bool:
    """Whether fewer than `most` messages were kept in the last 24 hours."""
    recent = select(MalformedMessage.id).where(MalformedMessage.received_at > db_now(-86_400)).offset(most - 1).limit(1)
    return tx.session.scalar(recent) is None


def page(tx: Tx, *, after: UUID | None, limit: int) -> list[MalformedMessage]:
    """Messages in the order of ids."""
    return list(tx.session.scalars(by_id(select(MalformedMessage), MalformedMessage.id, after=after, limit=limit)))


def get(tx: Tx, message_id: UUID) -> MalformedMessage | None:
    return tx.get(MalformedMessage, message_id)


def delete(tx: Tx, message_id: UUID) -> None:
    delete_rows(tx, MalformedMessage, MalformedMessage.id == message_id)


def reseal(tx: Tx, message_id: UUID, payload: bytes) -> None:
    """Store the same payload, encrypted with another key."""
    update_rows(tx, MalformedMessage, MalformedMessage.id == message_id, payload=payload)
