"""Sending a client's welcome email, or sending it again. A page asks first, since an email cannot be called back."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from handlers.clients import queries
from handlers.errors import RequestRefused
from handlers.imports import welcome_email
from web.http.problems import status_of
from web.pages.frame.forms import NONE, Faults, PostedByImporter
from web.pages.frame.view import go, page
from web.pages.frame.visitor import TheImporter, Visitor
from web.portal import Portal, ThePortal

router = APIRouter()


@router.get("/clients/{client_id}/invite")
def show_invite(request: Request, portal: ThePortal, visitor: TheImporter, client_id: UUID) -> Response:
    """Ask first: who would get the email."""
    return _shown(request, portal, visitor, client_id)


@router.post("/clients/{client_id}/invite")
def invite(request: Request, portal: ThePortal, posted: PostedByImporter, client_id: UUID) -> Response:
    """Have it sent, once for each time that the page was opened."""
    key = posted.text("idempotency_key")
    try:
        welcome_email.invite(portal.database, portal.bell, posted.visitor.caller, client_id, key)
    except RequestRefused as refused:
        faults = Faults.refused(refused, {})
        return _shown(request, portal, posted.visitor, client_id, faults, status_of(refused))
    return go(f"/clients/{client_id}", say="invited")


def _shown(
    request: Request, portal: Portal, visitor: Visitor, client_id: UUID, faults: Faults = NONE, status: int = 200
) -> Response:
    entry = queries.details(portal.database, visitor.caller, client_id).entry
    key = portal.services.sources.new_id().hex
    return page(
        request, visitor, "clients/invite.html", status=status, entry=entry, client=entry.client, faults=faults, key=key
    )
