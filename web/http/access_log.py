"""One log line per request: the operation, the status, its trace and the seconds it took; the same, measured and as a span.
Of a request that was refused also the code, and whose it was.

No values from the path, no query, no network addresses and no names (P19).
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.metrics import HTTP_REQUEST_DURATION, status_class
from config.spans import report
from config.tracing import below, given, trace_id, within

log = structlog.stdlib.get_logger(__name__)

#: Called by load balancers every few seconds.
QUIET = frozenset({"/healthz", "/readyz"})


class AccessLog:
    """Logs each request once its answer has ended, even in an error."""

    def __init__(self, app: ASGIApp, *, monotonic: Callable[[], float]) -> None:
        self._app = app
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET:
            await self._app(scope, receive, send)
            return
        began, status = self._monotonic(), 500
        parent = given(Headers(scope=scope).get("traceparent"))
        traceparent = below(parent)

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with within(traceparent):
                await self._app(scope, receive, sending)
        finally:
            seconds = self._monotonic() - began
            method, route = _method(scope), _address(scope)
            HTTP_REQUEST_DURATION.labels(route, method, status_class(status)).observe(seconds)
            named = {"operation": f"{method} {route}", "trace": trace_id(traceparent)}
            log.info("web.request", **named, **_refusal(scope), status=status, seconds=round(seconds, 4))
            report(
                named["operation"],
                "server",
                traceparent,
                parent,
                seconds=seconds,
                attributes={"http.request.method": method, "http.route": route, "http.response.status_code": status},
                error=str(status) if status >= 500 else None,
            )


def _refusal(scope: Scope) -> dict[str, str]:
    """Why a request was refused, and whose it was, if that was known by then."""
    state = scope.get("state", {})
    if "refused" not in state:
        return {}
    who = state.get("caller")
    named = {"practice": str(who.practice_id), "staff": str(who.staff_id)} if who else {}
    return {"code": state["refused"], **named}


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS") else "(other)"


def _address(scope: Scope) -> str:
    """The path with the names of its parameters in place of their values. An unknown path may contain anything."""
    if "route" not in scope:
        return "(no such address)"
    names = {value: f"{{{name}}}" for name, value in scope.get("path_params", {}).items()}
    return "/".join(names.get(part, part) for part in scope["path"].split("/"))
