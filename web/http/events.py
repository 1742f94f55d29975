"""Live progress as server-sent events: the record is read once a second, and an event is sent only when it has changed.

An event's id is a digest of its data, so that a browser that reconnects with the id it saw last does not get it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import anyio
from fastapi import Header, Request
from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from handlers.access.caller import Caller
from handlers.errors import RequestRefused
from handlers.fields import Text
from web.http.identity import is_still
from web.portal import Portal

LOOK_SECONDS = 1.0
HEARTBEAT_SECONDS = 15
#: A stream ends after this time and the browser reconnects.
LONGEST_SECONDS = 600.0
#: Time for a stream to end cleanly when the process stops.
LAST_SECONDS = 2.0
#: A client that reads nothing for this long is disconnected.
SEND_SECONDS = 20.0

LastEventId = Annotated[Text | None, Header(max_length=100, description="sent by browsers when they reconnect")]
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@dataclass(frozen=True)
class Snapshot:
    """What is being followed, as it is now; the last snapshot is sent as `closed`."""

    body: BaseModel
    is_last: bool


async def following(
    portal: Portal, request: Request, who: Caller, look: Callable[[], Snapshot], last_event_id: str | None
) -> EventSourceResponse:
    """A stream of what `look` returns, for as long as the caller may see it and their session or key lasts.

    Raises:
        RequestRefused: there are too many streams, or from `look`.
    """
    whose = (who.staff_id, who.practice_id)
    return await streaming(portal, whose, lambda: is_still(request, portal, who), look, last_event_id)


async def streaming(
    portal: Portal,
    whose: tuple[UUID, UUID | None],
    may_go_on: Callable[[], bool],
    look: Callable[[], Snapshot],
    last_event_id: str | None,
) -> EventSourceResponse:
    """A stream of what `look` returns, for as long as it may go on.

    Args:
        whose: the person and the practice of whose streams it is one; operators are of none.

    Raises:
        RequestRefused: there are too many streams, or from `look`.
    """
    release = portal.streams.reserve(*whose)
    try:
        first = await run_in_threadpool(look)
    except BaseException:
        release()
        raise

    def look_again() -> Snapshot | None:
        return look() if may_go_on() else None

    stopping = anyio.Event()
    return _Stream(
        _events(portal, look_again, first, last_event_id, stopping),
        release,
        ping=HEARTBEAT_SECONDS,
        send_timeout=SEND_SECONDS,
        shutdown_event=stopping,
        shutdown_grace_period=LAST_SECONDS,
    )


class _Stream(EventSourceResponse):
    """An answer whose place among the open streams is free once it has ended, or was never begun."""

    def __init__(self, events: AsyncIterator[ServerSentEvent], release: Callable[[], None], **options: Any) -> None:
        super().__init__(events, **options)
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._release()


async def _events(
    portal: Portal, look: Callable[[], Snapshot | None], now: Snapshot, last_id: str | None, stopping: anyio.Event
) -> AsyncIterator[ServerSentEvent]:
    monotonic = portal.services.sources.monotonic
    until = monotonic() + LONGEST_SECONDS
    while True:
        body = now.body.model_dump_json()
        event_id = hashlib.sha256(body.encode()).hexdigest()[:16]
        if event_id != last_id or now.is_last:
            last_id = event_id
            yield ServerSentEvent(body, event="closed" if now.is_last else "progress", id=event_id)
        with anyio.move_on_after(LOOK_SECONDS):
            if not now.is_last:
                await stopping.wait()
        if now.is_last or stopping.is_set() or monotonic() >= until:
            return
        try:
            found = await run_in_threadpool(look)
        except RequestRefused:  # no longer visible to them
            return
        if found is None:
            return
        now = found
