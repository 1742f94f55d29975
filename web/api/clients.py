"""The portal's clients: listed, read with their history, connected to XPM, updated from there, and invited."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from handlers.clients import history, queries
from handlers.clients import link as portal_clients
from handlers.clients.queries import Details, Invitation
from handlers.fields import Text
from handlers.imports import accept, welcome_email
from portal_db.clients.client_queries import ClientEntry, ClientFilter
from portal_db.states import ChangeSource, ClientKind, ClientType, EntityType, FieldSource, Subscription
from web.api.imports import ACCEPTED_BEFORE, Accepted, accepted
from web.api.review import ReviewItem
from web.http.bodies import IdempotencyKey
from web.http.identity import Importer, Reader
from web.http.models import Answer, Body
from web.http.paging import ListPage, ListQuery, SearchedPage
from web.portal import ThePortal
from web.usage import Use

router = APIRouter(prefix="/clients", tags=["clients"])


class XpmLink(Answer):
    xpm_uuid: UUID
    linked_at: datetime


class ListedClient(Answer):
    """A client in a list."""

    id: UUID
    name: str
    kind: ClientKind
    entity_type: EntityType | None
    client_type: ClientType | None
    subscription: Subscription | None
    login_email: str | None
    invitation: Invitation | None = Field(description="null for entities, which have no login")
    is_new: bool = Field(description="added in the last 14 days, and not yet opened by anybody it is assigned to")
    xpm_link: XpmLink | None
    created_at: datetime

    @classmethod
    def of(cls, entry: ClientEntry, **more: Any) -> Self:
        login, link = entry.login, entry.link
        return cls.from_row(
            entry.client,
            is_new=entry.is_new,
            login_email=login.email if login else None,
            invitation=Invitation.of(login, entry.email) if login else None,
            xpm_link=XpmLink.from_row(link) if link else None,
            **more,
        )


class ClientField(Answer):
    """A field's value and where it came from. `is_override`: staff changed it, so later imports do not overwrite it."""

    value: str
    source: FieldSource
    is_override: bool
    as_of: datetime


class Conflict(Answer):
    """A value in XPM that was not imported, and why."""

    field: str
    code: str


class TeamMember(Answer):
    id: UUID
    name: str
    relationship: str
    email: str | None
    is_linked: bool = Field(description="whether they are linked to an XPM record and kept in sync with it")
    is_co_owner: bool


class OneClient(ListedClient):
    """A client with its fields and their sources, its team, and its relationships in XPM."""

    fields: dict[str, ClientField]
    conflicts: list[Conflict]
    team: list[TeamMember]
    relationships: list[ReviewItem]
    import_id: UUID | None = Field(description="the import that created it")

    @classmethod
    def details(cls, found: Details) -> Self:
        return cls.of(
            found.entry,
            fields={name: ClientField.from_row(row) for name, row in found.fields.items()},
            conflicts=[Conflict.from_row(row) for row in found.conflicts],
            team=[
                TeamMember.from_row(row, is_linked=row.xpm_uuid is not None, is_co_owner=row.id in found.co_owners)
                for row in found.team
            ],
            relationships=[ReviewItem.of(item) for item in found.relationships],
            import_id=found.entry.client.import_id,
        )


class ClientPage(SearchedPage[ListedClient]):
    """Clients, newest first."""


class ClientQuery(ListQuery):
    """Which clients, and how many at once."""

    q: Annotated[Text, Field(max_length=200)] | None = Field(None, description="words of the name, in any order")
    kind: ClientKind | None = None
    is_new: bool | None = None


class ItemsToImport(Body):
    """What to import from XPM."""

    details: bool = True
    relationships: bool = True


class RecordToConnect(Body):
    xpm_uuid: UUID


class Change(Answer):
    """A change of one field. `about_id` and `about_name` identify the relationship or team member it concerns."""

    at: datetime
    source: ChangeSource
    staff_id: UUID | None = Field(description="who made it, if a person did")
    staff_name: str | None = Field(description="who made it, or requested the import that did")
    import_id: UUID | None
    sync_id: UUID | None
    about: Literal["client", "relationship", "team_member"]
    about_id: UUID | None
    about_name: str | None
    field: str
    before: str | None
    after: str | None


class HistoryPage(ListPage[Change]):
    """Changes, newest first."""


@router.get("")
def list_clients(portal: ThePortal, who: Reader, query: Annotated[ClientQuery, Query()]) -> ClientPage:
    """Clients that the staff member may see, newest first. With words it is a search, and counted as one."""
    portal.uses.take_search(who, query.q)
    wanted = ClientFilter(query.q, query.kind, query.is_new)
    found = queries.list_clients(portal.database, who, wanted, cursor=query.cursor, limit=query.limit)
    return ClientPage.of(found, ListedClient.of)


@router.get("/{client_id}")
def read_client(portal: ThePortal, who: Reader, client_id: UUID) -> OneClient:
    """One client."""
    return OneClient.details(queries.get_client(portal.database, who, client_id))


@router.post("/{client_id}/imports", status_code=202, responses=ACCEPTED_BEFORE)
def import_items(
    request: Request,
    response: Response,
    portal: ThePortal,
    who: Importer,
    client_id: UUID,
    wanted: ItemsToImport,
    idempotency_key: IdempotencyKey,
) -> Accepted:
    """Import details and relationships of an existing client."""
    found = accept.import_items(
        portal.database,
        portal.bell,
        who,
        client_id,
        idempotency_key,
        details=wanted.details,
        relationships=wanted.relationships,
    )
    return accepted(request, response, found)


@router.post("/{client_id}/welcome-email", status_code=202, responses=ACCEPTED_BEFORE)
def send_welcome_email(
    request: Request,
    response: Response,
    portal: ThePortal,
    who: Importer,
    client_id: UUID,
    idempotency_key: IdempotencyKey,
) -> Accepted:
    """Send the welcome email, for the first time or again. Earlier links stop working. The answer names the import that
    reports the outcome."""
    if not welcome_email.is_repeated(portal.database, who, client_id, idempotency_key):
        portal.uses.take(Use.WELCOME_EMAIL, who, to=client_id)
    found = welcome_email.invite(portal.database, portal.bell, who, client_id, idempotency_key)
    return accepted(request, response, found)


@router.put("/{client_id}/xpm-link", status_code=204)
def connect_client(portal: ThePortal, who: Importer, client_id: UUID, given: RecordToConnect) -> None:
    """Connect a client to its XPM record. This changes no data; import its items afterwards."""
    portal_clients.connect(portal.services, who, client_id, given.xpm_uuid)


@router.delete("/{client_id}/xpm-link", status_code=204)
def disconnect_client(portal: ThePortal, who: Importer, client_id: UUID) -> None:
    """Disconnect a client from its XPM record. What was imported stays. Use it to undo a wrong link of a review item."""
    portal_clients.disconnect(portal.database, who, client_id)


@router.get("/{client_id}/history")
def read_history(portal: ThePortal, who: Reader, client_id: UUID, query: Annotated[ListQuery, Query()]) -> HistoryPage:
    """Changes of a client, its relationships and its team."""
    found = history.page(portal.database, who, client_id, cursor=query.cursor, limit=query.limit)
    return HistoryPage.of(found, lambda entry: Change.from_row(entry.change, staff_name=entry.staff_name))
