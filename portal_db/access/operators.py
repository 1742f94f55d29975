"""Operators of the platform as they sign in at the console, and their sessions. Callers pass hashes only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, Float, Select, and_, bindparam, insert, or_, select

from portal_db.database import Tx
from portal_db.dialect import delete_rows, one_as, update_rows
from portal_db.tables import Login, Operator, OperatorSession
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class OperatorLogin:
    """An operator who has not left, with their login."""

    operator: Operator
    login: Login


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A live session and the operator whose it is. `is_fresh`: they gave a code of their second factor recently."""

    operator: Operator
    is_fresh: bool
    #: It would end soon if it were not used now.
    is_due: bool


_ALL: Select[Operator, Login] = select(Operator, Login).join(Login, Login.id == Operator.login_id)


def by_email(tx: Tx, email_key: str) -> OperatorLogin | None:
    return _one(tx, Login.email_key == email_key)


def by_account(tx: Tx, account_hash: str) -> OperatorLogin | None:
    """Whose account at the organisation's provider it is."""
    return _one(tx, Operator.account_hash == account_hash)


def adopt_account(tx: Tx, email_key: str, account_hash: str) -> None:
    """Let an account be that of the operator with this email, if they have none yet."""
    theirs = select(Login.id).where(Login.email_key == email_key).scalar_subquery()
    has_none = Operator.account_hash.is_(None)
    update_rows(
        tx, Operator, Operator.login_id == theirs, has_none, Operator.left_at.is_(None), account_hash=account_hash
    )


def by_login(tx: Tx, login_id: UUID) -> OperatorLogin | None:
    return _one(tx, Login.id == login_id)


def get(tx: Tx, operator_id: UUID) -> OperatorLogin | None:
    return _one(tx, Operator.id == operator_id)


def listing(tx: Tx) -> Sequence[OperatorLogin]:
    """Everybody, by name; also those who have left."""
    return [OperatorLogin(*row) for row in tx.session.execute(_ALL.order_by(Operator.name, Operator.id))]


def change(tx: Tx, operator_id: UUID, **values: Any) -> bool:
    """Change an operator who has not left. False when there is none."""
    return bool(update_rows(tx, Operator, Operator.id == operator_id, Operator.left_at.is_(None), **values))


def leave(tx: Tx, operator_id: UUID) -> bool:
    """Record that an operator has left. False when they had left before."""
    return change(tx, operator_id, left_at=db_now(), account_hash=None)


def begin_session(
    tx: Tx, row: dict[str, Any], *, idle_seconds: float, seconds: float, confirmed_ago: float = 0
) -> None:
    """Record a session, and delete every session that has ended, whoever's it was.

    Args:
        confirmed_ago: how many seconds ago its operator proved who they are.
    """
    delete_rows(tx, OperatorSession, or_(OperatorSession.idle_until < db_now(), OperatorSession.ends_at < db_now()))
    times = {"created_at": db_now(), "confirmed_at": db_now(-confirmed_ago)}
    ends = {"idle_until": db_now(idle_seconds), "ends_at": db_now(seconds)}
    tx.session.execute(insert(OperatorSession).values(**row, **times, **ends))


def session(tx: Tx, token_hash: str, *, fresh_seconds: float, due_seconds: float) -> LiveSession | None:
    """A live session of an operator who has not left.

    Args:
        fresh_seconds: how long a code of the second factor counts as given recently.
        due_seconds: it is due if it would end within this time.
    """
    given = {"token_hash": token_hash, "fresh_from": -fresh_seconds, "due_in": due_seconds}
    found = tx.session.execute(_by_token(), given).one_or_none()
    return LiveSession(*found) if found is not None else None


@cache
def _by_token() -> Select[Operator, bool, bool]:
    """Made once, since every request needs it."""
    return (
        select(
            Operator,
            OperatorSession.confirmed_at >= db_now(bindparam("fresh_from", type_=Float())),
            OperatorSession.idle_until < db_now(bindparam("due_in", type_=Float())),
        )
        .join(OperatorSession, OperatorSession.operator_id == Operator.id)
        .where(_is_live(bindparam("token_hash")), Operator.left_at.is_(None))
    )


def prolong(tx: Tx, token_hash: str, *, idle_seconds: float) -> None:
    update_rows(tx, OperatorSession, _is_live(token_hash), idle_until=db_now(idle_seconds))


def confirm(tx: Tx, token_hash: str) -> None:
    """Note that the operator gave a code just now."""
    update_rows(tx, OperatorSession, _is_live(token_hash), confirmed_at=db_now())


def end_session(tx: Tx, token_hash: str) -> None:
    delete_rows(tx, OperatorSession, OperatorSession.token_hash == token_hash)


def _is_live(token_hash: str | BindParameter[str]) -> ColumnElement[bool]:
    lives = (OperatorSession.idle_until > db_now(), OperatorSession.ends_at > db_now())
    return and_(OperatorSession.token_hash == token_hash, *lives)


def _one(tx: Tx, condition: ColumnElement[bool]) -> OperatorLogin | None:
    return one_as(tx, OperatorLogin, _ALL.where(condition, Operator.left_at.is_(None)))
