"""Practices, staff, operators and the logins that decide who holds an email address."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore
from portal_db.states import LoginKind
from portal_db.tables import Login, Operator, Practice, Staff
from portal_db.types import db_now


def add_practice(tx: Tx, row: dict[str, Any]) -> None:
    tx.session.execute(insert(Practice).values(**row, created_at=db_now()))


def set_practice(tx: Tx, practice_id: UUID, values: dict[str, Any]) -> bool:
    """Change a practice. False when there is none of this id."""
    statement = update(Practice).where(Practice.id == practice_id).values(**values).returning(Practice.id)
    return tx.session.scalar(statement) is not None


def get_practice(tx: Tx, practice_id: UUID) -> Practice | None:
    return tx.session.get(Practice, practice_id)


def take_email(tx: Tx, login_id: UUID, kind: LoginKind, email: str, email_key: str) -> bool:
    """Make a login for this email. False when any login on the platform holds it: the unique index decides (b.2)."""
    row = {"id": login_id, "kind": kind, "email": email, "email_key": email_key, "created_at": db_now()}
    return tx.session.scalar(insert_or_ignore(tx, Login, row).returning(Login.id)) is not None


def email_is_held(tx: Tx, email_key: str, *, other_than: UUID | None = None) -> bool:
    """Whether a login (other than one) has this email: for an early answer, never for the decision."""
    statement = select(Login.id).where(Login.email_key == email_key)
    if other_than is not None:
        statement = statement.where(Login.id != other_than)
    return tx.session.scalar(statement) is not None


def get_login(tx: Tx, login_id: UUID) -> Login:
    return tx.session.get_one(Login, login_id)


def add_staff(tx: Tx, row: dict[str, Any]) -> None:
    tx.session.execute(insert(Staff).values(**row, created_at=db_now()))


def get_staff(tx: Tx, staff_id: UUID, *, practice_id: UUID) -> Staff | None:
    """A staff member of this very practice."""
    return tx.session.scalar(select(Staff).where(Staff.id == staff_id, Staff.practice_id == practice_id))


def leave(tx: Tx, staff_id: UUID) -> Staff | None:
    """Note that somebody has left. `None` when there is nobody such, or they had left before."""
    statement = update(Staff).where(Staff.id == staff_id, Staff.left_at.is_(None)).values(left_at=db_now())
    statement = statement.returning(Staff)
    return tx.session.scalar(statement)


def staff_of(tx: Tx, practice_id: UUID) -> list[Staff]:
    return list(tx.session.scalars(select(Staff).where(Staff.practice_id == practice_id).order_by(Staff.created_at)))


def add_operator(tx: Tx, row: dict[str, Any]) -> None:
    tx.session.execute(insert(Operator).values(**row, created_at=db_now()))


def get(tx: Tx, operator_id: UUID) -> Operator | None:
    return tx.session.get(Operator, operator_id)


def by_email(tx: Tx, email_key: str) -> Operator | None:
    """The operator whose login this is."""
    return tx.session.scalar(
        select(Operator).join(Login, Login.id == Operator.login_id).where(Login.email_key == email_key)
    )


def names(tx: Tx, operator_ids: Collection[UUID]) -> dict[UUID, str]:
    """What operators are called, for those who look at what they did."""
    statement = select(Operator.id, Operator.name).where(Operator.id.in_(operator_ids))
    return dict(tx.session.execute(statement).all())
