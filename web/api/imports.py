"""Imports: asked for, looked at one by one and as a list, followed live, corrected and cancelled."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse

from handlers.access.act import Act
from handlers.imports import amend as import_amend
from handlers.imports import cancel as import_cancel
from handlers.imports import queries
from handlers.imports.accept import accept
from handlers.imports.queries import ImportStatus, Step
from handlers.imports.request import ImportWishes
from portal_db.states import ClientKind, ClientType, EntityType, ImportState, JobState, Subscription
from portal_db.tables import Import
from portal_db.work.import_list import ImportFilter
from web.http.bodies import signed
from web.http.events import STREAM, LastEventId, Told, following
from web.http.identity import Importer, Reader
from web.http.paging import ListPage, ListQuery
from web.portal import ThePortal

router = APIRouter(prefix="/imports", tags=["imports"])
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Your own key for this request. Sent again with the same body, nothing is asked for twice.",
    ),
]


class Why(BaseModel):
    """Why it ended as it did, or what is amiss."""

    code: str
    field: str | None
    message: str | None
    remedy: str | None


class ImportStep(BaseModel):
    """One step of an import. `waits_for` and `until` say why an open one is not running."""

    kind: str
    title: str
    state: JobState
    attempts: int
    waits_for: str | None
    until: datetime | None
    why: Why | None
    finished_at: datetime | None

    @classmethod
    def of(cls, step: Step) -> Self:
        job = step.job
        amiss = job.error_code is not None and job.state is not JobState.SUCCEEDED
        why = Why(code=job.error_code or "", field=job.error_field, message=job.error_message, remedy=job.error_action)
        return cls(
            kind=job.kind,
            title=step.title,
            state=job.state,
            attempts=job.attempts,
            waits_for=step.waits_for,
            until=step.until,
            why=why if amiss else None,
            finished_at=job.finished_at,
        )


class ListedImport(BaseModel):
    """What was asked for, where it stands and, once it is closed, why."""

    id: UUID
    state: ImportState
    is_open: bool
    xpm_uuid: UUID
    kind: ClientKind
    name: str | None = Field(description="as adjusted by the requester; null is XPM's")
    entity_type: EntityType | None
    email: str | None
    client_type: ClientType | None
    subscription: Subscription | None
    send_welcome_email: bool
    bring_details: bool
    bring_relationships: bool
    requested_by: UUID
    batch_id: UUID | None
    position: int | None
    client_id: UUID | None = Field(description="the client, once there is one")
    why: Why | None
    created_at: datetime
    closed_at: datetime | None

    @classmethod
    def of(cls, row: Import) -> Self:
        columns = {name: getattr(row, name) for name in ListedImport.model_fields if name not in ("is_open", "why")}
        return cls.model_validate({**columns, "is_open": row.state.is_open, "why": _why(row)})


class OneImport(ListedImport):
    """An import with its steps, and what it waits for."""

    waits_for: str | None
    until: datetime | None
    steps: list[ImportStep]

    @classmethod
    def standing(cls, found: ImportStatus) -> Self:
        waits_for, until = found.waits_for
        listed = ListedImport.of(found.row).model_dump()
        steps = [ImportStep.of(step) for step in found.steps]
        return cls.model_validate({**listed, "waits_for": waits_for, "until": until, "steps": steps})


class ImportPage(ListPage[ListedImport]):
    """Imports, newest first."""


class Accepted(BaseModel):
    """The request is in the record and will reach exactly one closed state."""

    id: UUID
    is_new: bool = Field(description="false when the same request was accepted before")


@router.post("", status_code=202, responses={200: {"description": "Accepted before", "model": Accepted}})
def request_import(
    request: Request,
    response: Response,
    portal: ThePortal,
    who: Importer,
    wishes: ImportWishes,
    idempotency_key: IdempotencyKey,
) -> Accepted:
    """Ask for one client or entity."""
    found = accept(portal.database, portal.bell, signed(wishes, who, idempotency_key))
    response.status_code = 202 if found.is_new else 200
    response.headers["Location"] = str(request.url_for("read_import", import_id=found.import_id).path)
    return Accepted(id=found.import_id, is_new=found.is_new)


class ImportQuery(ListQuery):
    """Which imports, and how many at once."""

    state: list[ImportState] = Field([], max_length=len(ImportState))
    kind: ClientKind | None = None
    code: Annotated[str, Field(max_length=64)] | None = Field(None, description="why it ended as it did")
    batch_id: UUID | None = None
    client_id: UUID | None = None
    since: AwareDatetime | None = Field(None, description="asked for at this time or later")


@router.get("")
def list_imports(portal: ThePortal, who: Reader, query: Annotated[ImportQuery, Query()]) -> ImportPage:
    """Imports that the staff member asked for or whose client they may see, newest first."""
    wanted = ImportFilter(query.state, query.kind, query.code, query.batch_id, query.client_id, query.since)
    found = queries.page(portal.database, who, wanted, cursor=query.cursor, limit=query.limit)
    return ImportPage.of(found, ListedImport.of)


@router.get("/{import_id}")
def read_import(portal: ThePortal, who: Reader, import_id: UUID) -> OneImport:
    """One import with its steps, and what it waits for."""
    return OneImport.standing(queries.one(portal.database, who, import_id))


@router.get("/{import_id}/events", response_class=EventSourceResponse, responses=STREAM)
async def follow_import(
    portal: ThePortal, who: Reader, import_id: UUID, last_event_id: LastEventId = None
) -> EventSourceResponse:
    """The import as server-sent events: `progress` at each change, `closed` at its end."""

    def look() -> Told:
        found = queries.one(portal.database, who, import_id)
        return Told(OneImport.standing(found), is_last=not found.row.state.is_open)

    return await following(portal, who, look, last_event_id)


class Corrections(BaseModel):
    """What it is to ask for instead. What is not named stays; null takes XPM's value."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(max_length=500)] | None = None
    entity_type: EntityType | None = None
    email: Annotated[str, Field(max_length=320)] | None = None
    client_type: ClientType | None = None
    subscription: Subscription | None = None
    send_welcome_email: bool = False


class Amended(BaseModel):
    """The import with its new revision."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(validation_alias="import_id")
    revision: int
    changed: list[str]
    state: ImportState
    sends_email: bool = Field(description="its welcome email goes out, to the new address")


class Cancelled(BaseModel):
    """What became of it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(validation_alias="import_id")
    state: ImportState
    email_goes_out: bool = Field(description="its welcome email is being sent and could not be called back")


@router.patch("/{import_id}")
def amend(portal: ThePortal, who: Importer, import_id: UUID, given: Corrections) -> Amended:
    """Correct an import that was rejected or failed; it goes on from validation. Once its client exists, only the email
    can be corrected here, as long as the client has not activated the account."""
    wishes = given.model_dump(exclude_unset=True)
    return Amended.model_validate(import_amend.amend(portal.database, Act.of_staff(who), import_id, wishes))


@router.post("/{import_id}/cancellation")
def cancel(portal: ThePortal, who: Importer, import_id: UUID) -> Cancelled:
    """Cancel what an import has not done yet. What was created stays."""
    return Cancelled.model_validate(import_cancel.cancel(portal.database, Act.of_staff(who), import_id))


def _why(row: Import) -> Why | None:
    if row.outcome_code is None:
        return None
    return Why(code=row.outcome_code, field=row.outcome_field, message=row.outcome_message, remedy=row.outcome_remedy)
