"""API keys, staff sessions and passwords. Callers pass hashes; no secret reaches this module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, insert, or_, select, true, update

from portal_db.database import Tx
from portal_db.dialect import delete_rows, has_row, one_as, update_rows
from portal_db.states import LoginKind
from portal_db.tables import ApiKey, Login, Operator, OperatorSession, PendingSignIn, Practice, Staff, StaffSession
from portal_db.types import db_now


def add_key(tx: Tx, row: dict[str, Any], *, seconds: float | None = None) -> None:
    """Record a key; with a time, one that ends after it."""
    ends = None if seconds is None else db_now(seconds)
    tx.session.execute(insert(ApiKey).values(**row, created_at=db_now(), ends_at=ends))


def note_use(tx: Tx, key_id: UUID) -> None:
    update_rows(tx, ApiKey, ApiKey.id == key_id, last_used_at=db_now())


def key(tx: Tx, key_hash: str) -> tuple[ApiKey, bool] | None:
    """The key with this hash, and whether it is live."""
    statement = select(ApiKey, _key_is_live()).where(ApiKey.key_hash == key_hash)
    return one_as(tx, lambda found, is_live: (found, bool(is_live)), statement)


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


def by_login(tx: Tx, login_id: UUID) -> SignIn | None:
    """The staff member with this login who still works there."""
    return _sign_in(tx, select(Staff, Login).join(Login, Login.id == Staff.login_id).where(Login.id == login_id))


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


def begin_session(tx: Tx, row: dict[str, Any], *, idle_seconds: float, seconds: float, is_confirmed: bool) -> None:
    """Record a session, and delete every session that ended an hour ago, whoever's it was: until then, what is sent with it
    is kept (`portal_db.access.kept_forms`)."""
    an_hour_ago = db_now(-3600.0)
    delete_rows(tx, StaffSession, or_(StaffSession.idle_until < an_hour_ago, StaffSession.ends_at < an_hour_ago))
    times = {"created_at": db_now(), "idle_until": db_now(idle_seconds), "ends_at": db_now(seconds)}
    times |= {"confirmed_at": db_now()} if is_confirmed else {}
    tx.session.execute(insert(StaffSession).values(**row, **times))


def is_idle_within(tx: Tx, token_hash: str, *, seconds: float) -> bool:
    """Whether a session will end from idleness within `seconds`."""
    return has_row(tx, StaffSession.token_hash == token_hash, StaffSession.idle_until < db_now(seconds))


def prolong_session(tx: Tx, token_hash: str, *, idle_seconds: float) -> None:
    update_rows(tx, StaffSession, StaffSession.token_hash == token_hash, idle_until=db_now(idle_seconds))


def is_confirmed(tx: Tx, token_hash: str, *, seconds: float) -> bool:
    """Whether the owner of a session proved who they are within `seconds`."""
    return has_row(tx, StaffSession.token_hash == token_hash, StaffSession.confirmed_at > db_now(-seconds))


def confirm_session(tx: Tx, token_hash: str) -> None:
    update_rows(tx, StaffSession, StaffSession.token_hash == token_hash, confirmed_at=db_now())


def end_session(tx: Tx, token_hash: str) -> None:
    delete_rows(tx, StaffSession, StaffSession.token_hash == token_hash)


def sessions_of(tx: Tx, staff_id: UUID) -> Sequence[StaffSession]:
    """A staff member's live sessions, the one seen last first."""
    is_live = (StaffSession.idle_until > db_now(), StaffSession.ends_at > db_now())
    statement = select(StaffSession).where(StaffSession.staff_id == staff_id, *is_live)
    return tx.session.scalars(statement.order_by(StaffSession.idle_until.desc(), StaffSession.id)).all()


def end_session_of(tx: Tx, staff_id: UUID, session_id: UUID) -> bool:
    """End a session of this staff member. False when they have no such session."""
    return bool(delete_rows(tx, StaffSession, StaffSession.id == session_id, StaffSession.staff_id == staff_id))


def end_sessions_of(tx: Tx, staff_id: UUID, *, keep: str | None = None) -> int:
    """End every session of a staff member, except the one with the hash `keep`, and return how many there were."""
    is_other = StaffSession.token_hash != keep if keep is not None else true()
    return delete_rows(tx, StaffSession, StaffSession.staff_id == staff_id, is_other)


def end_sessions_of_login(tx: Tx, login_id: UUID, *, keep: str | None = None) -> None:
    """`end_sessions_of` whoever has this login: after a new password, nobody who knew the old one stays signed in."""
    staff = staff_of(tx, login_id)
    if staff is not None:
        end_sessions_of(tx, staff.id, keep=keep)
    operator_ids = select(Operator.id).where(Operator.login_id == login_id)
    delete_rows(tx, OperatorSession, OperatorSession.operator_id.in_(operator_ids))
    delete_rows(tx, PendingSignIn, PendingSignIn.login_id == login_id)


def login(tx: Tx, login_id: UUID) -> Login:
    return tx.session.execute(select(Login).where(Login.id == login_id)).scalar_one()


def staff_of(tx: Tx, login_id: UUID) -> Staff | None:
    """The staff member who has this login."""
    return tx.session.scalar(select(Staff).where(Staff.login_id == login_id))


def known_about(tx: Tx, login_id: UUID) -> list[str]:
    """What people know about a staff member or operator, of which no password should consist: name, email address, firm."""
    statement = (
        select(Login.email, Staff.name, Practice.name, Operator.name)
        .outerjoin(Staff, Staff.login_id == Login.id)
        .outerjoin(Practice, Practice.id == Staff.practice_id)
        .outerjoin(Operator, Operator.login_id == Login.id)
        .where(Login.id == login_id)
    )
    return [text for text in tx.session.execute(statement).one() if text is not None]


def set_password(tx: Tx, login_id: UUID, password_hash: str) -> None:
    update_rows(tx, Login, Login.id == login_id, Login.kind != LoginKind.CLIENT, password_hash=password_hash)
