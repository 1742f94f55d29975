"""Adding a connection to an entity: a person who acts for it. No invitation is sent."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import ValidationError

from handlers.clients import entity_connections, queries
from handlers.clients.entity_connections import NewConnection
from handlers.errors import RequestRefused
from web.pages.frame.forms import NO_ERRORS, FormErrors, PostedByImporter
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheImporter, Visitor

router = APIRouter()

FIELDS = ("name", "relationship", "email", "access")


@router.get("/clients/{client_id}/connections/new")
def show_new_connection(visitor: TheImporter, client_id: UUID, then: Literal["", "task"] = "") -> Response:
    """The form. `then` is what the visitor was about to do."""
    return _form(visitor, client_id, dict.fromkeys(FIELDS, "") | {"then": then})


@router.post("/clients/{client_id}/connections/new")
def add_connection(posted: PostedByImporter, client_id: UUID) -> Response:
    """Add the connection, once per idempotency key, and return to what the visitor was about to do."""
    visitor, typed = posted.visitor, posted.texts(*FIELDS, "then")
    try:
        wishes = NewConnection.model_validate({name: typed[name] for name in FIELDS if typed[name]})
        entity_connections.add(visitor.database, visitor.caller, client_id, wishes, posted.text("idempotency_key"))
    except (ValidationError, RequestRefused) as error:
        return _form(visitor, client_id, typed, FormErrors.of(error, typed))
    next_page = f"/clients/{client_id}/tasks/new" if typed["then"] == "task" else f"/clients/{client_id}"
    return redirect(next_page, message="connection-added")


def _form(visitor: Visitor, client_id: UUID, typed: dict[str, str], errors: FormErrors = NO_ERRORS) -> Response:
    client = queries.get_client(visitor.database, visitor.caller, client_id).entry.client
    return page(visitor, "clients/new_connection.html", errors, client=client, typed=typed)
