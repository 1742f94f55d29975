"""A client's page: its details with where they come from, relationships, team, its XPM link and its imports."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from handlers import looking, portal_clients
from portal_db.import_list import Wanted
from portal_db.states import ReviewState
from web.pages.view import page
from web.pages.visitor import TheVisitor
from web.portal import ThePortal

router = APIRouter()

#: So many imports are shown, the newest first.
IMPORTS = 5


@router.get("/clients/{client_id}")
def show_client(request: Request, portal: ThePortal, visitor: TheVisitor, client_id: UUID) -> Response:
    """One client that the visitor may see."""
    database, caller = portal.database, visitor.caller
    details = portal_clients.details(database, caller, client_id)
    imports = looking.page(database, caller, Wanted(client_id=client_id), cursor=None, limit=IMPORTS).rows
    return page(
        request,
        visitor,
        "client.html",
        details=details,
        entry=details.entry,
        relationships=details.relationships,
        waiting=any(row.state is ReviewState.PENDING for row in details.relationships),
        client=details.entry.client,
        imports=[looking.one(database, caller, row.id) for row in imports],
    )
