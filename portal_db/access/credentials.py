"""API keys, staff sessions, passwords and the links to set them. Callers bring hashes; no secret comes this far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, insert, or_, select, update

from portal_db.database import Tx
from portal_db.dialect import upsert
from portal_db.states import LoginKind
from portal_db.tables import ApiKey, Login, PasswordLink, Staff, StaffSession
from portal_db.types import db_now


def add_key(tx: Tx, row: dict[str, Any]) -> None:
    tx.session.execute(insert(ApiKey).values(**row, created_at=db_now()))


def live_key(tx: Tx, key_hash: str) -> ApiKey | None:
    """The key with this hash, unless it has ended."""
    return tx.session.scalar(select(ApiKey).where(ApiKey.key_hash == key_hash, _key_is_live()))


def keys_of(tx: Tx, practice_id: UUID) -> list[ApiKey]:
    """A practice's keys, those that ended too, newest first."""
    statement = select(ApiKey).where(ApiKey.practice_id == practice_id)
    return list(tx.session.scalars(statement.order_by(ApiKey.created_at.desc(), ApiKey.id.desc())))


def end_key(tx: Tx, key_id: UUID, *, practice_id: UUID, after_seconds: float = 0) -> ApiKey | None:
    """Let a live key end after so many seconds, or sooner if it was to. `None`: the practice has no such live key."""
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
    """Somebody who may sign in to a practice."""

    staff: Staff
    login: Login


def by_email(tx: Tx, email_key: str) -> SignIn | None:
    """The staff member, still there, who has this login email."""
    statement = select(Staff, Login).join(Login, Login.id == Staff.login_id).where(Login.email_key == email_key)
    return _sign_in(tx, statement)


def by_session(tx: Tx, token_hash: str) -> SignIn | None:
    """Whose session this is, while it lasts and while they work there."""
    statement = (
        select(Staff, Login)
        .join(Login, Login.id == Staff.login_id)
        .join(StaffSession, StaffSession.staff_id == Staff.id)
        .where(StaffSession.token_hash == token_hash)
        .where(StaffSession.idle_until > db_now(), StaffSession.ends_at > db_now())
    )
    return _sign_in(tx, statement)


def _sign_in(tx: Tx, statement: Any) -> SignIn | None:
    found = tx.session.execute(statement.where(Staff.left_at.is_(None))).one_or_none()
    return SignIn(*found) if found is not None else None


def begin_session(tx: Tx, row: dict[str, Any], *, idle_seconds: float, seconds: float) -> None:
    """Record a session; those of anybody that ended are thrown away."""
    tx.session.execute(
        delete(StaffSession).where(or_(StaffSession.idle_until < db_now(), StaffSession.ends_at < db_now()))
    )
    times = {"created_at": db_now(), "idle_until": db_now(idle_seconds), "ends_at": db_now(seconds)}
    tx.session.execute(insert(StaffSession).values(**row, **times))


def idle_too_soon(tx: Tx, token_hash: str, *, seconds: float) -> bool:
    """Whether a session would end from idleness within so many seconds."""
    statement = select(StaffSession.id).where(StaffSession.token_hash == token_hash)
    return tx.session.scalar(statement.where(StaffSession.idle_until < db_now(seconds))) is not None


def prolong_session(tx: Tx, token_hash: str, *, idle_seconds: float) -> None:
    statement = update(StaffSession).where(StaffSession.token_hash == token_hash)
    statement = statement.values(idle_until=db_now(idle_seconds))
    tx.session.execute(statement)


def end_session(tx: Tx, token_hash: str) -> None:
    tx.session.execute(delete(StaffSession).where(StaffSession.token_hash == token_hash))


def end_sessions_of(tx: Tx, login_id: UUID) -> None:
    """End every session of a login: after a new password, nobody who knew the old one stays in."""
    theirs = select(Staff.id).where(Staff.login_id == login_id)
    tx.session.execute(delete(StaffSession).where(StaffSession.staff_id.in_(theirs)))


def set_password(tx: Tx, login_id: UUID, password_hash: str) -> None:
    statement = update(Login).where(Login.id == login_id, Login.kind != LoginKind.CLIENT)
    tx.session.execute(statement.values(password_hash=password_hash))


def put_password_link(tx: Tx, login_id: UUID, token_hash: str, *, seconds: float) -> None:
    """Record a link to set a password; the login's earlier one is good for nothing from now on."""
    statement = upsert(tx, PasswordLink, {"login_id": login_id, "token_hash": token_hash, "ends_at": db_now(seconds)})
    news = {"token_hash": statement.excluded.token_hash, "ends_at": statement.excluded.ends_at}
    tx.session.execute(statement.on_conflict_do_update(index_elements=["login_id"], set_=news))


def password_link_is_live(tx: Tx, token_hash: str) -> bool:
    """Whether a link could be used now: for an early answer, before the costly hash of a password is made."""
    statement = select(PasswordLink.login_id).where(
        PasswordLink.token_hash == token_hash, PasswordLink.ends_at > db_now()
    )
    return tx.session.scalar(statement) is not None


def use_password_link(tx: Tx, token_hash: str) -> UUID | None:
    """Take a link, once.

    Returns:
        The login it is for; `None` when there is no such link, or it has ended.
    """
    statement = delete(PasswordLink).where(PasswordLink.token_hash == token_hash, PasswordLink.ends_at > db_now())
    return tx.session.scalar(statement.returning(PasswordLink.login_id))
