"""The trace that work belongs to, as W3C Trace Context has it: one import is one trace, from its request through every job.

Only ids travel. A caller's `traceparent` is taken over, so that our log lines are found by the caller's trace.
"""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

#: The `traceparent` of what this thread or task works on.
TRACE: ContextVar[str | None] = ContextVar("trace", default=None)


def taken_over(header: str | None) -> str:
    """A caller's `traceparent`; a new one if there is none or it is not valid."""
    if header is not None and _TRACEPARENT.fullmatch(header):
        return header
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def current() -> str:
    """The `traceparent` of the present work; a new one outside of any."""
    return TRACE.get() or taken_over(None)


def trace_id(traceparent: str | None) -> str:
    """The id of a trace, as log lines name it; `none` for work from before there were traces."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    return found[1] if found else "none"
