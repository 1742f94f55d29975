"""Clients > Add clients > From integrations > From Xero Practice Manager: the search box, and the window that adds."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from handlers.directory import search
from handlers.directory.search import SearchResult
from handlers.errors import JobError, RequestRefused
from handlers.imports.accept import accept
from portal_db.states import ClientKind
from web.http.problems import fault_of, status_of
from web.pages.frame.forms import NONE, Faults, PostedByImporter
from web.pages.frame.view import go, page, part
from web.pages.frame.visitor import TheImporter, Visitor
from web.pages.imports import window
from web.portal import Portal, ThePortal

router = APIRouter()

SHORTEST = 2
Text = Annotated[str, Query(max_length=200)]


@router.get("/clients/add/xpm")
def search_box(request: Request, portal: ThePortal, visitor: TheImporter, q: Text = "") -> Response:
    """The search box over the names in XPM, with the results of what was typed."""
    return page(request, visitor, "imports/add_from_xpm.html", q=q, **_results(portal, visitor, q))


@router.get("/clients/add/xpm/results")
def results(portal: ThePortal, visitor: TheImporter, q: Text = "") -> Response:
    """The results alone, for search as you type."""
    return part("imports/xpm_results.html", q=q, **_results(portal, visitor, q))


@router.get("/clients/add/xpm/{xpm_uuid}")
def show_window(
    request: Request,
    portal: ThePortal,
    visitor: TheImporter,
    xpm_uuid: UUID,
    kind: ClientKind | None = None,
) -> Response:
    """The window of an entity or of an individual, filled in from XPM."""
    found = search.one_in_xpm(portal.services, visitor.caller, xpm_uuid)
    kind = kind if kind in found.possible else found.suggested
    return _window(request, portal, visitor, found, window.prefilled(found, kind))


@router.post("/clients/add/xpm/{xpm_uuid}")
def add(request: Request, portal: ThePortal, posted: PostedByImporter, xpm_uuid: UUID) -> Response:
    """Add: the request is in the record, and its page says what becomes of it. Sent twice, it is taken once."""
    typed = window.typed(posted)
    faults, status = window.missing(typed), 422
    if not faults:
        try:
            wanted = window.request(typed, posted.visitor.caller, xpm_uuid, posted.text("idempotency_key"))
            return go(f"/imports/{accept(portal.database, portal.bell, wanted).import_id}")
        except RequestRefused as refused:
            faults, status = Faults.of(fault_of(refused), typed), status_of(refused)
    found = search.one_in_xpm(portal.services, posted.visitor.caller, xpm_uuid)
    return _window(request, portal, posted.visitor, found, typed, faults, status)


def _window(
    request: Request,
    portal: Portal,
    visitor: Visitor,
    found: SearchResult,
    typed: window.Typed,
    faults: Faults = NONE,
    status: int = 200,
) -> Response:
    kind = ClientKind(typed["kind"])
    return page(
        request,
        visitor,
        "imports/add_window.html",
        status=status,
        found=found,
        other_kind=next(iter(found.possible - {kind}), None),
        typed=typed,
        faults=faults,
        action=f"/clients/add/xpm/{found.record.uuid}",
        key=portal.services.sources.new_id().hex,
    )


def _results(portal: Portal, visitor: Visitor, q: str) -> dict[str, Any]:
    """What XPM has of this name; why it has nothing to say, if so."""
    if len(q.strip()) < SHORTEST or visitor.xpm.trouble is not None:
        return {"found": None, "trouble": None}
    try:
        return {"found": search.in_xpm(portal.services, visitor.caller, q.strip()), "trouble": None}
    except JobError as trouble:
        return {"found": None, "trouble": trouble}
