"""Redirects that are told to a script instead of being followed, for windows over a page (`web/static/windows.js`).

A browser follows a redirect before the script sees it, without saying which place on the page it named; and the page
would be loaded once for the script and again for the visitor.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = (b"x-window", b"yes")
REDIRECTS = range(300, 400)


class ToldRedirects:
    """Answers a request with `X-Window: yes` with 200 where it would be redirected; `Location` says where to go."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in REDIRECTS:
                message["status"] = 200
            await send(message)

        is_script = scope["type"] == "http" and HEADER in scope["headers"]
        await self._app(scope, receive, telling if is_script else send)
