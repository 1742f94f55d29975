"""The trace that work belongs to, as W3C Trace Context has it: one import is one trace, from its request through every job.

Only ids travel: a `traceparent` names a trace and one span of it. `config.spans` reports spans to those who collect them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

#: The `traceparent` of what this thread or task works on.
TRACE: ContextVar[str | None] = ContextVar("trace", default=None)


def given(header: object) -> str | None:
    """A caller's `traceparent`; `None` if there is none or it is not valid."""
    return header if isinstance(header, str) and _TRACEPARENT.fullmatch(header) else None


def below(parent: str | None) -> str:
    """The `traceparent` of a new span: in its parent's trace, or the first of a new one."""
    return _span(parent, secrets.token_hex(16), secrets.token_hex(8))


def attempt(parent: str | None, token: UUID) -> str:
    """The `traceparent` of an attempt at a job. Its lease token names the span, so every part of the attempt finds it."""
    return _span(parent, token.hex, token.hex[16:])


def current() -> str:
    """The `traceparent` of the present work; a new one outside of any."""
    return TRACE.get() or below(None)


@contextmanager
def within(traceparent: str) -> Iterator[None]:
    """Make this the present work."""
    token = TRACE.set(traceparent)
    try:
        yield
    finally:
        TRACE.reset(token)


def trace_id(traceparent: str | None) -> str:
    """The id of a trace, as log lines name it; `none` for work from before there were traces."""
    return traceparent.split("-")[1] if traceparent is not None else "none"


def ids_of(traceparent: str) -> tuple[int, int, int]:
    """Trace, span and flags as numbers."""
    _, trace, span, flags = traceparent.split("-")
    return int(trace, 16), int(span, 16), int(flags, 16)


def _span(parent: str | None, new_trace: str, span: str) -> str:
    _, trace, _, flags = parent.split("-") if parent is not None else ("", new_trace, "", "01")
    return f"00-{trace}-{span}-{flags}"
