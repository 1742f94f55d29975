"""The staff member's own XPM integration: its status, connecting by consent at Xero, disconnecting."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from handlers import connect_xpm, integration
from handlers.callers import Caller
from handlers.connect_xpm import Choice, Connected, Person
from handlers.integration import Overview
from portal_db.states import ConnectionState
from web.api import handover
from web.api.handover import Behind
from web.api.syncs import ScheduledSync
from web.identity import Importer, Reader
from web.portal import ThePortal
from web.problems import Fault, fault_of

router = APIRouter(prefix="/integrations/xpm", tags=["integration"])
router.include_router(handover.router)


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


class Answer(BaseModel):
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
    return Status.of(integration.overview(portal.database, who))


@router.post("/consent", status_code=201)
def begin_consent(portal: ThePortal, who: Importer) -> ConsentBegun:
    """Begin to connect, or to reconnect."""
    return ConsentBegun(authorize_url=connect_xpm.begin(portal.database, portal.settings, _person(who)))


@router.post("/answer")
def take_answer(portal: ThePortal, who: Importer, given: Answer) -> Answered:
    """Take what the person came back from Xero with. Good once, within ten minutes, for who began."""
    came = connect_xpm.complete(
        portal.database, portal.settings, _person(who), state=given.state, code=given.code, error=given.error
    )
    if isinstance(came, Choice):
        tenants = [Tenant(tenant_id=tenant_id, name=name) for tenant_id, name in came.tenants]
        return Answered(consent_id=came.consent_id, tenants=tenants)
    return _connected(came)


@router.post("/choice")
def choose(portal: ThePortal, who: Importer, given: Chosen) -> Answered:
    """Choose one of several practices."""
    return _connected(connect_xpm.choose(portal.database, _person(who), given.consent_id, given.tenant_id))


@router.delete("", status_code=204)
def disconnect(portal: ThePortal, who: Importer) -> None:
    """Disconnect XPM. What was imported stays; what waits is turned down."""
    integration.disconnect(portal.database, who)


def _person(who: Caller) -> Person:
    return Person(who.practice_id, who.staff_id)


def _connected(found: Connected) -> Answered:
    return Answered(connection_id=found.connection_id, resumed=found.woken)
