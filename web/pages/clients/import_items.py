"""Integration actions > Xero Practice Manager > Import items: details and relationships of a client that is there."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from handlers.clients import queries
from handlers.errors import RequestRefused
from handlers.imports import accept as portal_clients
from web.http.problems import status_of
from web.pages.frame.forms import NONE, Faults, PostedByImporter
from web.pages.frame.view import go, page
from web.pages.frame.visitor import TheImporter, Visitor
from web.portal import Portal, ThePortal

router = APIRouter()


@router.get("/clients/{client_id}/import-items")
def show(request: Request, portal: ThePortal, visitor: TheImporter, client_id: UUID) -> Response:
    """What would be imported, and what that replaces."""
    return _shown(request, portal, visitor, client_id)


@router.post("/clients/{client_id}/import-items")
def import_items(request: Request, portal: ThePortal, posted: PostedByImporter, client_id: UUID) -> Response:
    """Ask for it; the import's page says that it is in progress."""
    details, relationships = posted.is_ticked("details"), posted.is_ticked("relationships")
    try:
        accepted = portal_clients.import_items(
            portal.database,
            portal.bell,
            posted.visitor.caller,
            client_id,
            posted.text("idempotency_key"),
            details=details,
            relationships=relationships,
        )
    except RequestRefused as refused:
        faults = Faults.refused(refused, {})
        return _shown(request, portal, posted.visitor, client_id, faults, (details, relationships), status_of(refused))
    return go(f"/imports/{accepted.import_id}")


def _shown(
    request: Request,
    portal: Portal,
    visitor: Visitor,
    client_id: UUID,
    faults: Faults = NONE,
    ticked: tuple[bool, bool] = (True, True),
    status: int = 200,
) -> Response:
    entry = queries.details(portal.database, visitor.caller, client_id).entry
    key = portal.services.sources.new_id().hex
    return page(
        request, visitor, "clients/import_items.html", status=status, entry=entry, faults=faults, ticked=ticked, key=key
    )
