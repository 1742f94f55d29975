"""Restores of the database from a backup: when they happened, and marking what the backup may have wrong."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, insert, select

from portal_db.database import Tx
from portal_db.dialect import delete_rows, update_rows
from portal_db.states import EmailState
from portal_db.tables import (
    ClientSession,
    CoOwnerInvitation,
    OperatorSession,
    PasswordLink,
    PasswordReset,
    Pause,
    PendingSignIn,
    ReconnectNotice,
    Restore,
    SecondFactor,
    SecurityNotice,
    StaffSession,
    TaskEmail,
    WelcomeEmail,
)
from portal_db.types import db_now


def begin(tx: Tx, restore_id: UUID, operator_id: UUID, *, reason: str) -> None:
    """Record a restore, and pause everything under the same id."""
    tx.session.execute(insert(Restore).values(id=restore_id, begun_by=operator_id, begun_at=db_now()))
    # A pause that names no practice, lane or kind matches every job.
    paused = {"id": restore_id, "reason": reason, "paused_by": operator_id, "created_at": db_now()}
    tx.session.execute(insert(Pause).values(**paused))


def unfinished(tx: Tx) -> Restore | None:
    statement = select(Restore).where(Restore.finished_at.is_(None)).order_by(Restore.begun_at)
    return tx.session.scalar(statement.limit(1).with_for_update())


def finish(tx: Tx, restore_id: UUID) -> None:
    """Record the end of a restore, and end its pause if nobody has done so."""
    update_rows(tx, Restore, Restore.id == restore_id, finished_at=db_now())
    delete_rows(tx, Pause, Pause.id == restore_id)


#: When the database was last restored from a backup.
LATEST = select(func.max(Restore.begun_at)).scalar_subquery()


def mark_unsent_emails_unknown(tx: Tx) -> int:
    """Mark every email unknown that is unsent according to the backup: it may have been sent after the backup was made.

    Returns:
        How many welcome emails there were.
    """
    unsent = (EmailState.PENDING, EmailState.SENDING)
    for table in (ReconnectNotice, PasswordReset, SecurityNotice, TaskEmail, CoOwnerInvitation):
        update_rows(tx, table, table.state.in_(unsent), state=EmailState.UNKNOWN)
    return update_rows(tx, WelcomeEmail, WelcomeEmail.state.in_(unsent), state=EmailState.UNKNOWN)


def end_access(tx: Tx) -> None:
    """End every session, sign-in, remembered browser and link for a colleague's password: each may have ended since the
    backup was made. Links that activate a client's account stay, or all who were invited would have to be invited again."""
    for table in (StaffSession, ClientSession, OperatorSession, PendingSignIn, PasswordLink):
        delete_rows(tx, table)
    update_rows(tx, PasswordReset, PasswordReset.ends_at > db_now(), ends_at=db_now())
    update_rows(tx, SecondFactor, browsers_key=tx.new_id())
