"""Emails with a link to set a password, forgotten or a new colleague's: one row for each request, and the intent before each
sending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, insert, select

from portal_db.access import credentials, people
from portal_db.access.credentials import SignIn
from portal_db.database import Tx
from portal_db.dialect import update_rows
from portal_db.states import EmailState
from portal_db.tables import PasswordReset
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class AddressedReset:
    """A request, whether it is recent enough to be wanted, and who it is for, unless they may not sign in any more."""

    reset: PasswordReset
    is_recent: bool
    found: SignIn | None
    practice_name: str


def add(tx: Tx, login_id: UUID, *, is_invitation: bool = False) -> UUID:
    """Record a request, or the invitation of a new colleague."""
    reset_id = tx.new_id()
    row = {"id": reset_id, "login_id": login_id, "state": EmailState.PENDING, "is_invitation": is_invitation}
    row["created_at"] = db_now()
    tx.session.execute(insert(PasswordReset).values(row))
    return reset_id


def addressed(tx: Tx, reset_id: UUID, *, wanted_seconds: float) -> AddressedReset | None:
    """A request and its addressee; `None` when it was deleted since."""
    statement = select(PasswordReset, PasswordReset.created_at > db_now(-wanted_seconds))
    row = tx.session.execute(statement.where(PasswordReset.id == reset_id)).one_or_none()
    if row is None:
        return None
    reset, is_recent = row
    found = credentials.by_login(tx, reset.login_id)
    practice = people.get_practice(tx, found.practice_id) if found is not None else None
    return AddressedReset(reset, is_recent, found, practice.name if practice is not None else "")


def begin_sending(tx: Tx, reset_id: UUID, lease_token: UUID, *, token_hash: str, valid_seconds: float) -> bool:
    """Record the intent to send this link, which works from now on. False when the email is not pending."""
    link = {"token_hash": token_hash, "ends_at": db_now(valid_seconds)}
    is_pending = PasswordReset.state == EmailState.PENDING
    return _move(tx, reset_id, is_pending, state=EmailState.SENDING, sending_token=lease_token, **link)


def withdraw(tx: Tx, reset_id: UUID, lease_token: UUID) -> None:
    """End the intent of a lease that certainly sent nothing."""
    link = {"token_hash": None, "ends_at": None}
    _move(tx, reset_id, PasswordReset.sending_token == lease_token, state=EmailState.PENDING, **link)


def finish(tx: Tx, reset_id: UUID, state: EmailState) -> None:
    """Record what became of the email, unless that is decided."""
    sent_at = db_now() if state is EmailState.SENT else None
    is_open = PasswordReset.state.in_((EmailState.PENDING, EmailState.SENDING))
    _move(tx, reset_id, is_open, state=state, sent_at=sent_at)


def _move(tx: Tx, reset_id: UUID, condition: ColumnElement[bool], **values: Any) -> bool:
    return bool(update_rows(tx, PasswordReset, PasswordReset.id == reset_id, condition, **values))
