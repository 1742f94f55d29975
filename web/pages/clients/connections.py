"""Adding a connection to an entity: a person who acts for it. Nobody is invited by that."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError

from handlers.clients import entity_connections, queries
from handlers.clients.entity_connections import NewConnection
from handlers.errors import RequestRefused
from web.http.problems import status_of
from web.pages.frame.forms import NONE, Faults, PostedByImporter, faults_of
from web.pages.frame.view import go, page
from web.pages.frame.visitor import TheImporter, Visitor
from web.portal import Portal, ThePortal

router = APIRouter()

FIELDS = ("name", "relationship", "email", "access")
Then = Literal["", "task"]


@router.get("/clients/{client_id}/connections/new")
def show_new_connection(
    request: Request, portal: ThePortal, visitor: TheImporter, client_id: UUID, then: Then = ""
) -> Response:
    """The form of a connection. `then`: what they were about to do."""
    return _shown(request, portal, visitor, client_id, dict.fromkeys(FIELDS, "") | {"then": then})


@router.post("/clients/{client_id}/connections/new")
def add_connection(request: Request, portal: ThePortal, posted: PostedByImporter, client_id: UUID) -> Response:
    """Add it, once for each time that the page was opened, and go on with what they were about to do."""
    typed = {name: posted.text(name) for name in (*FIELDS, "then")}
    try:
        wishes = NewConnection.model_validate({name: typed[name] for name in FIELDS if typed[name]})
        entity_connections.add(
            portal.database, posted.visitor.caller, client_id, wishes, posted.text("idempotency_key")
        )
    except ValidationError as error:
        return _shown(request, portal, posted.visitor, client_id, typed, faults_of(error), 422)
    except RequestRefused as refused:
        faults = Faults.refused(refused, typed)
        return _shown(request, portal, posted.visitor, client_id, typed, faults, status_of(refused))
    onward = f"/clients/{client_id}/tasks/new" if typed["then"] == "task" else f"/clients/{client_id}"
    return go(onward, say="connection-added")


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
    key = portal.services.sources.new_id().hex
    shown = {"client": client, "typed": typed, "key": key}
    return page(request, visitor, "clients/new_connection.html", status=status, faults=faults, **shown)
