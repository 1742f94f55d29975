"""The people of a practice as its owners see them, and what a change to one of them is decided by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, and_, func, select

from portal_db.database import Tx
from portal_db.dialect import one_as, update_rows
from portal_db.states import ConnectionState, Role
from portal_db.tables import ClientVisibility, Login, Practice, SecondFactor, Staff, XpmConnection, is_live_connection


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of a practice, also who has left.

    has_password: whether they have followed their invitation.
    set_up_at: since when they have a second factor.
    clients: how many are assigned to them.
    connection: the state of their own connection to XPM, if they have one.
    """

    staff: Staff
    email: str
    has_password: bool
    set_up_at: datetime | None
    clients: int
    connection: ConnectionState | None


def of_practice(tx: Tx, practice_id: UUID) -> Sequence[Member]:
    """Everybody of a practice, by name; who has left comes last."""
    statement = _members(practice_id).order_by(Staff.left_at.is_not(None), Staff.name, Staff.id)
    return [Member(*row) for row in tx.session.execute(statement)]


def get(tx: Tx, practice_id: UUID, staff_id: UUID) -> Member | None:
    return one_as(tx, Member, _members(practice_id).where(Staff.id == staff_id))


def lock(tx: Tx, practice_id: UUID) -> None:
    """Let nobody else change who works at a practice until the transaction ends: of two owners who take each other's role
    away, one stays."""
    tx.session.execute(select(Practice.id).where(Practice.id == practice_id).with_for_update())


def set_role(tx: Tx, staff_id: UUID, role: Role) -> None:
    update_rows(tx, Staff, Staff.id == staff_id, role=role)


def _members(practice_id: UUID) -> Select[Staff, str, bool, datetime | None, int, ConnectionState | None]:
    assigned = (
        select(func.count())
        .select_from(ClientVisibility)
        .where(ClientVisibility.staff_id == Staff.id)
        .correlate(Staff)
        .scalar_subquery()
    )
    is_live = and_(XpmConnection.staff_id == Staff.id, is_live_connection)
    return (
        select(
            Staff, Login.email, Login.password_hash.is_not(None), SecondFactor.set_up_at, assigned, XpmConnection.state
        )
        .join(Login, Login.id == Staff.login_id)
        .outerjoin(SecondFactor, SecondFactor.login_id == Staff.login_id)
        .outerjoin(XpmConnection, is_live)
        .where(Staff.practice_id == practice_id)
    )
