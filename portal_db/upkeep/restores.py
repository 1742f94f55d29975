"""Restores: when the database was put back from a backup, and what it says that may not be so any more."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from portal_db.database import Tx
from portal_db.states import EmailState
from portal_db.tables import Pause, ReconnectNotice, Restore, WelcomeEmail
from portal_db.types import db_now


def begin(tx: Tx, restore_id: UUID, operator_id: UUID, *, reason: str) -> None:
    """Note a restore, and pause everything under the same id."""
    tx.session.execute(insert(Restore).values(id=restore_id, begun_by=operator_id, begun_at=db_now()))
    # A pause that names no practice, lane or kind matches every job.
    paused = {"id": restore_id, "reason": reason, "paused_by": operator_id, "created_at": db_now()}
    tx.session.execute(insert(Pause).values(**paused))


def unfinished(tx: Tx) -> Restore | None:
    statement = select(Restore).where(Restore.finished_at.is_(None)).order_by(Restore.begun_at)
    return tx.session.scalar(statement.limit(1).with_for_update())


def finish(tx: Tx, restore_id: UUID) -> None:
    """Note its end, and lift its pause if somebody has not done so."""
    statement = update(Restore).where(Restore.id == restore_id).values(finished_at=db_now())
    tx.session.execute(statement)
    tx.session.execute(delete(Pause).where(Pause.id == restore_id))


def was_after(tx: Tx, moment: datetime) -> bool:
    """Whether the database was put back from a backup since."""
    return tx.session.scalar(select(Restore.id).where(Restore.begun_at >= moment).limit(1)) is not None


def mark_unsent_emails_unknown(tx: Tx) -> int:
    """Mark every email unknown that the backup says is still to be sent: it may have left after the backup was made.

    Returns:
        How many welcome emails these are.
    """
    unsent = (EmailState.PENDING, EmailState.SENDING)
    for table in (ReconnectNotice, WelcomeEmail):
        statement = update(table).where(table.state.in_(unsent)).values(state=EmailState.UNKNOWN)
        found = tx.session.scalars(statement.returning(table.id)).all()
    return len(found)
