"""API keys, staff sessions, passwords and the links to set them. Callers pass hashes; no secret reaches this module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, insert, or_, select, update

from portal_db.database import Tx
from portal_db.dialect import delete_rows, has_row, insert_or_replace, one_as, update_rows
from portal_db.states import LoginKind
from portal_db.tables import ApiKey, Login, PasswordLink, Staff, StaffSession
from portal_db.types import db_now


def add_key(tx: Tx, row: dict[str, Any]) -> None:
    tx.session.execute(insert(ApiKey).values(**row, created_at=db_now()))


def live_key(tx: Tx, key_hash: str) -> ApiKey | None:
    """The key with this hash, unless it has ended."""
    return tx.session.scalar(select(ApiKey).where(ApiKey.key_hash == key_hash, _key_is_live()))


def keys_of(tx: Tx, practice_id: UUID) -> list[ApiKey]:
    """A practice's keys, ended ones too, newest first."""
    statement = select(ApiKey).where(ApiKey.practice_id == practice_id)
    return list(tx.session.scalars(statement.order_by(ApiKey.created_at.desc(), ApiKey.id.desc())))


def end_key(tx: Tx, key_id: UUID, *, practice_id: UUID, after_seconds: float = 0) -> ApiKey | None:
    """End a live key after `after_seconds`, unless it ends sooner. `None`: the practice has no such live key."""
    ends = db_now(after_seconds)
    statement = (
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.practice_id == practice_id, _key_is_live())
        .where(or_(ApiKey.ends_at.is_(None), ApiKey.ends_at > ends))
        .values(ends_at=ends)
        .returning(ApiKey)
    )
    return tx.session.scalar(statement)


def _key_is_live() -> ColumnElement[bool]:
    return or_(ApiKey.ends_at.is_(None), ApiKey.ends_at > db_now())


@dataclass(frozen=True, slots=True)
class SignIn:
    """A staff member who may sign in, with their login."""

    staff: Staff
    login: Login


def by_email(tx: Tx, email_key: str) -> SignIn | None:
    """The staff member with this login email who still works there."""
    statement = select(Staff, Login).join(Login, Login.id == Staff.login_id).where(Login.email_key == email_key)
    return _sign_in(tx, statement)


def by_session(tx: Tx, token_hash: str) -> SignIn | None:
    """The staff member whose session this is, while it is live and they still work there."""
    statement = (
        select(Staff, Login)
        .join(Login, Login.id == Staff.login_id)
        .join(StaffSession, StaffSession.staff_id == Staff.id)
        .where(StaffSession.token_hash == token_hash)
        .where(StaffSession.idle_until > db_now(), StaffSession.ends_at > db_now())
    )
    return _sign_in(tx, statement)


def _sign_in(tx: Tx, statement: Select[Staff, Login]) -> SignIn | None:
    return one_as(tx, SignIn, statement.where(Staff.left_at.is_(None)))


def begin_session(tx: Tx, row: dict[str, Any], *, idle_seconds: float, seconds: float) -> None:
    """Record a session, and delete every session that has ended, whoever's it was."""
    delete_rows(tx, StaffSession, or_(StaffSession.idle_until < db_now(), StaffSession.ends_at < db_now()))
    times = {"created_at": db_now(), "idle_until": db_now(idle_seconds), "ends_at": db_now(seconds)}
    tx.session.execute(insert(StaffSession).values(**row, **times))


def is_idle_within(tx: Tx, token_hash: str, *, seconds: float) -> bool:
    """Whether a session will end from idleness within `seconds`."""
    return has_row(tx, StaffSession.token_hash == token_hash, StaffSession.idle_until < db_now(seconds))


def prolong_session(tx: Tx, token_hash: str, *, idle_seconds: float) -> None:
    update_rows(tx, StaffSession, StaffSession.token_hash == token_hash, idle_until=db_now(idle_seconds))


def end_session(tx: Tx, token_hash: str) -> None:
    delete_rows(tx, StaffSession, StaffSession.token_hash == token_hash)


def end_sessions_of(tx: Tx, login_id: UUID) -> None:
    """End every session of a login: after a new password, nobody who knew the old one stays signed in."""
    delete_rows(tx, StaffSession, StaffSession.staff_id.in_(select(Staff.id).where(Staff.login_id == login_id)))


def set_password(tx: Tx, login_id: UUID, password_hash: str) -> None:
    update_rows(tx, Login, Login.id == login_id, Login.kind != LoginKind.CLIENT, password_hash=password_hash)


def put_password_link(tx: Tx, login_id: UUID, token_hash: str, *, seconds: float) -> None:
    """Record a link to set a password; the login's earlier link stops working."""
    row = {"login_id": login_id, "token_hash": token_hash, "ends_at": db_now(seconds)}
    insert_or_replace(tx, PasswordLink, row, changed=("token_hash", "ends_at"))


def password_link_is_live(tx: Tx, token_hash: str) -> bool:
    """Whether a link can be used now: for an early answer, before a password is hashed, which is slow."""
    return has_row(tx, PasswordLink.token_hash == token_hash, PasswordLink.ends_at > db_now())


def use_password_link(tx: Tx, token_hash: str) -> UUID | None:
    """Use a link, once.

    Returns:
        The login it is for; `None` when the link is unknown or expired.
    """
    statement = delete(PasswordLink).where(PasswordLink.token_hash == token_hash, PasswordLink.ends_at > db_now())
    return tx.session.scalar(statement.returning(PasswordLink.login_id))
