"""Integration actions > Xero Practice Manager > Connect (Link to existing account) and Disconnect client."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from handlers.clients import link, queries
from handlers.directory import search
from handlers.errors import JobError, RequestRefused
from handlers.fields import Text
from web.pages.frame.forms import NO_ERRORS, FormErrors, PostedByImporter
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheImporter, Visitor
from web.pages.frame.xpm_search import search_xpm

router = APIRouter()


@router.get("/clients/{client_id}/connect")
def show_connect(
    visitor: TheImporter,
    client_id: UUID,
    q: Annotated[Text, Query(max_length=200)] = "",
    record: UUID | None = None,
) -> Response:
    """Link to existing account: search in XPM, choose a record, and confirm what will be linked."""
    return _window(visitor, client_id, q.strip(), record)


@router.post("/clients/{client_id}/connect")
def connect(posted: PostedByImporter, client_id: UUID) -> Response:
    """Link the client to the record. This imports nothing."""
    try:
        xpm_uuid = UUID(posted.text("record"))
    except ValueError:
        return redirect(f"/clients/{client_id}/connect")
    try:
        link.connect(posted.visitor.services, posted.visitor.caller, client_id, xpm_uuid)
    except (RequestRefused, JobError) as refused:
        return _window(posted.visitor, client_id, posted.text("q"), None, FormErrors.of(refused))
    return redirect(f"/clients/{client_id}", message="connected")


@router.get("/clients/{client_id}/disconnect")
def show_disconnect(visitor: TheImporter, client_id: UUID) -> Response:
    """Ask first, and say what disconnecting does."""
    client = queries.get_client(visitor.database, visitor.caller, client_id).entry.client
    return page(visitor, "clients/disconnect_client.html", client=client)


@router.post("/clients/{client_id}/disconnect")
def disconnect(posted: PostedByImporter, client_id: UUID) -> Response:
    """Disconnect. Sent twice, the second finds it done."""
    try:
        link.disconnect(posted.visitor.database, posted.visitor.caller, client_id)
    except RequestRefused as refused:
        if refused.code != "not_connected":
            raise
    return redirect(f"/clients/{client_id}", message="disconnected")


def _window(visitor: Visitor, client_id: UUID, q: str, record: UUID | None, errors: FormErrors = NO_ERRORS) -> Response:
    entry = queries.get_client(visitor.database, visitor.caller, client_id).entry
    chosen, found, trouble = None, None, None
    if record is None:
        found, trouble = search_xpm(visitor, q)
    else:
        try:
            chosen = search.record_in_xpm(visitor.services, visitor.caller, record)
        except JobError as error:
            trouble = error
    shown = {"entry": entry, "client": entry.client, "q": q, "found": found, "chosen": chosen, "trouble": trouble}
    return page(visitor, "clients/connect_client.html", errors, **shown)
