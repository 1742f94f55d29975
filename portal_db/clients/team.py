"""A client's team: the people and entities around it, and which of them co-own its account."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore, upsert
from portal_db.states import ConnectionAccess, FieldSource
from portal_db.tables import CoOwner, EntityConnection, TeamMember
from portal_db.types import db_now


def get(tx: Tx, client_id: UUID, member_id: UUID) -> TeamMember | None:
    """A member of this very client."""
    statement = select(TeamMember).where(TeamMember.id == member_id, TeamMember.client_id == client_id)
    return tx.session.scalar(statement)


def tied_to(tx: Tx, client_id: UUID, xpm_uuid: UUID) -> TeamMember | None:
    """The member of a client that an XPM record is tied to; one at most, by a unique index (b.22)."""
    statement = select(TeamMember).where(TeamMember.client_id == client_id, TeamMember.xpm_uuid == xpm_uuid)
    return tx.session.scalar(statement)


def add(tx: Tx, row: dict[str, Any]) -> None:
    tx.session.execute(insert(TeamMember).values(**row))


def add_once(tx: Tx, row: dict[str, Any]) -> bool:
    """Add a member whose id is that of a request. False when the same request has added them already."""
    return tx.session.scalar(insert_or_ignore(tx, TeamMember, row).returning(TeamMember.id)) is not None


def change(tx: Tx, member_id: UUID, values: dict[str, Any]) -> None:
    statement = update(TeamMember).where(TeamMember.id == member_id).values(**values)
    tx.session.execute(statement)


def make_co_owner(tx: Tx, member_id: UUID, login_id: UUID) -> None:
    tx.session.execute(insert(CoOwner).values(team_member_id=member_id, login_id=login_id))


def is_co_owner(tx: Tx, member_id: UUID) -> bool:
    return tx.session.scalar(select(CoOwner.login_id).where(CoOwner.team_member_id == member_id)) is not None


def co_owners(tx: Tx, client_id: UUID) -> set[UUID]:
    """Which members of a client co-own its account."""
    statement = select(CoOwner.team_member_id).join(TeamMember, TeamMember.id == CoOwner.team_member_id)
    return set(tx.session.scalars(statement.where(TeamMember.client_id == client_id)))


@dataclass(frozen=True, slots=True)
class Connection:
    """Somebody who acts for an entity."""

    row: EntityConnection
    member: TeamMember


def of_client(tx: Tx, client_id: UUID, *, locked: bool = False) -> Sequence[Connection]:
    """Who acts for an entity, by name. `locked`: kept so until this transaction ends."""
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
    """Let a team member act for the entity, with this access from now on."""
    row = {
        "team_member_id": found.id,
        "practice_id": found.practice_id,
        "client_id": found.client_id,
        "access": access,
        "added_by": by,
        "added_at": db_now(),
    }
    statement = upsert(tx, EntityConnection, row)
    news = {"access": statement.excluded.access}
    tx.session.execute(statement.on_conflict_do_update(index_elements=["team_member_id"], set_=news))


def remove(tx: Tx, found: TeamMember) -> None:
    """Nobody acts for the entity by this team member any more. Who came from XPM, tied to it or not, and who is tied to
    anything else, stays in the team (b.34)."""
    ended = delete(EntityConnection).where(EntityConnection.team_member_id == found.id)
    tx.session.execute(ended)
    if found.xpm_uuid is None and found.source is FieldSource.STAFF:
        gone = delete(TeamMember).where(TeamMember.id == found.id)
        with suppress(IntegrityError), tx.session.begin_nested():
            tx.session.execute(gone)
