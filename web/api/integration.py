"""The staff member's own XPM integration: its status, connecting by consent at Xero, disconnecting."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from handlers.access.act import Act
from handlers.access.caller import Caller
from handlers.integration import connect, handover, status
from handlers.integration.connect import Choice, Connected, ConnectingStaff
from handlers.integration.status import Overview
from handlers.relationships import resync
from handlers.schedule.due import SKIP_REASONS
from portal_db.directory.resyncs import Synced
from portal_db.directory.schedules import ScheduleEntry
from portal_db.states import ConnectionState, SyncMode, SyncState
from web.http.identity import Importer, Keeper, Reader
from web.http.paging import ListPage, ListQuery
from web.http.problems import Fault, fault_of
from web.portal import ThePortal


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
    def of(cls, found: status.Behind) -> Self:
        return cls(
            connection_id=found.connection.connection_id,
            staff_name=found.connection.staff_name,
            count=found.connection.clients,
            clients=[BehindClient(id=client_id, name=name) for client_id, name in found.clients],
        )


class Sync(BaseModel):
    """A sync that began: how it stands, and how many records it brought."""

    state: SyncState
    started_at: datetime
    finished_at: datetime | None
    seen: int | None
    added: int | None
    changed: int | None
    gone: int | None
    reason: str | None = Field(description="why it failed")


class ScheduledSync(BaseModel):
    """Syncs of one mode. `passed_over` says why the last due time was not used, until one is."""

    mode: SyncMode | None
    next_at: datetime
    last: Sync | None
    passed_over: Fault | None

    @classmethod
    def of(cls, entry: ScheduleEntry) -> Self:
        row = entry.schedule
        last = Sync.model_validate(entry.sync, from_attributes=True) if entry.sync else None
        return cls(mode=row.mode, next_at=row.next_due_at, last=last, passed_over=_fault(entry.passed_over))


router = APIRouter(prefix="/integrations/xpm", tags=["integration"])


class Connection(BaseModel):
    id: UUID
    state: ConnectionState
    tenant_name: str | None
    connected_at: datetime
    broken_at: datetime | None


class Status(BaseModel):
    """Whether anything can be imported, and what is in the way if not."""

    mfa_mandatory: bool = Field(description="Xero requires MFA of the whole practice; without it nobody connects")
    connection: Connection | None
    can_import: bool
    problem: Fault | None
    syncs: list[ScheduledSync] = Field(description="how what you see in XPM is kept up to date; what is due next first")
    left_behind: list[Behind] = Field(description="connections of staff who have left, while clients hang on them")

    @classmethod
    def of(cls, overview: Overview) -> Self:
        found = overview.standing
        row = found.connection
        shown = Connection.model_validate(row, from_attributes=True) if row else None
        problem = fault_of(found.trouble) if found.trouble else None
        return cls(
            mfa_mandatory=found.mfa_mandatory,
            connection=shown,
            can_import=found.trouble is None,
            problem=problem,
            syncs=[ScheduledSync.of(entry) for entry in overview.schedules],
            left_behind=[Behind.of(each) for each in overview.left_behind],
        )


class ConsentBegun(BaseModel):
    authorize_url: str = Field(description="where to send the person's browser")


class ConsentAnswer(BaseModel):
    """What Xero put into the address that it sent the browser back to."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    state: Annotated[str, Field(max_length=500)]
    code: Annotated[str, Field(max_length=5000)] | None = None
    error: Annotated[str, Field(max_length=200)] | None = None


class Tenant(BaseModel):
    tenant_id: str
    name: str | None


class Answered(BaseModel):
    """Connected, or a choice between several practices that `POST …/choice` takes."""

    connection_id: UUID | None = None
    resumed: int = Field(0, description="jobs that had waited for this and go on")
    consent_id: UUID | None = None
    tenants: list[Tenant] = []


class Chosen(BaseModel):
    model_config = ConfigDict(extra="forbid")

    consent_id: UUID
    tenant_id: Annotated[str, Field(max_length=64)]


@router.get("")
def read_status(portal: ThePortal, who: Reader) -> Status:
    """How the integration stands."""
    return Status.of(status.overview(portal.database, who))


@router.post("/consent", status_code=201)
def begin_consent(portal: ThePortal, who: Importer) -> ConsentBegun:
    """Begin to connect, or to reconnect."""
    return ConsentBegun(authorize_url=connect.begin(portal.database, portal.settings, _person(who)))


@router.post("/answer")
def take_answer(portal: ThePortal, who: Importer, given: ConsentAnswer) -> Answered:
    """Take what the person came back from Xero with. Good once, within ten minutes, for who began."""
    came = connect.complete(
        portal.database, portal.settings, _person(who), state=given.state, code=given.code, error=given.error
    )
    if isinstance(came, Choice):
        tenants = [Tenant(tenant_id=tenant_id, name=name) for tenant_id, name in came.tenants]
        return Answered(consent_id=came.consent_id, tenants=tenants)
    return _connected(came)


@router.post("/choice")
def choose(portal: ThePortal, who: Importer, given: Chosen) -> Answered:
    """Choose one of several practices."""
    return _connected(connect.choose(portal.database, _person(who), given.consent_id, given.tenant_id))


@router.delete("", status_code=204)
def disconnect(portal: ThePortal, who: Importer) -> None:
    """Disconnect XPM. What was imported stays; what waits is turned down."""
    status.disconnect(portal.database, who)


def _person(who: Caller) -> ConnectingStaff:
    return ConnectingStaff(who.practice_id, who.staff_id)


def _connected(found: Connected) -> Answered:
    return Answered(connection_id=found.connection_id, resumed=found.woken)


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
    found = handover.reassign(portal.database, act, given.connection_id, given.to_staff_id, dry_run=given.dry_run)
    return HandedOver(moved=list(found.moved), left=list(found.left))


class Relationships(BaseModel):
    """What a sync brought to the relationships of the practice's linked clients."""

    clients: int = Field(description="clients whose XPM record had changed")
    added: int = Field(description="new review items")
    changed: int
    ended: int
    conflicts: int = Field(description="items whose direction or label a reviewer should look at")
    waiting: int = Field(description="items that waited for review at its end")
    finished_at: datetime | None


class SyncSummary(BaseModel):
    """One sync. Numbers of records are null while it runs; `relationships` is null where it brought none of them news."""

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
        columns = {name: getattr(found.sync, name) for name in cls.model_fields if name != "relationships"}
        summary = Relationships.model_validate(found.summary, from_attributes=True) if found.summary else None
        return cls.model_validate({**columns, "relationships": summary})


class SummaryPage(ListPage[SyncSummary]):
    """Syncs, the newest first."""


class SyncQuery(ListQuery):
    limit: Annotated[int, Field(ge=1, le=200)] = 20


@router.get("/syncs")
def list_syncs(portal: ThePortal, who: Reader, query: Annotated[SyncQuery, Query()]) -> SummaryPage:
    """Syncs of the directories that the practice's connections read, the newest first."""
    found = resync.page(portal.database, who, cursor=query.cursor, limit=query.limit)
    return SummaryPage.of(found, SyncSummary.of)


def _fault(code: str | None) -> Fault | None:
    if code is None:
        return None
    message, remedy = SKIP_REASONS[code].for_staff
    return Fault(code=code, message=message, remedy=remedy or None)
