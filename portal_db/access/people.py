"""Practices, staff, operators, and the logins that decide who has an email address."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, func, insert, select, update

from portal_db.bulk import one_of
from portal_db.database import Tx
from portal_db.dialect import has_row, insert_new, insert_or_ignore, update_rows
from portal_db.paging import by_id
from portal_db.states import LoginKind, Role
from portal_db.tables import Login, Operator, Practice, Staff
from portal_db.types import db_now


def add_practice(tx: Tx, row: dict[str, Any]) -> None:
    tx.session.execute(insert(Practice).values(**row, created_at=db_now()))


def set_practice(tx: Tx, practice_id: UUID, values: dict[str, Any]) -> bool:
    """Change a practice. False when it does not exist."""
    return bool(update_rows(tx, Practice, Practice.id == practice_id, **values))


def get_practice(tx: Tx, practice_id: UUID) -> Practice | None:
    return tx.get(Practice, practice_id)


def mandates_mfa(tx: Tx, practice_id: UUID) -> bool:
    return has_row(tx, Practice.id == practice_id, Practice.mfa_mandatory.is_(True))


def practices(tx: Tx, *, name: str, after: UUID | None, limit: int) -> Sequence[Practice]:
    """A page of the practices whose name contains this, in the order of ids."""
    statement = select(Practice)
    if name:
        statement = statement.where(func.lower(Practice.name).contains(name.lower(), autoescape=True))
    return tx.session.scalars(by_id(statement, Practice.id, after=after, limit=limit)).all()


def add_login(tx: Tx, login_id: UUID, kind: LoginKind, email: str, email_key: str) -> bool:
    """Add a login for this email. False when any login on the platform has it: the unique index decides (b.2)."""
    row = {"id": login_id, "kind": kind, "email": email, "email_key": email_key, "created_at": db_now()}
    return insert_or_ignore(tx, Login, row)


def add_client_logins(tx: Tx, logins: Sequence[tuple[UUID, str, str]]) -> set[UUID]:
    """Add logins of clients, each with its id, address and the key that the address is compared by.

    Returns:
        Ids of those added; any login on the platform may have the others' addresses: the unique index decides (b.2).
    """
    rows = [
        {"id": login_id, "kind": LoginKind.CLIENT, "email": email, "email_key": email_key}
        for login_id, email, email_key in logins
    ]
    return insert_new(tx, Login, rows, now=("created_at",))


def logins_of_emails(tx: Tx, email_keys: Collection[str]) -> dict[str, UUID]:
    """The login that has each of these emails, where there is one: for early answers, never for the decision."""
    return dict(tx.connection.execute(_LOGINS_OF_EMAILS, {"email_keys": list(email_keys)}).all())


_LOGINS_OF_EMAILS = select(Login.email_key, Login.id).where(one_of(Login.email_key, "email_keys"))


def add_staff(tx: Tx, row: dict[str, Any]) -> None:
    tx.session.execute(insert(Staff).values(**row, created_at=db_now()))


def get_staff(tx: Tx, staff_id: UUID, *, practice_id: UUID) -> Staff | None:
    """A staff member, if they are of this practice."""
    return tx.session.scalar(_STAFF, {"staff_id": staff_id, "practice_id": practice_id})


_STAFF = select(Staff).where(Staff.id == bindparam("staff_id"), Staff.practice_id == bindparam("practice_id"))


class Person(NamedTuple):
    """Who somebody is, for a person who decides about them."""

    name: str
    role: Role
    practice: str


def who_is(tx: Tx, staff_id: UUID) -> Person | None:
    """Who this staff member is, of any practice; also when they have left."""
    row = tx.session.execute(_WHO_IS.where(Staff.id == staff_id)).one_or_none()
    return Person(*row) if row is not None else None


_WHO_IS = select(Staff.name, Staff.role, Practice.name).join(Practice, Practice.id == Staff.practice_id)


def at_work(tx: Tx, staff_id: UUID, *, practice_id: UUID) -> Staff | None:
    """`get_staff`, if they still work there."""
    staff = get_staff(tx, staff_id, practice_id=practice_id)
    return staff if staff is not None and staff.left_at is None else None


def colleagues(tx: Tx, practice_id: UUID) -> list[Staff]:
    """Who works at a practice, by name."""
    statement = select(Staff).where(Staff.practice_id == practice_id, Staff.left_at.is_(None))
    return list(tx.session.scalars(statement.order_by(Staff.name, Staff.id)))


def staff_names(tx: Tx, practice_id: UUID) -> dict[UUID, str]:
    """The names of a practice's staff by id, also of those who have left."""
    return dict(tx.session.execute(select(Staff.id, Staff.name).where(Staff.practice_id == practice_id)).all())


def mark_left(tx: Tx, staff_id: UUID) -> Staff | None:
    """Record that a staff member has left. `None` when they are unknown or had left before."""
    statement = update(Staff).where(Staff.id == staff_id, Staff.left_at.is_(None)).values(left_at=db_now())
    return tx.session.scalar(statement.returning(Staff))


def add_operator(tx: Tx, row: dict[str, Any]) -> None:
    tx.session.execute(insert(Operator).values(**row, created_at=db_now()))


def get_operator(tx: Tx, operator_id: UUID) -> Operator | None:
    return tx.get(Operator, operator_id)


def operator_by_email(tx: Tx, email_key: str) -> Operator | None:
    """The operator with this login email."""
    return tx.session.scalar(
        select(Operator).join(Login, Login.id == Operator.login_id).where(Login.email_key == email_key)
    )


def all_operators(tx: Tx) -> list[tuple[UUID, str]]:
    """The ids and names of all operators, by name; also of those who have left."""
    return [(row_id, name) for row_id, name in tx.session.execute(_ALL_OPERATORS)]


_ALL_OPERATORS = select(Operator.id, Operator.name).order_by(Operator.name, Operator.id)


def operator_names(tx: Tx, operator_ids: Collection[UUID]) -> dict[UUID, str]:
    """Operators' names by id."""
    statement = select(Operator.id, Operator.name).where(Operator.id.in_(operator_ids))
    return dict(tx.session.execute(statement).all())
