"""Configure > Integrations: each staff member's own connection to Xero Practice Manager (b.13, b.14).

Xero's pages stand between two of ours: a window with the way there, since a form must not lead off the portal, and the
address that Xero sends the person back to.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from handlers.access.caller import Caller
from handlers.errors import RequestRefused
from handlers.integration import connect
from handlers.integration import status as integration_status
from handlers.integration.connect import Choice, ConnectingStaff
from web.http.problems import fault_of, status_of
from web.pages.frame.forms import NONE, Faults, PostedByImporter
from web.pages.frame.view import go, page
from web.pages.frame.visitor import TheImporter, TheVisitor, Visitor
from web.portal import Portal, ThePortal, used_today

router = APIRouter()

PATH = "/configure/integrations"


@router.get(PATH)
def show(request: Request, portal: ThePortal, visitor: TheVisitor) -> Response:
    """How the visitor's integration stands, and what to do next."""
    return _page(request, portal, visitor, NONE)


@router.post(f"{PATH}/xpm/consent")
def begin(request: Request, portal: ThePortal, posted: PostedByImporter) -> Response:
    """The window with the way to Xero."""
    visitor = posted.visitor
    try:
        address = connect.begin(portal.database, portal.settings, _person(visitor.caller))
    except RequestRefused as refused:
        return _page(request, portal, visitor, Faults(whole=fault_of(refused)), status=status_of(refused))
    return page(request, visitor, "settings/xpm_consent.html", address=address)


@router.get("/integrations/xpm/callback")
def come_back(
    request: Request,
    portal: ThePortal,
    visitor: TheImporter,
    state: Annotated[str, Query(max_length=500)] = "",
    code: Annotated[str, Query(max_length=5000)] | None = None,
    error: Annotated[str, Query(max_length=200)] | None = None,
) -> Response:
    """Where Xero sends the person back to: connected, a choice between several practices, or what went wrong."""
    try:
        came = connect.complete(
            portal.database, portal.settings, _person(visitor.caller), state=state, code=code, error=error
        )
    except RequestRefused as refused:
        return _page(request, portal, visitor, Faults(whole=fault_of(refused)), status=status_of(refused))
    if isinstance(came, Choice):
        return _choice(request, visitor, came.consent_id, came.tenants, NONE)
    return go(PATH, say="xpm-connected")


@router.post(f"{PATH}/xpm/choice")
def choose(request: Request, portal: ThePortal, posted: PostedByImporter) -> Response:
    """Connect the practice that was chosen."""
    visitor = posted.visitor
    try:
        consent_id = UUID(posted.text("consent_id"))
    except ValueError:
        return go(PATH)
    try:
        connect.choose(portal.database, _person(visitor.caller), consent_id, posted.text("tenant_id")[:64])
    except RequestRefused as refused:
        return _page(request, portal, visitor, Faults(whole=fault_of(refused)), status=status_of(refused))
    return go(PATH, say="xpm-connected")


@router.get(f"{PATH}/xpm/disconnect")
def ask_to_disconnect(request: Request, visitor: TheImporter) -> Response:
    """What disconnecting does, before it is done."""
    if visitor.xpm.connection is None:
        return go(PATH)
    return page(request, visitor, "settings/xpm_disconnect.html", connection=visitor.xpm.connection)


@router.post(f"{PATH}/xpm/disconnect")
def disconnect(request: Request, portal: ThePortal, posted: PostedByImporter) -> Response:
    try:
        integration_status.disconnect(portal.database, posted.visitor.caller)
    except RequestRefused as refused:
        faults = Faults(whole=fault_of(refused))
        return _page(request, portal, posted.visitor, faults, status=status_of(refused))
    return go(PATH, say="xpm-disconnected")


def _page(request: Request, portal: Portal, visitor: Visitor, faults: Faults, *, status: int = 200) -> Response:
    connection, trouble = visitor.xpm.connection, visitor.xpm.trouble
    found = integration_status.overview(portal.database, visitor.caller)
    used = used_today(portal, connection.tenant_id) if connection else None
    limit = portal.settings.xpm_day_limit
    return page(
        request,
        visitor,
        "settings/integrations.html",
        status=status,
        faults=faults,
        connection=connection,
        reading=integration_status.reading(portal.database, connection) if connection else None,
        next_reading=min((each.schedule.next_due_at for each in found.schedules if not each.paused_by), default=None),
        left_behind=found.left_behind,
        trouble=fault_of(trouble) if trouble else None,
        calls_left=None if used is None else max(0, limit - used),
        calls_a_day=limit,
    )


def _choice(
    request: Request, visitor: Visitor, consent_id: UUID, tenants: tuple[tuple[str, str | None], ...], faults: Faults
) -> Response:
    options = [(tenant_id, name or f"A practice without a name ({tenant_id})") for tenant_id, name in tenants]
    return page(request, visitor, "settings/xpm_choice.html", faults=faults, consent_id=consent_id, options=options)


def _person(who: Caller) -> ConnectingStaff:
    return ConnectingStaff(who.practice_id, who.staff_id)
