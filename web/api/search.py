"""Search as you type in XPM, and the advanced search over the portal and XPM under two headings."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from handlers.directory import search
from handlers.directory.search import SearchResult
from handlers.fields import Text
from portal_db.states import ClientKind, EntityType
from web.api.clients import ListedClient
from web.http.identity import Importer, Reader
from web.http.problems import Fault, fault_of
from web.portal import ThePortal
from web.usage import Use

router = APIRouter(tags=["search"])

Words = Annotated[
    Text, Query(min_length=2, max_length=200, pattern=r"\S", description="words of the name, in any order")
]


class XpmRecord(BaseModel):
    """A record in XPM, and what it may be imported as."""

    xpm_uuid: UUID
    name: str
    email: str | None
    client_code: str | None = Field(description="the practice's own short word for the client")
    suggested_kind: ClientKind = Field(description="the window to open")
    possible_kinds: list[ClientKind]
    entity_type: EntityType = Field(description="its type if it is imported as an entity")
    blocked: str | None = Field(description="why it cannot be imported: `already_linked`, `already_being_imported`, …")
    client_id: UUID | None = Field(description="the client it is linked to, where the staff member may see it")
    is_guess: bool = Field(description="no name matches exactly; this one does but for a typing error")

    @classmethod
    def of(cls, found: SearchResult) -> Self:
        return cls(
            xpm_uuid=found.record.uuid,
            name=found.record.name,
            email=found.record.email,
            client_code=found.record.client_code,
            suggested_kind=found.suggested,
            possible_kinds=sorted(found.possible),
            entity_type=found.entity_type,
            blocked=found.blocked,
            client_id=found.client_id,
            is_guess=found.is_guess,
        )


class AdvancedSearch(BaseModel):
    """The portal's clients and XPM's records; a record that is a client in sight is among the clients only."""

    clients: list[ListedClient]
    clients_total: int = Field(description="how many there are; at most 50 are listed")
    xpm: list[XpmRecord] | None = Field(description="null if XPM was not searched")
    xpm_total: int = Field(description="how many records match that are no client in sight; at most 50 are listed")
    xpm_problem: Fault | None = Field(
        description="why XPM could not be searched; the portal's clients are listed anyway"
    )
    is_guess: bool = Field(description="nothing matches exactly; these names do but for a typing error")


@router.get("/xpm/clients")
def search_xpm(portal: ThePortal, who: Importer, q: Words) -> list[XpmRecord]:
    """Clients in XPM whose name has these words, as the staff member's own connection sees them; at most 50."""
    portal.uses.take(Use.SEARCH, who)
    return [XpmRecord.of(found) for found in search.search_xpm(portal.services, who, q)]


@router.get("/search")
def advanced_search(
    portal: ThePortal,
    who: Reader,
    q: Words,
    integration: Annotated[list[Literal["xpm"]] | None, Query(max_length=1, description="what else to search")] = None,
) -> AdvancedSearch:
    """The advanced search: the portal's clients and, if chosen, records in XPM."""
    portal.uses.take(Use.SEARCH, who)
    found = search.search_all(portal.services, who, q, with_xpm=bool(integration))
    return AdvancedSearch(
        clients=[ListedClient.of(entry) for entry in found.clients],
        clients_total=found.clients_total,
        xpm_total=found.xpm_total,
        xpm=None if found.xpm is None else [XpmRecord.of(item) for item in found.xpm],
        xpm_problem=fault_of(found.trouble) if found.trouble else None,
        is_guess=found.is_guess,
    )
