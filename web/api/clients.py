"""The portal's clients: listed, looked at, tied to XPM, and brought up to date from there later."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from handlers.clients import history, queries
from handlers.clients import link as portal_clients
from handlers.clients.queries import Details, Invitation
from handlers.imports import accept, welcome_email
from portal_db.clients.client_queries import ClientEntry, ClientFilter
from portal_db.states import ChangeSource, ClientKind, ClientType, EntityType, FieldSource, Subscription
from portal_db.tables import ClientChange
from web.api.imports import Accepted, IdempotencyKey
from web.api.review import ReviewItem
from web.http.bodies import key_of
from web.http.identity import Importer, Reader
from web.http.paging import ListPage, ListQuery
from web.portal import ThePortal

router = APIRouter(prefix="/clients", tags=["clients"])


class XpmLink(BaseModel):
    xpm_uuid: UUID
    linked_at: datetime


class ListedClient(BaseModel):
    """A client as a list shows it."""

    id: UUID
    name: str
    kind: ClientKind
    entity_type: EntityType | None
    client_type: ClientType | None
    subscription: Subscription | None
    login_email: str | None
    invitation: Invitation | None = Field(description="null for entities, which have no login")
    is_new: bool
    xpm_link: XpmLink | None
    created_at: datetime

    @classmethod
    def of(cls, entry: ClientEntry) -> Self:
        row, link = entry.client, entry.link
        return cls(
            id=row.id,
            name=row.name,
            kind=row.kind,
            entity_type=row.entity_type,
            client_type=row.client_type,
            subscription=row.subscription,
            login_email=entry.login.email if entry.login else None,
            invitation=Invitation.of(entry.login, entry.email) if entry.login else None,
            is_new=row.is_new,
            xpm_link=XpmLink(xpm_uuid=link.xpm_uuid, linked_at=link.linked_at) if link else None,
            created_at=row.created_at,
        )


class ClientField(BaseModel):
    """A field's value and who decided it. `is_override`: staff adjusted it, so that XPM's news do not change it."""

    value: str
    source: FieldSource
    is_override: bool
    as_of: datetime


class Conflict(BaseModel):
    """A value XPM has that was not written, and why."""

    field: str
    code: str


class TeamMember(BaseModel):
    id: UUID
    name: str
    relationship: str
    email: str | None
    is_linked: bool = Field(description="whether it is tied to an XPM record, which keeps it up to date")
    is_co_owner: bool


class OneClient(ListedClient):
    """A client with its fields and their sources, its team, and what XPM says about its relationships."""

    fields: dict[str, ClientField]
    conflicts: list[Conflict]
    team: list[TeamMember]
    relationships: list[ReviewItem]
    import_id: UUID | None = Field(description="the import that created it")

    @classmethod
    def details(cls, found: Details) -> Self:
        listed = ListedClient.of(found.entry).model_dump()
        team = [
            TeamMember(
                id=row.id,
                name=row.name,
                relationship=row.relationship,
                email=row.email,
                is_linked=row.xpm_uuid is not None,
                is_co_owner=row.id in found.co_owners,
            )
            for row in found.team
        ]
        fields = {
            name: ClientField(value=row.value, source=row.source, is_override=row.is_override, as_of=row.as_of)
            for name, row in found.fields.items()
        }
        return cls(
            **listed,
            fields=fields,
            conflicts=[Conflict(field=row.field, code=row.code) for row in found.conflicts],
            team=team,
            relationships=[ReviewItem.of(item) for item in found.relationships],
            import_id=found.entry.client.import_id,
        )


class ClientPage(ListPage[ListedClient]):
    """Clients, the newest first."""


class ClientQuery(ListQuery):
    """Which clients, and how many at once."""

    q: Annotated[str, Field(max_length=200)] | None = Field(None, description="a part of the name")
    kind: ClientKind | None = None
    is_new: bool | None = None


class ToBring(BaseModel):
    """What to bring from XPM."""

    model_config = ConfigDict(extra="forbid")

    details: bool = True
    relationships: bool = True


class ToConnect(BaseModel):
    model_config = ConfigDict(extra="forbid")

    xpm_uuid: UUID


@router.get("")
def list_clients(portal: ThePortal, who: Reader, query: Annotated[ClientQuery, Query()]) -> ClientPage:
    """Clients that the staff member may see, the newest first."""
    wanted = ClientFilter(query.q, query.kind, query.is_new)
    found = queries.page(portal.database, who, wanted, cursor=query.cursor, limit=query.limit)
    return ClientPage.of(found, ListedClient.of)


@router.get("/{client_id}")
def read_client(portal: ThePortal, who: Reader, client_id: UUID) -> OneClient:
    """One client."""
    return OneClient.details(queries.details(portal.database, who, client_id))


@router.post(
    "/{client_id}/imports", status_code=202, responses={200: {"description": "Accepted before", "model": Accepted}}
)
def import_items(
    request: Request,
    response: Response,
    portal: ThePortal,
    who: Importer,
    client_id: UUID,
    wanted: ToBring,
    idempotency_key: IdempotencyKey,
) -> Accepted:
    """Import details and relationships of a client that is there already."""
    found = accept.import_items(
        portal.database,
        portal.bell,
        who,
        client_id,
        key_of(idempotency_key),
        details=wanted.details,
        relationships=wanted.relationships,
    )
    response.status_code = 202 if found.is_new else 200
    response.headers["Location"] = str(request.url_for("read_import", import_id=found.import_id).path)
    return Accepted(id=found.import_id, is_new=found.is_new)


@router.post(
    "/{client_id}/welcome-email",
    status_code=202,
    responses={200: {"description": "Accepted before", "model": Accepted}},
)
def send_welcome_email(
    request: Request,
    response: Response,
    portal: ThePortal,
    who: Importer,
    client_id: UUID,
    idempotency_key: IdempotencyKey,
) -> Accepted:
    """Send the welcome email again, or for the first time. The link of the one before ends. The answer names the import
    that tells how it went."""
    found = welcome_email.invite(portal.database, portal.bell, who, client_id, key_of(idempotency_key))
    response.status_code = 202 if found.is_new else 200
    response.headers["Location"] = str(request.url_for("read_import", import_id=found.import_id).path)
    return Accepted(id=found.import_id, is_new=found.is_new)


@router.put("/{client_id}/xpm-link", status_code=204)
def connect_client(portal: ThePortal, who: Importer, client_id: UUID, given: ToConnect) -> None:
    """Connect a client to its XPM record. No data changes by that; import its items afterwards."""
    portal_clients.connect(portal.services, who, client_id, given.xpm_uuid)


@router.delete("/{client_id}/xpm-link", status_code=204)
def disconnect_client(portal: ThePortal, who: Importer, client_id: UUID) -> None:
    """Disconnect a client from its XPM record. What was imported stays; a wrong link of a review item is undone by it."""
    portal_clients.disconnect(portal.database, who, client_id)


class Change(BaseModel):
    """One field's change. `about_id` and `about_name` name the relationship or team member that it is about."""

    at: datetime
    source: ChangeSource
    staff_id: UUID | None = Field(description="who decided it, where a person did")
    import_id: UUID | None
    sync_id: UUID | None
    about: Literal["client", "relationship", "team_member"]
    about_id: UUID | None
    about_name: str | None
    field: str
    before: str | None
    after: str | None

    @classmethod
    def of(cls, row: ClientChange) -> Self:
        return cls.model_validate({name: getattr(row, name) for name in cls.model_fields})


class HistoryPage(ListPage[Change]):
    """Changes, the newest first."""


@router.get("/{client_id}/history")
def read_history(portal: ThePortal, who: Reader, client_id: UUID, query: Annotated[ListQuery, Query()]) -> HistoryPage:
    """What changed of a client, its relationships and its team."""
    found = history.page(portal.database, who, client_id, cursor=query.cursor, limit=query.limit)
    return HistoryPage.of(found, Change.of)
