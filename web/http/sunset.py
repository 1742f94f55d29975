"""Says on every answer to a program that its API key ends soon: header `Sunset` (RFC 8594)."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Sunset:
    """Adds the header that `authenticated` has put down, also to errors, streams and files."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            sunset = scope.get("state", {}).get("sunset")
            if message["type"] == "http.response.start" and sunset is not None:
                MutableHeaders(scope=message)["sunset"] = sunset
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)
