"""Live progress as server-sent events: one look a second, told only when something changed.

An event's id is a digest of what it told. A browser that comes back with the last one it saw is not told the same again.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import anyio
from fastapi import Header
from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from handlers.access.caller import Caller
from handlers.errors import RequestRefused
from web.portal import Portal

LOOK_SECONDS = 1.0
HEARTBEAT_SECONDS = 15
#: A stream ends after so long, and the browser comes back by itself: whoever has left or signed out does not get in again.
LONGEST_SECONDS = 600.0
#: Time to end in good order when the process stops.
LAST_SECONDS = 2.0
#: A reader that takes nothing for so long is cut off.
SEND_SECONDS = 20.0

LastEventId = Annotated[str | None, Header(max_length=100, description="sent by browsers when they come back")]
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@dataclass(frozen=True)
class Told:
    """What there is to tell now; the last is told as `closed`."""

    what: BaseModel
    is_last: bool


async def following(
    portal: Portal, who: Caller, look: Callable[[], Told], last_event_id: str | None
) -> EventSourceResponse:
    """A stream of what `look` sees.

    Raises:
        RequestRefused: there are too many streams, or `look` refuses.
    """
    portal.streams.require_room(who.staff_id)
    first = await run_in_threadpool(look)
    stopping = anyio.Event()
    return EventSourceResponse(
        _events(portal, who, look, first, last_event_id, stopping),
        ping=HEARTBEAT_SECONDS,
        send_timeout=SEND_SECONDS,
        shutdown_event=stopping,
        shutdown_grace_period=LAST_SECONDS,
    )


async def _events(
    portal: Portal, who: Caller, look: Callable[[], Told], told: Told, last_id: str | None, stopping: anyio.Event
) -> AsyncIterator[ServerSentEvent]:
    monotonic = portal.services.sources.monotonic
    until = monotonic() + LONGEST_SECONDS
    with portal.streams.one(who.staff_id):
        while True:
            body = told.what.model_dump_json()
            event_id = hashlib.sha256(body.encode()).hexdigest()[:16]
            if event_id != last_id or told.is_last:
                last_id = event_id
                yield ServerSentEvent(body, event="closed" if told.is_last else "progress", id=event_id)
            with anyio.move_on_after(LOOK_SECONDS):
                if not told.is_last:
                    await stopping.wait()
            if told.is_last or stopping.is_set() or monotonic() >= until:
                return
            try:
                told = await run_in_threadpool(look)
            except RequestRefused:  # out of their sight by now
                return
