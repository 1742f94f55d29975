"""Configure > Integrations: each staff member's own connection to Xero Practice Manager (b.13, b.14).

Xero's pages come between two of ours: a window with the link to Xero, since a form must not lead off the portal, and the
address to which Xero sends the person back.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from handlers.errors import RequestRefused
from handlers.fields import Text
from handlers.integration import connect
from handlers.integration import status as integration_status
from handlers.integration.connect import Choice, ConnectingStaff
from web.pages.frame.forms import NO_ERRORS, FormErrors, PostedByImporter
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheImporter, TheVisitor, Visitor
from web.portal import used_today

router = APIRouter()

PATH = "/configure/integrations"


@router.get(PATH)
def show(visitor: TheVisitor) -> Response:
    """The status of the visitor's integration, and what to do next."""
    return _page(visitor)


@router.post(f"{PATH}/xpm/consent")
def begin(posted: PostedByImporter) -> Response:
    """The window with the link to Xero."""
    visitor = posted.visitor
    try:
        address = connect.begin(visitor.database, visitor.portal.settings, _staff(visitor))
    except RequestRefused as refused:
        return _page(visitor, FormErrors.of(refused))
    return page(visitor, "settings/xpm_consent.html", address=address)


@router.get("/integrations/xpm/callback")
def come_back(
    visitor: TheImporter,
    state: Annotated[Text, Query(max_length=500)] = "",
    code: Annotated[Text, Query(max_length=5000)] | None = None,
    error: Annotated[Text, Query(max_length=200)] | None = None,
) -> Response:
    """Where Xero sends the person back: connected, a choice between several practices, or what went wrong."""
    settings = visitor.portal.settings
    try:
        outcome = connect.complete(visitor.database, settings, _staff(visitor), state=state, code=code, error=error)
    except RequestRefused as refused:
        return _page(visitor, FormErrors.of(refused))
    if isinstance(outcome, Choice):
        options = [(tenant_id, name or f"Unnamed practice ({tenant_id})") for tenant_id, name in outcome.tenants]
        return page(visitor, "settings/xpm_choice.html", consent_id=outcome.consent_id, options=options)
    return redirect(PATH, message="xpm-connected")


@router.post(f"{PATH}/xpm/choice")
def choose(posted: PostedByImporter) -> Response:
    """Connect the chosen practice."""
    visitor = posted.visitor
    try:
        consent_id = UUID(posted.text("consent_id"))
    except ValueError:
        return redirect(PATH)
    try:
        connect.choose(visitor.database, _staff(visitor), consent_id, posted.text("tenant_id")[:64])
    except RequestRefused as refused:
        return _page(visitor, FormErrors.of(refused))
    return redirect(PATH, message="xpm-connected")


@router.get(f"{PATH}/xpm/disconnect")
def ask_to_disconnect(visitor: TheImporter) -> Response:
    """What disconnecting does, before it is done."""
    if visitor.xpm.connection is None:
        return redirect(PATH)
    return page(visitor, "settings/xpm_disconnect.html")


@router.post(f"{PATH}/xpm/disconnect")
def disconnect(posted: PostedByImporter) -> Response:
    try:
        integration_status.disconnect(posted.visitor.database, posted.visitor.caller)
    except RequestRefused as refused:
        return _page(posted.visitor, FormErrors.of(refused))
    return redirect(PATH, message="xpm-disconnected")


def _page(visitor: Visitor, errors: FormErrors = NO_ERRORS) -> Response:
    connection = visitor.xpm.connection
    found = integration_status.overview(visitor.database, visitor.caller)
    used = used_today(visitor.portal, connection.tenant_id) if connection else None
    limit = visitor.portal.settings.xpm_day_limit
    return page(
        visitor,
        "settings/integrations.html",
        errors,
        connection=connection,
        last_sync=integration_status.reading(visitor.database, connection) if connection else None,
        next_sync=min((each.schedule.next_due_at for each in found.schedules if not each.paused_by), default=None),
        left_behind=found.left_behind,
        trouble=visitor.xpm.trouble,
        calls_left=None if used is None else max(0, limit - used),
        calls_a_day=limit,
    )


def _staff(visitor: Visitor) -> ConnectingStaff:
    return ConnectingStaff(visitor.caller.practice_id, visitor.caller.staff_id)
