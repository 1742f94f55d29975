"""Sending a client a task. An entity's tasks go to one of its connections, so it needs one first."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import ValidationError

from handlers.clients import entity_connections, queries, tasks
from handlers.clients.tasks import NewTask
from handlers.errors import RequestRefused
from portal_db.states import ClientKind
from web.pages.frame.forms import NO_ERRORS, FormErrors, PostedByImporter
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheImporter, Visitor
from web.usage import Use

router = APIRouter()

FIELDS = ("kind", "title", "note", "due_date", "connection_id")


@router.get("/clients/{client_id}/tasks/new")
def show_new_task(visitor: TheImporter, client_id: UUID) -> Response:
    """The form; for an entity without a connection, the way to add one first."""
    return _form(visitor, client_id, dict.fromkeys(FIELDS, ""))


@router.post("/clients/{client_id}/tasks/new")
def send_task(posted: PostedByImporter, client_id: UUID) -> Response:
    """Send the task, once per idempotency key."""
    visitor, typed = posted.visitor, posted.texts(*FIELDS)
    key = posted.text("idempotency_key")[:200] or "none"
    try:
        wishes = NewTask.model_validate({name: value for name, value in typed.items() if value})
        if not tasks.is_repeated(visitor.database, visitor.caller, client_id, wishes, key):
            visitor.portal.uses.take(Use.TASK, visitor.caller, to=client_id)
        tasks.send(visitor.database, visitor.caller, client_id, wishes, key)
    except (ValidationError, RequestRefused) as error:
        return _form(visitor, client_id, typed, FormErrors.of(error, typed))
    return redirect(f"/clients/{client_id}", message="task-sent")


def _form(visitor: Visitor, client_id: UUID, typed: dict[str, str], errors: FormErrors = NO_ERRORS) -> Response:
    client = queries.get_client(visitor.database, visitor.caller, client_id).entry.client
    is_entity = client.kind is ClientKind.ENTITY
    connections = entity_connections.listing(visitor.database, visitor.caller, client_id) if is_entity else ()
    shown = {"client": client, "connections": connections, "typed": typed, "due_days": tasks.DUE_DAYS}
    return page(visitor, "clients/new_task.html", errors, **shown)
