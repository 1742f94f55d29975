"""Integration actions > Xero Practice Manager > Connect (Link to existing account) and Disconnect client."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from handlers.clients import link as portal_clients
from handlers.clients import queries
from handlers.directory import search
from handlers.errors import JobError, RequestRefused
from web.http.problems import status_of
from web.pages.frame.forms import NONE, Faults, PostedByImporter
from web.pages.frame.view import go, page
from web.pages.frame.visitor import TheImporter, Visitor
from web.portal import Portal, ThePortal

router = APIRouter()

SHORTEST = 2


@router.get("/clients/{client_id}/connect")
def show_connect(
    request: Request,
    portal: ThePortal,
    visitor: TheImporter,
    client_id: UUID,
    q: Annotated[str, Query(max_length=200)] = "",
    record: UUID | None = None,
) -> Response:
    """Link to existing account: search in XPM, pick a record, and see what would be linked."""
    return _shown(request, portal, visitor, client_id, q.strip(), record)


@router.post("/clients/{client_id}/connect")
def connect(request: Request, portal: ThePortal, posted: PostedByImporter, client_id: UUID) -> Response:
    """Link it. Nothing is imported by that."""
    record = posted.text("record")
    try:
        xpm_uuid = UUID(record)
    except ValueError:
        return go(f"/clients/{client_id}/connect")
    try:
        portal_clients.connect(portal.services, posted.visitor.caller, client_id, xpm_uuid)
    except (RequestRefused, JobError) as refused:
        faults = Faults.refused(refused, {})
        status = status_of(refused)
        return _shown(request, portal, posted.visitor, client_id, posted.text("q"), None, faults, status)
    return go(f"/clients/{client_id}", say="connected")


@router.get("/clients/{client_id}/disconnect")
def show_disconnect(request: Request, portal: ThePortal, visitor: TheImporter, client_id: UUID) -> Response:
    """Ask first: what disconnecting means."""
    entry = queries.details(portal.database, visitor.caller, client_id).entry
    return page(request, visitor, "clients/disconnect_client.html", entry=entry, client=entry.client)


@router.post("/clients/{client_id}/disconnect")
def disconnect(portal: ThePortal, posted: PostedByImporter, client_id: UUID) -> Response:
    """Disconnect; a second copy finds it done."""
    try:
        portal_clients.disconnect(portal.database, posted.visitor.caller, client_id)
    except RequestRefused as refused:
        if refused.code != "not_connected":
            raise
    return go(f"/clients/{client_id}", say="disconnected")


def _shown(
    request: Request,
    portal: Portal,
    visitor: Visitor,
    client_id: UUID,
    q: str,
    record: UUID | None,
    faults: Faults = NONE,
    status: int = 200,
) -> Response:
    entry = queries.details(portal.database, visitor.caller, client_id).entry
    found, chosen, trouble = None, None, None
    try:
        if record is not None:
            chosen = search.one_in_xpm(portal.services, visitor.caller, record)
        elif len(q) >= SHORTEST:
            found = search.in_xpm(portal.services, visitor.caller, q)
    except JobError as error:
        trouble = error
    shown = {"entry": entry, "client": entry.client, "q": q, "found": found, "chosen": chosen, "trouble": trouble}
    return page(request, visitor, "clients/connect_client.html", status=status, faults=faults, **shown)
