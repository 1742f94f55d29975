"""The people who act for an entity: team members of it with an access. The caller has looked the client up in sight."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from portal_db.database import Tx
from portal_db.dialect import upsert
from portal_db.states import ConnectionAccess, FieldSource
from portal_db.tables import EntityConnection, TeamMember
from portal_db.types import db_now


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
        .execution_options(populate_existing=True)
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
    tx.session.execute(ended.execution_options(synchronize_session=False))
    if found.xpm_uuid is None and found.source is FieldSource.STAFF:
        gone = delete(TeamMember).where(TeamMember.id == found.id)
        with suppress(IntegrityError), tx.session.begin_nested():
            tx.session.execute(gone.execution_options(synchronize_session=False))
