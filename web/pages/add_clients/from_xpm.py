"""Clients > Add clients > From integrations > From Xero Practice Manager: the search, and the window that adds a client."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from handlers.directory import search
from handlers.directory.search import SearchResult
from handlers.errors import JobError, RequestRefused
from handlers.fields import Text
from handlers.imports.accept import accept
from portal_db.states import ClientKind
from web.http.problems import status_of
from web.pages.add_clients import window
from web.pages.frame.forms import NO_ERRORS, FormErrors, PostedByImporter
from web.pages.frame.view import page, part, redirect
from web.pages.frame.visitor import TheImporter, Visitor
from web.pages.frame.xpm_search import search_xpm

router = APIRouter()

SearchText = Annotated[Text, Query(max_length=200)]


@router.get("/clients/add/xpm")
def search_box(visitor: TheImporter, q: SearchText = "") -> Response:
    """The search for a name in XPM, with its results."""
    return page(visitor, "add_clients/add_from_xpm.html", **_results(visitor, q))


@router.get("/clients/add/xpm/results")
def results(visitor: TheImporter, q: SearchText = "") -> Response:
    """Only the results, for search as you type."""
    return part("add_clients/xpm_results.html", **_results(visitor, q))


@router.get("/clients/add/xpm/{xpm_uuid}")
def show_window(visitor: TheImporter, xpm_uuid: UUID, kind: ClientKind | None = None) -> Response:
    """The window for an entity or an individual, filled in from XPM."""
    try:
        found = search.record_in_xpm(visitor.services, visitor.caller, xpm_uuid)
    except JobError as trouble:
        shown = {"q": "", "found": None, "trouble": trouble}
        return page(visitor, "add_clients/add_from_xpm.html", FormErrors(status=status_of(trouble)), **shown)
    kind = kind if kind in found.possible else found.suggested
    return _window(visitor, xpm_uuid, found, window.prefilled(found, kind))


@router.post("/clients/add/xpm/{xpm_uuid}")
def add(posted: PostedByImporter, xpm_uuid: UUID) -> Response:
    """Request the import, once per idempotency key; its page follows the progress."""
    visitor, typed = posted.visitor, window.typed(posted)
    errors = window.missing(typed)
    if not errors:
        try:
            request = window.request(typed, visitor.caller, xpm_uuid, posted.text("idempotency_key"))
            return redirect(f"/imports/{accept(visitor.database, visitor.portal.bell, request).import_id}")
        except RequestRefused as refused:
            errors = FormErrors.of(refused, typed)
    try:
        found = search.record_in_xpm(visitor.services, visitor.caller, xpm_uuid)
    except JobError:
        found = None  # what was typed stays, whether or not XPM can be read now
    return _window(visitor, xpm_uuid, found, typed, errors)


def _window(
    visitor: Visitor,
    xpm_uuid: UUID,
    found: SearchResult | None,
    typed: window.Typed,
    errors: FormErrors = NO_ERRORS,
) -> Response:
    other_kind = next(iter(found.possible - {ClientKind(typed["kind"])}), None) if found else None
    shown = {"found": found, "other_kind": other_kind, "typed": typed, "action": f"/clients/add/xpm/{xpm_uuid}"}
    return page(visitor, "add_clients/add_window.html", errors, **shown)


def _results(visitor: Visitor, q: str) -> dict[str, Any]:
    found, trouble = search_xpm(visitor, q)
    return {"q": q, "found": found, "trouble": trouble}
