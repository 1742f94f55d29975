"""The connections of an entity: the people who act for it and receive its tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from handlers.clients import entity_connections
from handlers.clients.entity_connections import NewConnection
from handlers.fields import Text
from portal_db.clients.team import Connection
from portal_db.states import ConnectionAccess
from web.http.identity import Importer, Reader
from web.http.models import Answer, Body
from web.portal import ThePortal

router = APIRouter(prefix="/clients/{client_id}/connections", tags=["clients"])


class ConnectionShown(Answer):
    """A person who acts for the entity. Access `none`: on record only; `guest`: may be given access."""

    id: UUID = Field(description="the id of the team member")
    name: str
    relationship: str
    email: str | None
    access: ConnectionAccess
    added_at: datetime

    @classmethod
    def of(cls, found: Connection) -> Self:
        return cls.from_row(found.member, access=found.row.access, added_at=found.row.added_at)


class Access(Body):
    """What they may do, and a new email address, if it changes."""

    access: ConnectionAccess = ConnectionAccess.NONE
    email: Annotated[Text, Field(min_length=1, max_length=320)] | None = None


class Made(BaseModel):
    id: UUID


@router.get("")
def list_connections(portal: ThePortal, who: Reader, client_id: UUID) -> list[ConnectionShown]:
    """The people who act for the entity, by name."""
    return [ConnectionShown.of(found) for found in entity_connections.listing(portal.database, who, client_id)]


@router.post("", status_code=201)
def add_connection(portal: ThePortal, who: Importer, client_id: UUID, given: NewConnection) -> Made:
    """Add a person who acts for the entity. No invitation is sent."""
    return Made(id=entity_connections.add(portal.database, who, client_id, given))


@router.put("/{member_id}", status_code=204)
def let_act(portal: ThePortal, who: Importer, client_id: UUID, member_id: UUID, given: Access) -> None:
    """Let a member of the entity's team act for it, or change their access."""
    entity_connections.set_access(portal.database, who, client_id, member_id, given.access, given.email)


@router.delete("/{member_id}", status_code=204)
def remove_connection(portal: ThePortal, who: Importer, client_id: UUID, member_id: UUID) -> None:
    """Remove a connection. A person imported from XPM stays in the team."""
    entity_connections.remove(portal.database, who, client_id, member_id)
