"""Imports: requested, listed, read, followed live, corrected and cancelled."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse

from handlers.access.act import Act
from handlers.fields import Text, Time
from handlers.imports import accept, queries
from handlers.imports import amend as import_amend
from handlers.imports import cancel as import_cancel
from handlers.imports.queries import ImportStatus, Step
from handlers.imports.request import ImportWishes
from portal_db.states import ClientKind, ClientType, EntityType, ImportState, JobState, Subscription
from portal_db.tables import Import, Job
from portal_db.work.import_list import ImportFilter
from web.http.bodies import IdempotencyKey, import_request
from web.http.events import STREAM, LastEventId, Snapshot, following
from web.http.identity import Importer, Reader
from web.http.models import Answer, Body
from web.http.paging import ListPage, ListQuery
from web.portal import ThePortal

router = APIRouter(prefix="/imports", tags=["imports"])


class Why(BaseModel):
    """Why an import or a step ended as it did, or what is wrong with it now."""

    code: str
    field: str | None
    message: str | None
    remedy: str | None

    @classmethod
    def of_import(cls, row: Import) -> Self | None:
        if row.outcome_code is None:
            return None
        return cls(
            code=row.outcome_code, field=row.outcome_field, message=row.outcome_message, remedy=row.outcome_remedy
        )

    @classmethod
    def of_job(cls, row: Job) -> Self | None:
        if row.error_code is None or row.state is JobState.SUCCEEDED:
            return None
        return cls(code=row.error_code, field=row.error_field, message=row.error_message, remedy=row.error_action)


class ImportStep(Answer):
    """One step of an import. `waits_for` and `until` say what an open step that is not running waits for."""

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
        why = Why.of_job(step.job)
        return cls.from_row(step.job, title=step.title, waits_for=step.waits_for, until=step.until, why=why)


class ListedImport(Answer):
    """What was requested, the import's state and, once it is closed, why it ended that way."""

    id: UUID
    state: ImportState
    is_open: bool
    xpm_uuid: UUID
    kind: ClientKind
    name: str | None = Field(description="as changed by the requester; null: the name in XPM")
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
    def of(cls, row: Import, **more: Any) -> Self:
        return cls.from_row(row, is_open=row.state.is_open, why=Why.of_import(row), **more)


class OneImport(ListedImport):
    """An import with its steps. `waits_for` and `until` say what it waits for."""

    waits_for: str | None
    until: datetime | None
    steps: list[ImportStep]
    left_out: list[str] = Field(description="fields of the XPM record whose value cannot be read; the rest is imported")

    @classmethod
    def with_steps(cls, found: ImportStatus) -> Self:
        waits_for, until = found.waits_for
        steps = [ImportStep.of(step) for step in found.steps]
        return cls.of(found.row, waits_for=waits_for, until=until, steps=steps, left_out=list(found.left_out))


class ImportPage(ListPage[ListedImport]):
    """Imports, newest first."""


class Accepted(BaseModel):
    """The request is stored, and will reach exactly one closed state."""

    id: UUID
    is_new: bool = Field(description="false if the same request was accepted before")


ACCEPTED_BEFORE: dict[int | str, dict[str, Any]] = {200: {"description": "Accepted before", "model": Accepted}}


def accepted(request: Request, response: Response, found: accept.Accepted) -> Accepted:
    """Answer 202 with the import's address, or 200 if the same request was accepted before."""
    response.status_code = 202 if found.is_new else 200
    response.headers["Location"] = str(request.url_for("read_import", import_id=found.import_id).path)
    return Accepted(id=found.import_id, is_new=found.is_new)


class ImportQuery(ListQuery):
    """Which imports, and how many at once."""

    state: list[ImportState] = Field([], max_length=len(ImportState))
    kind: ClientKind | None = None
    code: Annotated[Text, Field(max_length=64)] | None = Field(None, description="why it ended as it did")
    batch_id: UUID | None = None
    client_id: UUID | None = None
    since: Time | None = Field(None, description="requested at this time or later")


class Corrections(Body):
    """The values to change. A field that is left out keeps its value; null takes XPM's value."""

    name: Annotated[Text, Field(max_length=500)] | None = None
    entity_type: EntityType | None = None
    email: Annotated[Text, Field(max_length=320)] | None = None
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
    sends_email: bool = Field(description="whether its welcome email is sent to the new address")


class Cancelled(BaseModel):
    """The import's state after the cancellation."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(validation_alias="import_id")
    state: ImportState
    email_goes_out: bool = Field(description="its welcome email is being sent and could not be stopped")


@router.post("", status_code=202, responses=ACCEPTED_BEFORE)
def request_import(
    request: Request,
    response: Response,
    portal: ThePortal,
    who: Importer,
    wishes: ImportWishes,
    idempotency_key: IdempotencyKey,
) -> Accepted:
    """Request the import of one client or entity."""
    found = accept.accept(portal.database, portal.bell, import_request(wishes, who, idempotency_key))
    return accepted(request, response, found)


@router.get("")
def list_imports(portal: ThePortal, who: Reader, query: Annotated[ImportQuery, Query()]) -> ImportPage:
    """Imports that the staff member requested or whose client they may see, newest first."""
    wanted = ImportFilter(query.state, query.kind, query.code, query.batch_id, query.client_id, query.since)
    found = queries.list_imports(portal.database, who, wanted, cursor=query.cursor, limit=query.limit)
    return ImportPage.of(found, ListedImport.of)


@router.get("/{import_id}")
def read_import(portal: ThePortal, who: Reader, import_id: UUID) -> OneImport:
    """One import with its steps, and what it waits for."""
    return OneImport.with_steps(queries.get_import(portal.database, who, import_id))


@router.get("/{import_id}/events", response_class=EventSourceResponse, responses=STREAM)
async def follow_import(
    request: Request, portal: ThePortal, who: Reader, import_id: UUID, last_event_id: LastEventId = None
) -> EventSourceResponse:
    """Follow the import by server-sent events: `progress` at each change, `closed` at its end."""

    def look() -> Snapshot:
        found = queries.get_import(portal.database, who, import_id)
        return Snapshot(OneImport.with_steps(found), is_last=not found.row.state.is_open)

    return await following(portal, request, who, look, last_event_id)


@router.patch("/{import_id}")
def amend(portal: ThePortal, who: Importer, import_id: UUID, given: Corrections) -> Amended:
    """Correct an import that was rejected or failed; it continues from validation. Once its client exists, only the email
    address can be corrected here, and only until the client activates the account."""
    wishes = given.model_dump(exclude_unset=True)
    return Amended.model_validate(import_amend.amend(portal.database, Act.of_staff(who), import_id, wishes))


@router.post("/{import_id}/cancellation")
def cancel(portal: ThePortal, who: Importer, import_id: UUID) -> Cancelled:
    """Cancel the steps of an import that have not been done. What was created stays."""
    return Cancelled.model_validate(import_cancel.cancel(portal.database, Act.of_staff(who), import_id))
