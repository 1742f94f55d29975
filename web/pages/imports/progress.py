"""Configure > Integrations > Integration progress: the last 72 hours, live (b.28)."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel
from sse_starlette import EventSourceResponse

from handlers.fields import Text
from handlers.imports import progress
from handlers.imports.progress import Action
from handlers.paging import Page
from web.http.events import LastEventId, Snapshot, following
from web.pages.frame.view import page, part
from web.pages.frame.visitor import TheVisitor, TheWatcher, Visitor

router = APIRouter()

PATH = "/integration-progress"
PAGE_SIZE = 50
Cursor = Annotated[Text, Query(max_length=200)]


class Changed(BaseModel):
    """A digest of the page's rows: another digest means that the page has changed."""

    digest: str


@router.get(PATH)
def show(visitor: TheVisitor, cursor: Cursor = "") -> Response:
    """Integration actions, newest first, with why they wait and how many items there are to review."""
    return page(visitor, "imports/integration_progress.html", **_shown(visitor, cursor))


@router.get(f"{PATH}/standing")
def show_status(visitor: TheWatcher, cursor: Cursor = "") -> Response:
    """Only the part of the page that changes."""
    return part("imports/integration_progress_rows.html", visitor=visitor, **_shown(visitor, cursor))


@router.get(f"{PATH}/events")
async def follow(visitor: TheWatcher, last_event_id: LastEventId = None, cursor: Cursor = "") -> EventSourceResponse:
    """Sends an event whenever the page has changed."""

    def look() -> Snapshot:
        return Snapshot(Changed(digest=_digest(_actions(visitor, cursor))), is_last=False)

    return await following(visitor.portal, visitor.request, visitor.caller, look, last_event_id)


def _actions(visitor: Visitor, cursor: str) -> Page[Action]:
    return progress.page(visitor.database, visitor.caller, cursor=cursor or None, limit=PAGE_SIZE)


def _shown(visitor: Visitor, cursor: str) -> dict[str, Any]:
    found = _actions(visitor, cursor)
    query = f"?{urlencode({'cursor': cursor})}" if cursor else ""
    older = f"{PATH}?{urlencode({'cursor': found.next})}" if found.next else None
    is_open = any(each.row.state.is_open for each in found.items)
    return {"clients": progress.by_client(found.items), "is_open": is_open, "query": query, "older": older}


def _digest(found: Page[Action]) -> str:
    shown = [
        (each.row.id, each.row.state, each.row.epoch, each.name, each.to_review, each.hold) for each in found.items
    ]
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]
