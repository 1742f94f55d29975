"""Activation links of welcome emails and the logins they activate. Callers pass the token's hash; the raw token never
reaches this module."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from portal_db.database import Tx
from portal_db.dialect import one_as
from portal_db.states import LoginKind
from portal_db.tables import Client, Login, Practice, WelcomeEmail
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class Invited:
    """The client and login an activation link is for, and the practice it is from, as of `now`."""

    email: WelcomeEmail
    client: Client
    practice: Practice
    login: Login
    now: datetime


def by_link(tx: Tx, token_hash: str) -> Invited | None:
    """Find whom a link is for, used or not. A newer email or a changed login replaces the link, so it is not found."""
    statement = (
        select(WelcomeEmail, Client, Practice, Login, db_now())
        .join(Client, Client.id == WelcomeEmail.client_id)
        .join(Practice, Practice.id == Client.practice_id)
        .join(Login, Login.id == Client.login_id)
        .where(WelcomeEmail.token_hash == token_hash)
    )
    return one_as(tx, Invited, statement)


def use_link(tx: Tx, token_hash: str) -> UUID | None:
    """Mark a link used, once and before it expires.

    Returns:
        The client it is for; `None` when the link is unknown, used or expired.
    """
    statement = (
        update(WelcomeEmail)
        .where(
            WelcomeEmail.token_hash == token_hash,
            WelcomeEmail.token_used_at.is_(None),
            WelcomeEmail.token_expires_at > db_now(),
        )
        .values(token_used_at=db_now())
        .returning(WelcomeEmail.client_id)
    )
    return tx.session.scalar(statement)


def activate(tx: Tx, client_id: UUID, password_hash: str) -> UUID | None:
    """Set a client's first password.

    Returns:
        The login; `None` when it is active already.
    """
    login_id = select(Client.login_id).where(Client.id == client_id).scalar_subquery()
    statement = (
        update(Login)
        .where(Login.id == login_id, Login.kind == LoginKind.CLIENT, Login.activated_at.is_(None))
        .values(password_hash=password_hash, activated_at=db_now())
        .returning(Login.id)
    )
    return tx.session.scalar(statement)
