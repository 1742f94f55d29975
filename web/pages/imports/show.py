"""One import: its progress until it is closed, then the success message with the next steps, or why not and the way on."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from handlers.access.act import Act
from handlers.clients import queries as client_queries
from handlers.clients.queries import Details
from handlers.directory import search
from handlers.directory.search import SearchResult
from handlers.errors import JobError, RequestRefused
from handlers.imports import queries as import_queries
from handlers.imports.accept import accept
from handlers.imports.amend import amend
from handlers.imports.queries import ImportStatus
from portal_db.states import ImportState
from portal_db.tables import Import
from web.http.problems import Fault, fault_of, status_of
from web.pages.frame.forms import NONE, Faults, Posted, PostedByImporter
from web.pages.frame.view import go, page, part
from web.pages.frame.visitor import TheVisitor, Visitor
from web.pages.imports import window
from web.portal import Portal, ThePortal

router = APIRouter()


@router.get("/imports/{import_id}")
def show_import(request: Request, portal: ThePortal, visitor: TheVisitor, import_id: UUID) -> Response:
    """How an import stands. While it is open the page follows it; once it was turned down, it can be corrected."""
    found = import_queries.one(portal.database, visitor.caller, import_id)
    if found.row.state is ImportState.REJECTED and found.row.client_id is None and visitor.may_import:
        return _correction(request, portal, visitor, found.row)
    return page(request, visitor, "imports/import.html", **_standing(portal, visitor, found))


@router.get("/imports/{import_id}/standing")
def show_standing(portal: ThePortal, visitor: TheVisitor, import_id: UUID) -> Response:
    """The changing part of the page alone."""
    found = import_queries.one(portal.database, visitor.caller, import_id)
    return part("imports/import_status.html", visitor=visitor, **_standing(portal, visitor, found))


@router.post("/imports/{import_id}/again")
def send_again(request: Request, portal: ThePortal, posted: PostedByImporter, import_id: UUID) -> Response:
    """Send an import that was turned down again, as corrected; as it was, it is asked for anew."""
    visitor = posted.visitor
    row = import_queries.one(portal.database, visitor.caller, import_id).row
    if row.state is not ImportState.REJECTED:  # it went on already: sent twice
        return go(f"/imports/{import_id}")
    typed = window.typed(posted) | {"kind": row.kind.value}
    faults, status = window.missing(typed), 422
    if not faults:
        try:
            return go(f"/imports/{_sent_again(portal, posted, row, typed)}")
        except RequestRefused as refused:
            if refused.code == "not_amendable":  # the other copy was a moment faster
                return go(f"/imports/{import_id}")
            faults, status = Faults.of(fault_of(refused), typed), status_of(refused)
    return _correction(request, portal, visitor, row, typed, faults, status)


def _sent_again(portal: Portal, posted: Posted, row: Import, typed: window.Typed) -> UUID:
    caller, wishes = posted.visitor.caller, window.wishes(typed)
    if any(getattr(row, name) != value for name, value in wishes.items()):
        return amend(portal.database, Act.of_staff(caller), row.id, wishes).import_id
    wanted = window.request(typed, caller, row.xpm_uuid, posted.text("idempotency_key"))
    return accept(portal.database, portal.bell, wanted).import_id


def _standing(portal: Portal, visitor: Visitor, found: ImportStatus) -> dict[str, Any]:
    client = _client(portal, visitor, found.row)
    made = client is not None and client.entry.client.import_id == found.row.id
    return {"found": found, "row": found.row, "client": client.entry.client if client else None, "made": made}


def _client(portal: Portal, visitor: Visitor, row: Import) -> Details | None:
    """The import's client, where the visitor may see it."""
    if row.client_id is None:
        return None
    try:
        return client_queries.details(portal.database, visitor.caller, row.client_id)
    except RequestRefused:
        return None


def _correction(
    request: Request,
    portal: Portal,
    visitor: Visitor,
    row: Import,
    typed: window.Typed | None = None,
    faults: Faults = NONE,
    status: int = 200,
) -> Response:
    """The window again, with what was asked for, and why it was turned down at its field."""
    found = _record(portal, visitor, row)
    typed = typed or window.of_import(row, found)
    why = Fault(code=row.outcome_code or "", field=row.outcome_field, message=row.outcome_message or "",
                remedy=row.outcome_remedy)  # fmt: skip
    return page(
        request,
        visitor,
        "imports/add_window.html",
        status=status,
        found=found,
        other_kind=None,
        typed=typed,
        faults=faults or Faults.of(why, typed),
        action=f"/imports/{row.id}/again",
        key=portal.services.sources.new_id().hex,
    )


def _record(portal: Portal, visitor: Visitor, row: Import) -> SearchResult | None:
    """What XPM has now; without it the window shows what was asked for."""
    try:
        return search.one_in_xpm(portal.services, visitor.caller, row.xpm_uuid)
    except JobError:
        return None
