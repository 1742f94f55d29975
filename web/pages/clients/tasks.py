"""Sending a client a task, and taking note of how it ended. An entity's tasks go to a connection: it needs one first."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError

from handlers.clients import entity_connections, queries, tasks
from handlers.clients.tasks import NewTask
from handlers.errors import RequestRefused
from portal_db.states import ClientKind
from web.http.problems import status_of
from web.pages.frame.forms import NONE, Faults, Posted, PostedByImporter, faults_of
from web.pages.frame.view import go, page
from web.pages.frame.visitor import TheImporter, Visitor
from web.portal import Portal, ThePortal

router = APIRouter()

FIELDS = ("kind", "title", "note", "due_date", "connection_id")


@router.get("/clients/{client_id}/tasks/new")
def show_new_task(request: Request, portal: ThePortal, visitor: TheImporter, client_id: UUID) -> Response:
    """The form of a task; an entity without a connection is offered to add one first."""
    return _shown(request, portal, visitor, client_id, dict.fromkeys(FIELDS, ""))


@router.post("/clients/{client_id}/tasks/new")
def send_task(request: Request, portal: ThePortal, posted: PostedByImporter, client_id: UUID) -> Response:
    """Send it, once."""
    typed = {name: posted.text(name) for name in FIELDS}
    try:
        wishes = NewTask.model_validate({name: value for name, value in typed.items() if value})
        tasks.send(portal.database, posted.visitor.caller, client_id, wishes, _key(posted))
    except ValidationError as error:
        return _shown(request, portal, posted.visitor, client_id, typed, faults_of(error), 422)
    except RequestRefused as refused:
        faults = Faults.refused(refused, typed)
        return _shown(request, portal, posted.visitor, client_id, typed, faults, status_of(refused))
    return go(f"/clients/{client_id}", say="task-sent")


def _key(posted: Posted) -> str:
    return posted.text("idempotency_key")[:200] or "none"


def _shown(
    request: Request,
    portal: Portal,
    visitor: Visitor,
    client_id: UUID,
    typed: dict[str, str],
    faults: Faults = NONE,
    status: int = 200,
) -> Response:
    client = queries.details(portal.database, visitor.caller, client_id).entry.client
    connections: Any = ()
    if client.kind is ClientKind.ENTITY:
        connections = entity_connections.listing(portal.database, visitor.caller, client_id)
    key = portal.services.sources.new_id().hex
    shown = {"client": client, "connections": connections, "typed": typed, "due_days": tasks.DUE_DAYS, "key": key}
    return page(request, visitor, "clients/new_task.html", status=status, faults=faults, **shown)
