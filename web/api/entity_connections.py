"""The connections of an entity: people who act for it, and to whom its tasks go."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from handlers.clients import entity_connections
from handlers.clients.entity_connections import NewConnection
from portal_db.clients.team import Connection
from portal_db.states import ConnectionAccess
from web.http.identity import Importer, Reader
from web.portal import ThePortal

router = APIRouter(prefix="/clients/{client_id}/connections", tags=["clients"])


class ConnectionShown(BaseModel):
    """Somebody who acts for the entity. `none`: a record only; `guest`: may be let in."""

    id: UUID = Field(description="the team member that they are")
    name: str
    relationship: str
    email: str | None
    access: ConnectionAccess
    added_at: datetime

    @classmethod
    def of(cls, found: Connection) -> Self:
        member, row = found.member, found.row
        return cls(
            id=member.id,
            name=member.name,
            relationship=member.relationship,
            email=member.email,
            access=row.access,
            added_at=row.added_at,
        )


class Access(BaseModel):
    """What they may do, and their email if it is to be another."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    access: ConnectionAccess = ConnectionAccess.NONE
    email: Annotated[str, Field(min_length=1, max_length=320)] | None = None


class Made(BaseModel):
    id: UUID


@router.get("")
def list_connections(portal: ThePortal, who: Reader, client_id: UUID) -> list[ConnectionShown]:
    """Who acts for the entity, by name."""
    return [ConnectionShown.of(found) for found in entity_connections.listing(portal.database, who, client_id)]


@router.post("", status_code=201)
def add_connection(portal: ThePortal, who: Importer, client_id: UUID, given: NewConnection) -> Made:
    """Add a person who acts for the entity. Nobody is invited by it."""
    return Made(id=entity_connections.add(portal.database, who, client_id, given))


@router.put("/{member_id}", status_code=204)
def let_act(portal: ThePortal, who: Importer, client_id: UUID, member_id: UUID, given: Access) -> None:
    """Let somebody of the entity's team act for it, or change their access."""
    entity_connections.let_act(portal.database, who, client_id, member_id, given.access, given.email)


@router.delete("/{member_id}", status_code=204)
def remove_connection(portal: ThePortal, who: Importer, client_id: UUID, member_id: UUID) -> None:
    """Remove a connection. Who came from XPM stays in the team."""
    entity_connections.remove(portal.database, who, client_id, member_id)
