"""Spans: what a request, a job or a call did, for how long, and in which trace; for those who collect traces.

Off without OTEL_EXPORTER_OTLP_ENDPOINT: then nothing of OpenTelemetry is imported here. A span is reported when it has
ended; its ids were decided before (`config.tracing`), so that a span of one process may be the parent of one of another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from config.settings import Settings, SettingsError
from config.telling import is_told
from config.tracing import TRACE, below

if TYPE_CHECKING:
    from config.otlp import Reporter

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Attributes = Mapping[str, str | int]

#: Attributes that a span may have: ids, counts, codes and names from our own code; none can hold a person's data (P19).
#: Most are those of OpenTelemetry's semantic conventions for HTTP, messaging and databases.
ATTRIBUTES = frozenset(
    {
        *("http.request.method", "http.route", "http.response.status_code", "url.template"),
        *("messaging.system", "messaging.destination.name", "messaging.message.id", "messaging.batch.message_count"),
        *("messaging.operation.name", "messaging.operation.type", "db.system.name", "db.operation.name"),
        *("portal_sync.import_id", "portal_sync.attempt", "portal_sync.outcome"),
    }
)
#: What is not sent within this time after a process's work is done is lost: a collector that is away holds up no stop.
CLOSE_SECONDS = 3.0

_reporter: Reporter | None = None


def start(settings: Settings) -> None:
    """Report spans from now on, if the settings name a collector.

    Raises:
        SettingsError: the packages for it are not installed.
    """
    if settings.otel_exporter_otlp_endpoint:
        start_with(_otlp().Reporter.to(settings.otel_exporter_otlp_endpoint))


def start_with(reporter: Reporter | None) -> None:
    """Report spans by this from now on, or no longer."""
    global _reporter
    _reporter = reporter


def stop() -> None:
    """Send what is left, and report no more."""
    if _reporter is not None:
        closing = threading.Thread(target=_reporter.close, name="spans", daemon=True)
        start_with(None)
        closing.start()
        closing.join(CLOSE_SECONDS)


def is_reached(settings: Settings) -> bool:
    """Whether the collector that the settings name takes spans from us.

    Raises:
        SettingsError: the packages for it are not installed.
    """
    return bool(_otlp().is_reached(settings.otel_exporter_otlp_endpoint))


def _otlp() -> ModuleType:
    try:
        return import_module("config.otlp")
    except ImportError:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed. "
            "Run: uv sync --locked --inexact --extra traces"
        ) from None


def are_reported() -> bool:
    """Whether anybody collects spans; whoever makes many asks first."""
    return _reporter is not None and is_told()


def report(
    name: str,
    kind: Kind,
    own: str,
    parent: str | None,
    *,
    seconds: float,
    attributes: Attributes,
    error: str | None = None,
    links: Sequence[str] = (),
) -> None:
    """Report a span that ends now.

    Args:
        name: from our own code.
        own: its `traceparent`.
        parent: that of the span that it is a part of, or follows; `None` for the first of a trace.
        seconds: how long it took.
        error: the code or type of its error.
        links: `traceparent`s of spans in other traces.
    """
    if _reporter is not None and is_told():
        known = {name: value for name, value in attributes.items() if name in ATTRIBUTES}
        _reporter.report(name, kind, own, parent, seconds=seconds, attributes=known, error=error, links=links)


@contextmanager
def part(name: str) -> Iterator[dict[str, str | int]]:
    """Report the block, a call of another system, as a span of the present work; outside of any, it is none.

    Yields:
        Its attributes, for the block to fill.
    """
    attributes: dict[str, str | int] = {}
    parent = TRACE.get()
    if _reporter is None or parent is None:
        yield attributes
        return
    began, error = time.monotonic(), None
    try:
        yield attributes
    except Exception as raised:
        error = type(raised).__name__  # its text may quote a row or a request
        raise
    finally:
        seconds = time.monotonic() - began
        report(name, "client", below(parent), parent, seconds=seconds, attributes=attributes, error=error)


def new_trace(name: str, *earlier: str | None) -> str:
    """Begin a trace of its own for work that would be lost in the present one, such as one import of a batch.

    Args:
        earlier: traces that led to it. It is linked to them, and to the present work.

    Returns:
        The `traceparent` of its first span, for the jobs that follow.
    """
    own = below(None)
    links = [each for each in (*earlier, TRACE.get()) if each is not None]
    report(name, "producer", own, None, seconds=0.0, attributes={}, links=links)
    return own
