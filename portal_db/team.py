"""A client's team: the people and entities around it, and which of them co-own its account."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore
from portal_db.tables import CoOwner, TeamMember


def get(tx: Tx, client_id: UUID, member_id: UUID) -> TeamMember | None:
    """A member of this very client."""
    statement = select(TeamMember).where(TeamMember.id == member_id, TeamMember.client_id == client_id)
    return tx.session.scalar(statement.execution_options(populate_existing=True))


def tied_to(tx: Tx, client_id: UUID, xpm_uuid: UUID) -> TeamMember | None:
    """The member of a client that an XPM record is tied to; one at most, by a unique index (b.22)."""
    statement = select(TeamMember).where(TeamMember.client_id == client_id, TeamMember.xpm_uuid == xpm_uuid)
    return tx.session.scalar(statement.execution_options(populate_existing=True))


def add(tx: Tx, row: dict[str, Any]) -> None:
    tx.session.execute(insert(TeamMember).values(**row))


def add_once(tx: Tx, row: dict[str, Any]) -> bool:
    """Add a member whose id is that of a request. False when the same request has added them already."""
    return tx.session.scalar(insert_or_ignore(tx, TeamMember, row).returning(TeamMember.id)) is not None


def change(tx: Tx, member_id: UUID, values: dict[str, Any]) -> None:
    statement = update(TeamMember).where(TeamMember.id == member_id).values(**values)
    tx.session.execute(statement.execution_options(synchronize_session=False))


def make_co_owner(tx: Tx, member_id: UUID, login_id: UUID) -> None:
    tx.session.execute(insert(CoOwner).values(team_member_id=member_id, login_id=login_id))


def is_co_owner(tx: Tx, member_id: UUID) -> bool:
    return tx.session.scalar(select(CoOwner.login_id).where(CoOwner.team_member_id == member_id)) is not None


def co_owners(tx: Tx, client_id: UUID) -> set[UUID]:
    """Which members of a client co-own its account."""
    statement = select(CoOwner.team_member_id).join(TeamMember, TeamMember.id == CoOwner.team_member_id)
    return set(tx.session.scalars(statement.where(TeamMember.client_id == client_id)))
