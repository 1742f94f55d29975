"""Checks every XPM call, as Xero's gateway does: who may call, how often, and which faults apply.

Also counts and logs the calls. Paths that are not XPM's pass through unchanged.
"""

from __future__ import annotations

import math

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from xpm.simulator import answers, faults
from xpm.simulator.counters import LogEntry
from xpm.simulator.faults import FaultRule
from xpm.simulator.identity.access import Denial
from xpm.simulator.operations import Operation, operation_of
from xpm.simulator.quota import Refusal
from xpm.simulator.state import Simulator


class Gate:
    """ASGI middleware. It must be the outermost, so that a call counts as running until its last byte is sent."""

    def __init__(self, app: ASGIApp, simulator: Simulator) -> None:
        self._app = app
        self._simulator = simulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = operation_of(scope["path"]) if scope["type"] == "http" else None
        if operation is None:
            await self._app(scope, receive, send)
            return
        simulator, headers = self._simulator, Headers(scope=scope)
        denial = simulator.access.denial(headers, needs_tenant=operation.needs_tenant)
        tenant_id = headers.get("xero-tenant-id") if operation.needs_tenant and denial is None else None
        entry = LogEntry(simulator.clock.utc(), tenant_id, scope["method"], operation.template, operation.name)
        simulator.counters.begin(entry)
        send = self._recording(entry, send)
        try:
            if denial is not None:
                await answers.problem(denial)(scope, receive, send)
            elif tenant_id is None:
                await self._answer(operation, None, scope, receive, send)
            else:
                await self._within_quota(operation, tenant_id, scope, receive, send)
        except faults.CutOffError:
            return
        finally:
            simulator.counters.end(entry)

    async def _within_quota(
        self, operation: Operation, tenant_id: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        quota = self._simulator.quota
        refusal = quota.enter(tenant_id)
        send = self._with_limits(tenant_id, send)
        if refusal is not None:
            await self._refused(refusal)(scope, receive, send)
            return
        try:
            await self._answer(operation, tenant_id, scope, receive, send)
        finally:
            quota.leave(tenant_id)

    async def _answer(
        self, operation: Operation, tenant_id: str | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        rule = self._simulator.faults.take(operation.name, operation.uuid, tenant_id)
        if rule is None:
            await self._app(scope, receive, send)
        elif rule.kind in ("status_500", "status_503"):
            await self._outage(rule, Headers(scope=scope))(scope, receive, send)
        elif rule.kind == "empty_list":
            await answers.nobody(operation, Headers(scope=scope), self._simulator.knobs)(scope, receive, send)
        elif (foreign := faults.foreign_answer(rule)) is not None:
            await foreign(scope, receive, send)
        else:
            await faults.apply(rule, self._app, scope, receive, send)

    def _outage(self, rule: FaultRule, headers: Headers) -> Response:
        if rule.kind == "status_503":
            return PlainTextResponse("The Organisation is offline", 503)
        return answers.bad(headers, self._simulator.knobs, "An unexpected error has occurred", 500)

    def _refused(self, refusal: Refusal) -> Response:
        """A 429. `Retry-After` is in real seconds, at least one, so that a caller with a real clock waits long enough."""
        self._simulator.counters.refused(refusal.problem)
        answer = answers.problem(Denial(429, "Too Many Requests", f"Limit exceeded: {refusal.problem}"))
        answer.headers["X-Rate-Limit-Problem"] = refusal.problem
        if refusal.problem not in self._simulator.knobs.omit_retry_after:
            answer.headers["Retry-After"] = str(max(1, math.ceil(self._simulator.clock.real(refusal.wait))))
        return answer

    def _recording(self, entry: LogEntry, send: Send) -> Send:
        async def record(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._simulator.counters.answered(entry, message["status"])
            await send(message)

        return record

    def _with_limits(self, tenant_id: str, send: Send) -> Send:
        async def add_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                left = self._simulator.quota.remaining(tenant_id)
                headers = MutableHeaders(scope=message)
                headers["X-DayLimit-Remaining"] = str(left.day)
                headers["X-MinLimit-Remaining"] = str(left.minute)
                headers["X-AppMinLimit-Remaining"] = str(left.app_minute)
            await send(message)

        return add_headers
