"""A client's page: details with where they come from, relationships, team, tasks, XPM link, imports and history."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from handlers.clients import history as client_history
from handlers.clients import queries as client_queries
from handlers.clients import tasks
from handlers.imports import queries as import_queries
from portal_db.states import ReviewState, TaskState
from portal_db.work.import_list import ImportFilter
from web.pages.frame.view import page
from web.pages.frame.visitor import TheVisitor
from web.portal import ThePortal

router = APIRouter()

#: So many imports and changes are shown, the newest first.
IMPORTS = 5
CHANGES = 20


@router.get("/clients/{client_id}")
def show_client(request: Request, portal: ThePortal, visitor: TheVisitor, client_id: UUID) -> Response:
    """One client that the visitor may see."""
    database, caller = portal.database, visitor.caller
    details = client_queries.details(database, caller, client_id)
    history = client_history.page(database, caller, client_id, cursor=None, limit=CHANGES)
    imports = import_queries.page(database, caller, ImportFilter(client_id=client_id), cursor=None, limit=IMPORTS).items
    return page(
        request,
        visitor,
        "clients/client.html",
        details=details,
        entry=details.entry,
        relationships=details.relationships,
        waiting=any(item.row.state is ReviewState.PENDING for item in details.relationships),
        client=details.entry.client,
        history=history.items,
        tasks=tasks.listing(database, caller, client_id, list(TaskState)),
        imports=[import_queries.one(database, caller, row.id) for row in imports],
    )
