"""One import: its progress while it is open, then success and the next steps, or why it was rejected and how to fix it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.access.act import Act
from handlers.clients import queries as client_queries
from handlers.clients.queries import Details
from handlers.directory import search
from handlers.errors import JobError, RequestRefused
from handlers.imports import queries as import_queries
from handlers.imports.accept import accept
from handlers.imports.amend import amend
from handlers.imports.queries import REPEATED, ImportStatus
from portal_db.states import ImportState
from portal_db.tables import Import
from web.http.problems import Fault
from web.pages.add_clients import window
from web.pages.frame.forms import NO_ERRORS, FormErrors, Posted, PostedByImporter
from web.pages.frame.view import page, part, redirect
from web.pages.frame.visitor import TheVisitor, TheWatcher, Visitor

router = APIRouter()


@router.get("/imports/{import_id}")
def show_import(visitor: TheVisitor, import_id: UUID) -> Response:
    """An import. While it is open, the page follows it; once it was rejected, it can be corrected here."""
    found = import_queries.get_import(visitor.database, visitor.caller, import_id)
    is_fixable = found.row.state is ImportState.REJECTED and found.outcome not in REPEATED
    if is_fixable and found.row.client_id is None and visitor.may_import:
        return _correction(visitor, found.row)
    return page(visitor, "imports/import.html", **_status(visitor, found))


@router.get("/imports/{import_id}/standing")
def show_status(visitor: TheWatcher, import_id: UUID) -> Response:
    """Only the part of the page that changes."""
    found = import_queries.get_import(visitor.database, visitor.caller, import_id)
    return part("imports/import_status.html", visitor=visitor, **_status(visitor, found))


@router.post("/imports/{import_id}/again")
def send_again(posted: PostedByImporter, import_id: UUID) -> Response:
    """Send a rejected import again: amended if it was corrected, else as a new request."""
    visitor = posted.visitor
    row = import_queries.get_import(visitor.database, visitor.caller, import_id).row
    if row.state is not ImportState.REJECTED:  # sent twice: it is under way already
        return redirect(f"/imports/{import_id}")
    typed = window.typed(posted) | {"kind": row.kind.value}
    errors = window.missing(typed)
    if not errors:
        try:
            return redirect(f"/imports/{_request_again(posted, row, typed)}")
        except RequestRefused as refused:
            if refused.code == "not_amendable":  # sent twice: the other copy was faster
                return redirect(f"/imports/{import_id}")
            errors = FormErrors.of(refused, typed)
    return _correction(visitor, row, typed, errors)


def _request_again(posted: Posted, row: Import, typed: window.Typed) -> UUID:
    portal, caller, wishes = posted.visitor.portal, posted.visitor.caller, window.wishes(typed)
    if any(getattr(row, name) != value for name, value in wishes.items()):
        return amend(portal.database, Act.of_staff(caller), row.id, wishes).import_id
    request = window.request(typed, caller, row.xpm_uuid, posted.text("idempotency_key"))
    return accept(portal.database, portal.bell, request).import_id


def _status(visitor: Visitor, found: ImportStatus) -> dict[str, Any]:
    details = _client(visitor, found.row)
    client = details.entry.client if details else None
    pending = [item for item in details.relationships if item.is_pending] if details else []
    return {
        "found": found,
        "row": found.row,
        "client": client,
        "entry": details.entry if details else None,
        "created": client is not None and client.import_id == found.row.id,
        "to_review": len(pending),
        "other": (
            import_queries.import_of_record(visitor.database, visitor.caller, found.row)
            if found.outcome in REPEATED
            else None
        ),
    }


def _client(visitor: Visitor, row: Import) -> Details | None:
    """The import's client, if the visitor may see it."""
    if row.client_id is None:
        return None
    try:
        return client_queries.get_client(visitor.database, visitor.caller, row.client_id)
    except RequestRefused:
        return None


def _correction(
    visitor: Visitor, row: Import, typed: window.Typed | None = None, errors: FormErrors = NO_ERRORS
) -> Response:
    """The window again, with what was requested, and the reason for the rejection at its field."""
    try:
        found = search.record_in_xpm(visitor.services, visitor.caller, row.xpm_uuid)
    except JobError:
        found = None  # the window then shows only what was requested
    typed = typed or window.of_import(row, found)
    reason = Fault(code=row.outcome_code or "", field=row.outcome_field, message=row.outcome_message or "",
                   remedy=row.outcome_remedy)  # fmt: skip
    errors = errors or FormErrors.of_fault(reason, typed, status=200)
    shown = {"found": found, "other_kind": None, "typed": typed, "action": f"/imports/{row.id}/again"}
    return page(visitor, "add_clients/add_window.html", errors, **shown)
