"""Emails that ask a staff member to reconnect: one row for each break of a connection, and the intent before each
sending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, true

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore, update_rows
from portal_db.states import EmailState
from portal_db.tables import Login, Practice, ReconnectNotice, Staff, XpmConnection
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class AddressedNotice:
    """A notice, the connection it is about, the connection's owner, their practice, and the login with their address."""

    notice: ReconnectNotice
    connection: XpmConnection
    staff: Staff
    practice: Practice
    login: Login


def add(tx: Tx, connection_id: UUID, number: int) -> UUID | None:
    """Record the notice of a connection's break. `None` when it is recorded already: the unique index decides."""
    notice_id = tx.new_id()
    row = {"id": notice_id, "connection_id": connection_id, "number": number, "state": EmailState.PENDING}
    return notice_id if insert_or_ignore(tx, ReconnectNotice, {**row, "created_at": db_now()}) else None


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
    """Record the intent to send. False when the notice is not pending."""
    return _move(tx, notice_id, EmailState.PENDING, state=EmailState.SENDING, sending_token=lease_token)


def finish_sending(tx: Tx, notice_id: UUID, lease_token: UUID, state: EmailState) -> bool:
    """End the intent that this lease began: sent, refused, or (known not to be sent) pending again."""
    sent_at = db_now() if state is EmailState.SENT else None
    return _move(tx, notice_id, EmailState.SENDING, lease_token, state=state, sent_at=sent_at)


def mark_unknown(tx: Tx, notice_id: UUID) -> None:
    """Mark a notice unknown that an interrupted attempt left in `sending`: whether it was sent cannot be known."""
    _move(tx, notice_id, EmailState.SENDING, state=EmailState.UNKNOWN)


def cancel(tx: Tx, notice_id: UUID) -> None:
    """Cancel a pending notice: the connection works again or is gone."""
    _move(tx, notice_id, EmailState.PENDING, state=EmailState.CANCELLED)


def _move(tx: Tx, notice_id: UUID, before: EmailState, token: UUID | None = None, **values: Any) -> bool:
    is_in_state = (ReconnectNotice.id == notice_id, ReconnectNotice.state == before)
    is_ours = ReconnectNotice.sending_token == token if token is not None else true()
    return bool(update_rows(tx, ReconnectNotice, *is_in_state, is_ours, **values))
