"""The XPM integration: its status, a staff member's own connection, syncs, and moving clients to a colleague."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from handlers.access.act import Act
from handlers.access.caller import Caller
from handlers.fields import Text
from handlers.integration import connect, handover, status
from handlers.integration.connect import Choice, ConnectingStaff
from handlers.integration.status import Overview
from handlers.relationships import resync
from handlers.schedule.due import SKIP_REASONS
from portal_db.directory.resyncs import Synced
from portal_db.directory.schedules import ScheduleEntry
from portal_db.states import ConnectionState, SyncMode, SyncState
from web.http.identity import ConfirmedKeeper, Importer, Reader
from web.http.models import Answer, Body
from web.http.paging import ListPage, ListQuery
from web.http.problems import Fault, fault_of
from web.portal import ThePortal

router = APIRouter(prefix="/integrations/xpm", tags=["integration"])


class BehindClient(BaseModel):
    id: UUID
    name: str


class Behind(BaseModel):
    """A connection of someone who has left, and the clients linked through it."""

    connection_id: UUID
    staff_name: str = Field(description="the person who left")
    count: int = Field(description="clients linked through it that you may see")
    clients: list[BehindClient] = Field(description="the first 50 of them by name")

    @classmethod
    def of(cls, found: status.Behind) -> Self:
        return cls(
            connection_id=found.connection.connection_id,
            staff_name=found.connection.staff_name,
            count=found.connection.clients,
            clients=[BehindClient(id=client_id, name=name) for client_id, name in found.clients],
        )


class Sync(Answer):
    """A sync that has started: its state, and how many records it read."""

    state: SyncState
    started_at: datetime
    finished_at: datetime | None
    seen: int | None
    added: int | None
    changed: int | None
    gone: int | None
    reason: str | None = Field(description="why it failed")


class ScheduledSync(BaseModel):
    """Recurring syncs of one mode. `passed_over` says why the last one that was due did not run, until one runs."""

    mode: SyncMode | None
    next_at: datetime
    last: Sync | None
    passed_over: Fault | None

    @classmethod
    def of(cls, entry: ScheduleEntry) -> Self:
        row = entry.schedule
        last = Sync.from_row(entry.sync) if entry.sync else None
        return cls(mode=row.mode, next_at=row.next_due_at, last=last, passed_over=_skip_reason(entry.passed_over))


class Connection(Answer):
    id: UUID
    state: ConnectionState
    tenant_name: str | None
    connected_at: datetime
    broken_at: datetime | None


class Status(BaseModel):
    """Whether you can import, and if not, why."""

    mfa_mandatory: bool = Field(
        description="whether the practice requires MFA of everyone; until it does, nobody can connect"
    )
    connection: Connection | None
    can_import: bool
    problem: Fault | None
    syncs: list[ScheduledSync] = Field(description="recurring syncs of what you see in XPM, the next one first")
    left_behind: list[Behind] = Field(description="connections of staff who have left that still have clients")

    @classmethod
    def of(cls, overview: Overview) -> Self:
        found = overview.standing
        return cls(
            mfa_mandatory=found.mfa_mandatory,
            connection=Connection.from_row(found.connection) if found.connection else None,
            can_import=found.trouble is None,
            problem=fault_of(found.trouble) if found.trouble else None,
            syncs=[ScheduledSync.of(entry) for entry in overview.schedules],
            left_behind=[Behind.of(each) for each in overview.left_behind],
        )


class ConsentBegun(BaseModel):
    authorize_url: str = Field(description="where to send the person's browser")


class ConsentAnswer(Body):
    """The query of the URL that Xero redirected the browser to."""

    state: Annotated[Text, Field(max_length=500)]
    code: Annotated[Text, Field(max_length=5000)] | None = None
    error: Annotated[Text, Field(max_length=200)] | None = None


class Tenant(BaseModel):
    tenant_id: str
    name: str | None


class Answered(BaseModel):
    """Connected, or several practices to choose from with `POST …/choice`."""

    connection_id: UUID | None = None
    resumed: int = Field(0, description="jobs that waited for this and now continue")
    consent_id: UUID | None = None
    tenants: list[Tenant] = []


class Chosen(Body):
    consent_id: UUID
    tenant_id: Annotated[Text, Field(max_length=64)]


class Handover(Body):
    connection_id: UUID = Field(description="whose clients are moved")
    to_staff_id: UUID = Field(description="the colleague; they must be connected to the same practice in XPM")
    dry_run: bool = Field(False, description="report what would be done, and do nothing")


class HandedOver(BaseModel):
    """Clients that were moved, or would be; `left` stay because the colleague cannot see their XPM record."""

    moved: list[UUID]
    left: list[UUID]


class Relationships(Answer):
    """What a sync changed in the relationships of the practice's linked clients."""

    clients: int = Field(description="clients whose XPM record had changed")
    added: int = Field(description="new review items")
    changed: int
    ended: int
    conflicts: int = Field(description="items whose direction or label a reviewer should look at")
    waiting: int = Field(description="items that awaited review at its end")
    finished_at: datetime | None


class SyncSummary(Answer):
    """One sync. The counts are null while it runs; `relationships` is null if none of them changed."""

    id: UUID
    mode: SyncMode
    state: SyncState
    reason: str | None
    started_at: datetime
    finished_at: datetime | None
    seen: int | None
    added: int | None
    changed: int | None
    gone: int | None
    relationships: Relationships | None

    @classmethod
    def of(cls, found: Synced) -> Self:
        return cls.from_row(found.sync, relationships=Relationships.from_row(found.summary) if found.summary else None)


class SummaryPage(ListPage[SyncSummary]):
    """Syncs, newest first."""


class SyncQuery(ListQuery):
    limit: Annotated[int, Field(ge=1, le=200)] = 20


@router.get("")
def read_status(portal: ThePortal, who: Reader) -> Status:
    """The status of the integration."""
    return Status.of(status.overview(portal.database, who))


@router.post("/consent", status_code=201)
def begin_consent(portal: ThePortal, who: Importer) -> ConsentBegun:
    """Begin to connect or reconnect: the answer names the page of Xero to open."""
    return ConsentBegun(authorize_url=connect.begin(portal.database, portal.settings, _person(who)))


@router.post("/answer")
def take_answer(portal: ThePortal, who: Importer, given: ConsentAnswer) -> Answered:
    """Complete the connection with what Xero returned. Works once, within ten minutes, for the person who began."""
    outcome = connect.complete(
        portal.database, portal.settings, _person(who), state=given.state, code=given.code, error=given.error
    )
    if isinstance(outcome, Choice):
        tenants = [Tenant(tenant_id=tenant_id, name=name) for tenant_id, name in outcome.tenants]
        return Answered(consent_id=outcome.consent_id, tenants=tenants)
    return Answered(connection_id=outcome.connection_id, resumed=outcome.woken)


@router.post("/choice")
def choose(portal: ThePortal, who: Importer, given: Chosen) -> Answered:
    """Choose one of several practices."""
    outcome = connect.choose(portal.database, _person(who), given.consent_id, given.tenant_id)
    return Answered(connection_id=outcome.connection_id, resumed=outcome.woken)


@router.delete("", status_code=204)
def disconnect(portal: ThePortal, who: Importer) -> None:
    """Disconnect XPM. What was imported stays; your waiting imports are cancelled."""
    status.disconnect(portal.database, who)


@router.post("/reassign")
def reassign(portal: ThePortal, who: ConfirmedKeeper, given: Handover) -> HandedOver:
    """Move the clients of a connection to a colleague; for owners and account admins."""
    act = Act.of_staff(who)
    found = handover.reassign(portal.database, act, given.connection_id, given.to_staff_id, dry_run=given.dry_run)
    return HandedOver(moved=list(found.moved), left=list(found.left))


@router.get("/syncs")
def list_syncs(portal: ThePortal, who: Reader, query: Annotated[SyncQuery, Query()]) -> SummaryPage:
    """Syncs of the directories that the practice's connections read, newest first."""
    found = resync.page(portal.database, who, cursor=query.cursor, limit=query.limit)
    return SummaryPage.of(found, SyncSummary.of)


def _person(who: Caller) -> ConnectingStaff:
    return ConnectingStaff(who.practice_id, who.staff_id)


def _skip_reason(code: str | None) -> Fault | None:
    if code is None:
        return None
    message, remedy = SKIP_REASONS[code].for_staff
    return Fault(code=code, message=message, remedy=remedy or None)
