"""The link of a welcome email and the login behind it. Callers bring the hash of the token; the token comes not this far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from portal_db.database import Tx
from portal_db.states import LoginKind
from portal_db.tables import Client, Login, Practice, WelcomeEmail
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class Invited:
    """Whom a link is for, and which practice it is from, as of `now`."""

    email: WelcomeEmail
    client: Client
    practice: Practice
    login: Login
    now: datetime


def by_link(tx: Tx, token_hash: str) -> Invited | None:
    """Whose link this is, used or not. A newer email, and a change of the login, take the link of the one before away."""
    statement = (
        select(WelcomeEmail, Client, Practice, Login, db_now())
        .join(Client, Client.id == WelcomeEmail.client_id)
        .join(Practice, Practice.id == Client.practice_id)
        .join(Login, Login.id == Client.login_id)
        .where(WelcomeEmail.token_hash == token_hash)
    )
    found = tx.session.execute(statement).one_or_none()
    return Invited(*found) if found is not None else None


def use_link(tx: Tx, token_hash: str) -> UUID | None:
    """Take a link, once and in time.

    Returns:
        The client it is for; `None` when there is no such link, or it was used, or has ended.
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
    """Give a client's login its password, the first time.

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
