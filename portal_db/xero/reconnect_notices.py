"""Emails that ask a staff member to reconnect: one row for each break of a connection, and the intent before sending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore
from portal_db.states import EmailState
from portal_db.tables import Login, Practice, ReconnectNotice, Staff, XpmConnection
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class AddressedNotice:
    """A notice, the connection it is about, whose that is, where they work, and the login with their address."""

    notice: ReconnectNotice
    connection: XpmConnection
    staff: Staff
    practice: Practice
    login: Login


def add(tx: Tx, connection_id: UUID, number: int) -> UUID | None:
    """Note that this break is to be told. `None` when that is noted already: the unique index decides."""
    row = {
        "id": tx.new_id(),
        "connection_id": connection_id,
        "number": number,
        "state": EmailState.PENDING,
        "created_at": db_now(),
    }
    added: UUID | None = tx.session.scalar(insert_or_ignore(tx, ReconnectNotice, row).returning(ReconnectNotice.id))
    return added


def addressed(tx: Tx, notice_id: UUID) -> AddressedNotice:
    statement = (
        select(ReconnectNotice, XpmConnection, Staff, Practice, Login)
        .join(XpmConnection, XpmConnection.id == ReconnectNotice.connection_id)
        .join(Staff, Staff.id == XpmConnection.staff_id)
        .join(Practice, Practice.id == Staff.practice_id)
        .join(Login, Login.id == Staff.login_id)
        .where(ReconnectNotice.id == notice_id)
    )
    return AddressedNotice(*tx.session.execute(statement).one())


def begin_sending(tx: Tx, notice_id: UUID, lease_token: UUID) -> bool:
    """Commit the intent to send. False when it is not pending (any more)."""
    return _move(tx, notice_id, EmailState.PENDING, state=EmailState.SENDING, sending_token=lease_token)


def finish_sending(tx: Tx, notice_id: UUID, lease_token: UUID, state: EmailState) -> bool:
    """End our own intent: sent, refused, or (known not to be sent) pending again."""
    sent_at = db_now() if state is EmailState.SENT else None
    return _move(tx, notice_id, EmailState.SENDING, lease_token, state=state, sent_at=sent_at)


def mark_unknown(tx: Tx, notice_id: UUID) -> None:
    """Found in `sending` by somebody who did not begin it: whether it went out cannot be known."""
    _move(tx, notice_id, EmailState.SENDING, state=EmailState.UNKNOWN)


def cancel(tx: Tx, notice_id: UUID) -> None:
    """Nobody needs to be told any more."""
    _move(tx, notice_id, EmailState.PENDING, state=EmailState.CANCELLED)


def _move(tx: Tx, notice_id: UUID, before: EmailState, token: UUID | None = None, **values: Any) -> bool:
    statement = update(ReconnectNotice).where(ReconnectNotice.id == notice_id, ReconnectNotice.state == before)
    if token is not None:
        statement = statement.where(ReconnectNotice.sending_token == token)
    statement = statement.values(**values).returning(ReconnectNotice.id)
    return tx.session.scalar(statement) is not None
