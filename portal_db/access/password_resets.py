"""Emails with a link to set a password, forgotten or a new colleague's: one row for each request, and the intent before each
sending."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import insert, select

from portal_db.access import account_emails, credentials, people
from portal_db.access.credentials import SignIn
from portal_db.database import Tx
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
    return account_emails.begin_sending(tx, PasswordReset, reset_id, lease_token, **link)


def withdraw(tx: Tx, reset_id: UUID, lease_token: UUID) -> None:
    """End the intent of a lease that certainly sent nothing."""
    account_emails.withdraw(tx, PasswordReset, reset_id, lease_token, token_hash=None, ends_at=None)
