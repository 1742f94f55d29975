"""Faults on demand: rules that say which calls fail, how, and how often; and the ASGI code that makes them fail.

A fault happens after a call is admitted, so it uses up quota and, while it lasts, one of the concurrent calls.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Literal, cast, get_args
from uuid import UUID

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Kind = Literal[
    "status_500",
    "status_503",
    "hang",
    "slow_drip",
    "reset",
    "truncate",
    "short_body",
    "latency",
    "html_200",
    "html_403",
    "redirect",
    "no_content",
    "empty_list",
    "silence",
]

FOREIGN: tuple[Kind, ...] = ("html_200", "html_403", "redirect", "no_content")
"""What something between the portal and XPM answers."""

DRIP = 256
"""Bytes in each drop of a slow drip."""

_DEFAULT_SECONDS: dict[str, float] = {"hang": 3_600.0, "slow_drip": 0.05, "latency": 1.0, "silence": 3_600.0}
_PAGE = "<!DOCTYPE html><html><head><title>Blocked</title></head><body>Ask your administrator.</body></html>"


@dataclass(slots=True)
class FaultRule:
    """The fault of the next `count` calls that match; `None` in a condition matches anything.

    kind: `status_500` (XPM's error body), `status_503` (plain text), `latency` (an answer after `seconds`), `hang` (no
    answer for `seconds`, then a reset connection), `slow_drip` (256 bytes, a pause of `seconds`, and so on), `reset` (the
    connection is reset before any answer), `truncate` (half of the body's first piece, then the connection closes, which
    breaks HTTP's own framing), `short_body` (the same half as a complete HTTP answer, which only a parser can notice),
    `silence` (the same half, and then nothing for `seconds`, as when a router has forgotten the connection).

    What something between the portal and XPM answers: `html_200`, `html_403` (its page), `redirect` (to its page),
    `no_content` (nothing at all). `empty_list`: XPM answers, but with a list of nobody; Xero, with no connections.
    operation: such as `client.api/get`. seconds: real, not scaled.
    """

    kind: Kind
    operation: str | None = None
    uuid: UUID | None = None
    tenant_id: str | None = None
    count: int = 1
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}, not {self.kind!r}.")
        if not isinstance(self.count, int) or not isinstance(self.seconds, int | float):
            raise ValueError("count must be a whole number, and seconds a number.")
        self.seconds = self.seconds or _DEFAULT_SECONDS.get(self.kind, 0.0)

    @classmethod
    def from_json(cls, body: Mapping[str, object]) -> FaultRule:
        """A rule from a JSON object with the fields' names.

        Raises:
            ValueError: for an unknown field or kind, or an invalid value.
        """
        unknown = set(body) - set(cls.__slots__)
        if unknown or "kind" not in body:
            raise ValueError(f"A fault needs a kind and has no {', '.join(sorted(unknown)) or 'other fields'}.")
        values = dict(body)
        if values.get("uuid") is not None:
            values["uuid"] = UUID(str(values["uuid"]))
        return cls(**values)  # type: ignore[arg-type]  # values other than the kind are the tester's business

    def matches(self, operation: str, uuid: UUID | None, tenant_id: str | None) -> bool:
        wanted = (self.operation, self.uuid, self.tenant_id)
        return all(want in (None, got) for want, got in zip(wanted, (operation, uuid, tenant_id), strict=True))


class Faults:
    """The active rules, oldest first. A rule is removed when its count is used up. `odd_percent`: of how many calls that
    match none, but of no two in a row, something in between answers, each time something else; the first call is one."""

    def __init__(self) -> None:
        self.rules: list[FaultRule] = []
        self.odd_percent = 0.0
        self._calls = 0
        self._foreign = cycle(FOREIGN)

    def add(self, rule: FaultRule) -> None:
        self.rules.append(rule)

    def clear(self) -> None:
        self.rules.clear()

    def take(self, operation: str, uuid: UUID | None, tenant_id: str | None) -> FaultRule | None:
        """The first rule that matches a call. Uses up one of its count."""
        for rule in self.rules:
            if rule.matches(operation, uuid, tenant_id):
                rule.count -= 1
                if rule.count <= 0:
                    self.rules.remove(rule)
                return rule
        return self._odd_answer()

    def _odd_answer(self) -> FaultRule | None:
        share = min(self.odd_percent, 50.0)
        at, self._calls = self._calls * share % 100, self._calls + 1
        return FaultRule(next(self._foreign)) if at < share else None


def foreign_answer(rule: FaultRule) -> Response | None:
    """What something in between answers under this rule, if it is such a rule."""
    match rule.kind:
        case "html_200" | "html_403":
            return HTMLResponse(_PAGE, int(rule.kind[-3:]))
        case "redirect":
            return RedirectResponse("http://blocked.example/", 302)
        case "no_content":
            return Response(status_code=204)
        case _:
            return None


async def apply(rule: FaultRule, answer: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Make a call fail as the rule says. `answer` is the application that would answer it."""
    match rule.kind:
        case "latency":
            await asyncio.sleep(rule.seconds)
            await answer(scope, receive, send)
        case "slow_drip":
            await answer(scope, receive, _dripping(send, rule.seconds))
        case "hang":
            await _first_of(receive, rule.seconds)
            await _drop(scope, receive)
        case "reset":
            await _drop(scope, receive)
        case "truncate":
            await answer(scope, receive, _halved(send, lambda: _close(scope, receive)))
        case "short_body":
            await answer(scope, receive, _halved(send, None))
        case "silence":
            await answer(scope, receive, _halved(send, lambda: _first_of(receive, rule.seconds)))
        case _:
            raise ValueError(f"{rule.kind} is answered by the gate.")


class CutOffError(Exception):
    """Raised inside an application to stop it from sending the rest of an answer that a fault has ended."""


def _dripping(send: Send, pause: float) -> Send:
    async def drip(message: Message) -> None:
        body = message.get("body", b"")
        for start in range(0, len(body), DRIP):
            await send({"type": message["type"], "body": body[start : start + DRIP], "more_body": True})
            await asyncio.sleep(pause)
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return drip


def _halved(send: Send, then: Callable[[], Awaitable[None]] | None) -> Send:
    """Send half of the body's first piece, then either run `then` or end the answer as if it were complete."""

    async def halve(message: Message) -> None:
        if message["type"] == "http.response.start":
            if then is None:  # Without a length, the server marks the end itself and nothing looks missing.
                message = {**message, "headers": [pair for pair in message["headers"] if pair[0] != b"content-length"]}
            await send(message)
            return
        body = message.get("body", b"")
        await send({**message, "body": body[: len(body) // 2], "more_body": then is not None})
        if then is not None:
            await then()
        raise CutOffError

    return halve


async def _first_of(receive: Receive, seconds: float) -> None:
    """Wait for `seconds`, or until the caller disconnects."""
    try:
        async with asyncio.timeout(seconds):
            await _gone(receive)
    except TimeoutError:
        return


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(scope: Scope) -> asyncio.Transport:
    """The connection's transport, which `serve.Protocol` adds to the state of each call."""
    transport = scope.get("state", {}).get("transport")
    if transport is None:
        raise RuntimeError(
            "Faults that break a connection need the simulator's own server (serve.running or serve.run)."
        )
    return cast(asyncio.Transport, transport)


async def _drop(scope: Scope, receive: Receive) -> None:
    """Reset the connection: with a linger time of 0, closing it sends RST."""
    transport = _transport(scope)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)


async def _close(scope: Scope, receive: Receive) -> None:
    """Close the connection once all data has been sent."""
    _transport(scope).close()
    await _gone(receive)
