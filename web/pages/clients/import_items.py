"""Integration actions > Xero Practice Manager > Import items: details and relationships of an existing client."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.clients import queries
from handlers.errors import RequestRefused
from handlers.imports import accept
from web.pages.frame.forms import NO_ERRORS, FormErrors, PostedByImporter
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheImporter, Visitor

router = APIRouter()


@router.get("/clients/{client_id}/import-items")
def show(visitor: TheImporter, client_id: UUID) -> Response:
    """What can be imported, and what that replaces."""
    return _form(visitor, client_id)


@router.post("/clients/{client_id}/import-items")
def import_items(posted: PostedByImporter, client_id: UUID) -> Response:
    """Request the import; its page follows the progress."""
    visitor, key = posted.visitor, posted.text("idempotency_key")
    if visitor.xpm.trouble is not None:  # it would be turned down, or wait
        return _form(visitor, client_id, FormErrors.of(visitor.xpm.trouble))
    ticked = {name: posted.is_ticked(name) for name in ("details", "relationships")}
    try:
        accepted = accept.import_items(visitor.database, visitor.portal.bell, visitor.caller, client_id, key, **ticked)
    except RequestRefused as refused:
        return _form(visitor, client_id, FormErrors.of(refused), ticked)
    return redirect(f"/imports/{accepted.import_id}")


def _form(
    visitor: Visitor, client_id: UUID, errors: FormErrors = NO_ERRORS, ticked: dict[str, bool] | None = None
) -> Response:
    entry = queries.get_client(visitor.database, visitor.caller, client_id).entry
    ticked = ticked or {"details": True, "relationships": True}
    return page(visitor, "clients/import_items.html", errors, entry=entry, ticked=ticked)
