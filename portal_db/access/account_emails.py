"""The intent before each sending of an email about somebody's own account, whichever table it is in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement

from portal_db.database import Tx
from portal_db.dialect import update_rows
from portal_db.states import EmailState
from portal_db.tables import CoOwnerInvitation, PasswordReset, SecurityNotice
from portal_db.types import db_now

#: A table with one row for each email.
Table = type[PasswordReset] | type[SecurityNotice] | type[CoOwnerInvitation]


def begin_sending(tx: Tx, table: Table, email_id: UUID, lease_token: UUID, **values: Any) -> bool:
    """Record the intent to send. False when the email is not pending."""
    is_pending = table.state == EmailState.PENDING
    return _move(tx, table, email_id, is_pending, state=EmailState.SENDING, sending_token=lease_token, **values)


def withdraw(tx: Tx, table: Table, email_id: UUID, lease_token: UUID, **values: Any) -> None:
    """End the intent of a lease that certainly sent nothing."""
    _move(tx, table, email_id, table.sending_token == lease_token, state=EmailState.PENDING, **values)


def finish(tx: Tx, table: Table, email_id: UUID, state: EmailState) -> None:
    """Record what became of the email, unless that is decided."""
    sent_at = db_now() if state is EmailState.SENT else None
    is_open = table.state.in_((EmailState.PENDING, EmailState.SENDING))
    _move(tx, table, email_id, is_open, state=state, sent_at=sent_at)


def _move(tx: Tx, table: Table, email_id: UUID, condition: ColumnElement[bool], **values: Any) -> bool:
    return bool(update_rows(tx, table, table.id == email_id, condition, **values))
