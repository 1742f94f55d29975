"""Notes where each request comes from, for the audit rows of what it does."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from portal_db import audit


class WhereFrom:
    """Sets the network address for the rest of the request, also where it goes on in a thread."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        token = audit.ADDRESS.set(client[0][: audit.LONGEST_ADDRESS] if client else None)
        try:
            await self._app(scope, receive, send)
        finally:
            audit.ADDRESS.reset(token)
