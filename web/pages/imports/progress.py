"""Configure > Integrations > Integration progress: the last 72 hours, live (b.28)."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel
from sse_starlette import EventSourceResponse

from handlers.imports import progress
from handlers.imports.progress import Action
from handlers.paging import Page
from web.http.events import LastEventId, Told, following
from web.pages.frame.view import page, part
from web.pages.frame.visitor import TheVisitor
from web.portal import ThePortal

router = APIRouter()

PATH = "/integration-progress"
AT_ONCE = 50
ACursor = Annotated[str, Query(max_length=200)]


class Changed(BaseModel):
    """That something on the page is not as it was: its digest."""

    digest: str


@router.get(PATH)
def show(request: Request, portal: ThePortal, visitor: TheVisitor, cursor: ACursor = "") -> Response:
    """What was asked for, newest first, with what waits and what there is to review."""
    found = progress.page(portal.database, visitor.caller, cursor=cursor or None, limit=AT_ONCE)
    return page(request, visitor, "imports/integration_progress.html", **_values(found, cursor))


@router.get(f"{PATH}/standing")
def show_standing(portal: ThePortal, visitor: TheVisitor, cursor: ACursor = "") -> Response:
    """The changing part of the page alone."""
    found = progress.page(portal.database, visitor.caller, cursor=cursor or None, limit=AT_ONCE)
    return part("imports/integration_progress_rows.html", visitor=visitor, **_values(found, cursor))


@router.get(f"{PATH}/events")
async def follow(
    portal: ThePortal, visitor: TheVisitor, last_event_id: LastEventId = None, cursor: ACursor = ""
) -> EventSourceResponse:
    """Says when the page has changed."""

    def look() -> Told:
        found = progress.page(portal.database, visitor.caller, cursor=cursor or None, limit=AT_ONCE)
        return Told(Changed(digest=_digest(found)), is_last=False)

    return await following(portal, visitor.caller, look, last_event_id)


def _values(found: Page[Action], cursor: str) -> dict[str, Any]:
    query = f"?{urlencode({'cursor': cursor})}" if cursor else ""
    older = f"{PATH}?{urlencode({'cursor': found.next})}" if found.next else None
    return {"found": found, "query": query, "older": older}


def _digest(found: Page[Action]) -> str:
    shown = [
        (each.row.id, each.row.state, each.row.epoch, each.name, each.to_review, each.waits_for, each.until)
        for each in found.items
    ]
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]
