"""A client's team: the people and entities around it, which of them co-own its account, and who acts for an entity."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from portal_db.database import Tx
from portal_db.dialect import delete_rows, has_row, insert_or_ignore, insert_or_replace, update_rows
from portal_db.states import ConnectionAccess, FieldSource
from portal_db.tables import CoOwner, CoOwnerInvitation, EntityConnection, Login, Task, TeamMember
from portal_db.types import db_now


def get(tx: Tx, client_id: UUID, member_id: UUID) -> TeamMember | None:
    """A team member, if they are of this client."""
    return tx.session.scalar(select(TeamMember).where(TeamMember.id == member_id, TeamMember.client_id == client_id))


def tied_to(tx: Tx, client_id: UUID, xpm_uuid: UUID) -> TeamMember | None:
    """The team member that an XPM record is tied to; a unique index allows at most one (b.22)."""
    return tx.session.scalar(
        select(TeamMember).where(TeamMember.client_id == client_id, TeamMember.xpm_uuid == xpm_uuid)
    )


def add(tx: Tx, row: dict[str, Any]) -> None:
    tx.session.execute(insert(TeamMember).values(**row))


def add_once(tx: Tx, row: dict[str, Any]) -> bool:
    """Add a member whose id derives from a request. False when the same request has added them already."""
    return insert_or_ignore(tx, TeamMember, row)


def change(tx: Tx, member_id: UUID, values: dict[str, Any]) -> None:
    update_rows(tx, TeamMember, TeamMember.id == member_id, **values)


def is_used(tx: Tx, member_id: UUID) -> bool:
    """Whether a member has an account, acts for an entity, or has received a task."""
    return any(
        has_row(tx, column == member_id)
        for column in (CoOwner.team_member_id, EntityConnection.team_member_id, Task.team_member_id)
    )


def delete(tx: Tx, member_id: UUID) -> None:
    """Delete a member that nothing refers to."""
    delete_rows(tx, TeamMember, TeamMember.id == member_id)


def make_co_owner(tx: Tx, member_id: UUID, login_id: UUID) -> None:
    tx.session.execute(insert(CoOwner).values(team_member_id=member_id, login_id=login_id))


def is_co_owner(tx: Tx, member_id: UUID) -> bool:
    return has_row(tx, CoOwner.team_member_id == member_id)


@dataclass(frozen=True, slots=True)
class CoOwnership:
    """A member who co-owns the client's account, with their login, and the email that invites them, if staff sent one."""

    member: TeamMember
    login: Login
    email: CoOwnerInvitation | None


def co_owners(tx: Tx, client_id: UUID) -> dict[UUID, CoOwnership]:
    """Who co-owns a client's account, by team member."""
    statement = (
        select(TeamMember, Login, CoOwnerInvitation)
        .join(CoOwner, CoOwner.team_member_id == TeamMember.id)
        .join(Login, Login.id == CoOwner.login_id)
        .outerjoin(CoOwnerInvitation, CoOwnerInvitation.login_id == Login.id)
        .where(TeamMember.client_id == client_id)
    )
    return {row[0].id: CoOwnership(*row) for row in tx.session.execute(statement)}


@dataclass(frozen=True, slots=True)
class Connection:
    """A team member who acts for an entity, with what they may do."""

    row: EntityConnection
    member: TeamMember


def of_client(tx: Tx, client_id: UUID, *, locked: bool = False) -> Sequence[Connection]:
    """Who acts for an entity, by name. `locked`: until this transaction ends."""
    statement = (
        select(EntityConnection, TeamMember)
        .join(TeamMember, TeamMember.id == EntityConnection.team_member_id)
        .where(EntityConnection.client_id == client_id)
        .order_by(TeamMember.name, TeamMember.id)
    )
    if locked:
        statement = statement.with_for_update(of=EntityConnection)
    return [Connection(*found) for found in tx.session.execute(statement)]


def put(tx: Tx, found: TeamMember, access: ConnectionAccess, *, by: UUID) -> None:
    """Let a team member act for the entity with this access, whatever they had before."""
    row = {
        "team_member_id": found.id,
        "practice_id": found.practice_id,
        "client_id": found.client_id,
        "access": access,
        "added_by": by,
        "added_at": db_now(),
    }
    insert_or_replace(tx, EntityConnection, row, changed=("access",))


def remove(tx: Tx, found: TeamMember) -> None:
    """Stop a team member from acting for the entity. The member stays in the team if they came from XPM, tied to it or not,
    or if other rows refer to them (b.34)."""
    delete_rows(tx, EntityConnection, EntityConnection.team_member_id == found.id)
    if found.xpm_uuid is None and found.source is FieldSource.STAFF:
        with suppress(IntegrityError), tx.session.begin_nested():
            delete_rows(tx, TeamMember, TeamMember.id == found.id)
