"""A client's page: details and their sources, relationships, team, tasks, XPM link, imports and history."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.clients import assign, client_mfa, tasks
from handlers.clients import history as client_history
from handlers.clients import queries as client_queries
from handlers.imports import queries as import_queries
from portal_db.work.import_list import ImportFilter
from web.pages.frame.forms import ConfirmedByImporter
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheVisitor

router = APIRouter()

#: Imports and changes shown, newest first.
IMPORTS = 5
CHANGES = 20


@router.post("/clients/{client_id}/assignees")
def change_assignees(posted: ConfirmedByImporter, client_id: UUID) -> Response:
    """Assign the client to a colleague, or take it away from one."""
    visitor, add, remove = posted.visitor, posted.id("colleague"), posted.id("remove")
    if add is not None:
        assign.assign(visitor.database, visitor.caller, [client_id], add)
    if remove is not None:
        assign.unassign(visitor.database, visitor.caller, [client_id], remove)
    return redirect(f"/clients/{client_id}", message="unassigned" if remove else "assigned")


@router.get("/clients/{client_id}")
def show_client(visitor: TheVisitor, client_id: UUID) -> Response:
    """One client that the visitor may see."""
    database, caller = visitor.database, visitor.caller
    details = client_queries.get_client(database, caller, client_id)
    imports = import_queries.list_imports(
        database, caller, ImportFilter(client_id=client_id), cursor=None, limit=IMPORTS
    ).items
    client_queries.end_new(database, caller, details.entry)
    assignees = assign.assignees(database, caller, client_id)
    has_it = {each.id for each in assignees}
    return page(
        visitor,
        "clients/client.html",
        details=details,
        entry=details.entry,
        client=details.entry.client,
        mfa_since=client_mfa.set_up_at(database, caller, details),
        has_items_to_review=any(item.is_pending for item in details.relationships),
        history=client_history.page(database, caller, client_id, cursor=None, limit=CHANGES).items,
        tasks=tasks.standings(database, caller, client_id),
        most_tasks=tasks.MOST_SHOWN,
        assignees=assignees,
        others=[each for each in client_queries.colleagues(database, caller) if each.id not in has_it],
        imports=[import_queries.get_import(database, caller, row.id) for row in imports],
    )
