"""Clients that hang on the connection of somebody who has left, and moving them to a colleague's."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from handlers import integration, reassign_links
from handlers.acting import Act
from web.identity import Keeper
from web.portal import ThePortal

router = APIRouter()


class BehindClient(BaseModel):
    id: UUID
    name: str


class Behind(BaseModel):
    """A connection that reads nothing any more, and what hangs on it."""

    connection_id: UUID
    staff_name: str = Field(description="who has left")
    count: int = Field(description="clients on it that you may see")
    clients: list[BehindClient] = Field(description="the first of them by name, 50 at most")

    @classmethod
    def of(cls, found: integration.Behind) -> Self:
        return cls(
            connection_id=found.connection.connection_id,
            staff_name=found.connection.staff_name,
            count=found.connection.clients,
            clients=[BehindClient(id=client_id, name=name) for client_id, name in found.clients],
        )


class Handover(BaseModel):
    model_config = ConfigDict(extra="forbid")

    connection_id: UUID = Field(description="whose clients are moved")
    to_staff_id: UUID = Field(description="the colleague, who is connected to the same practice in XPM")
    dry_run: bool = Field(False, description="only say what would be done")


class HandedOver(BaseModel):
    """Clients that were moved, or would be, and those that stay since the colleague does not see their XPM record."""

    moved: list[UUID]
    left: list[UUID]


@router.post("/reassign")
def reassign(portal: ThePortal, who: Keeper, given: Handover) -> HandedOver:
    """Let a colleague take on the clients of a connection; for owners and account admins."""
    act = Act.of_staff(who)
    found = reassign_links.reassign(portal.database, act, given.connection_id, given.to_staff_id, dry_run=given.dry_run)
    return HandedOver(moved=list(found.moved), left=list(found.left))
