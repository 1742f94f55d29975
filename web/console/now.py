"""The first page: how the portal is doing now. It renews itself while somebody watches it."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel
from sse_starlette import EventSourceResponse

from web.console.look import digest
from web.console.operator import TheOperator, TheWatcher, at_console
from web.console.view import page
from web.http.events import LastEventId, Snapshot, streaming

router = APIRouter()


class Changed(BaseModel):
    """A digest of what is shown: another digest means that it has changed."""

    digest: str


@router.get("/")
def show_now(operator: TheOperator) -> Response:
    return page(operator, "console/now.html", found=operator.seen(operator.console.now))


@router.get("/now/part")
def show_part(operator: TheWatcher) -> Response:
    """Only the part of the page that changes."""
    return page(operator, "console/now_part.html", found=operator.console.now.get())


@router.get("/now/events")
async def follow(operator: TheWatcher, last_event_id: LastEventId = None) -> EventSourceResponse:
    """Sends an event whenever the page has changed."""
    console, request = operator.console, operator.request

    def look() -> Snapshot:
        return Snapshot(Changed(digest=digest(console.now.get())), is_last=False)

    def is_still() -> bool:
        return at_console(request, console, is_use=False) is not None

    return await streaming(console, (operator.caller.operator_id, None), is_still, look, last_event_id)
