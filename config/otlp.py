"""Hands spans to OpenTelemetry's SDK, which sends them by OTLP over HTTP. Imported only where a collector is set."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from config.tracing import ids_of

#: A collector that has not answered in this time counts as unreachable.
ANSWER_SECONDS = 5.0
_SERVICE: dict[str, str | int] = {"service.name": "portal-sync"}
#: Trace and span of the span that is being made.
_IDS: ContextVar[tuple[int, int]] = ContextVar("ids")


class _GivenIds(IdGenerator):
    """Ids that were decided before, because work in other processes names them."""

    def generate_trace_id(self) -> int:
        return _IDS.get()[0]

    def generate_span_id(self) -> int:
        return _IDS.get()[1]


class Reporter:
    """Reports spans to a processor of the SDK's."""

    def __init__(self, processor: SpanProcessor) -> None:
        self._provider = TracerProvider(
            # Not by the SDK's settings: another process, which has not seen the first span, must decide the same.
            sampler=ParentBased(ALWAYS_ON),
            resource=Resource(_SERVICE | {"process.pid": os.getpid()}).merge(OTELResourceDetector().detect()),
            shutdown_on_exit=False,
            id_generator=_GivenIds(),
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("portal-sync")

    @classmethod
    def to(cls, endpoint: str) -> Reporter:
        """One that sends in the background; what a collector does not take in time is dropped."""
        return cls(BatchSpanProcessor(OTLPSpanExporter(_address(endpoint))))

    def report(
        self,
        name: str,
        kind: str,
        own: str,
        parent: str | None,
        *,
        seconds: float,
        attributes: Mapping[str, str | int],
        error: str | None,
        links: Sequence[str],
    ) -> None:
        """`config.spans.report`."""
        end = time.time_ns()
        token = _IDS.set(ids_of(own)[:2])
        try:
            span = self._tracer.start_span(
                name,
                set_span_in_context(NonRecordingSpan(_context(parent)), Context()) if parent else Context(),
                SpanKind[kind.upper()],
                attributes,
                [Link(_context(each)) for each in links],
                start_time=end - int(seconds * 1e9),
            )
        finally:
            _IDS.reset(token)
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(StatusCode.ERROR)
        span.end(end)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def is_reached(endpoint: str) -> bool:
    """Whether a collector takes spans from us: an empty message is sent."""
    exporter = OTLPSpanExporter(_address(endpoint), timeout=ANSWER_SECONDS)
    try:
        return exporter.export(()).name == "SUCCESS"
    finally:
        exporter.shutdown()  # type: ignore[no-untyped-call]  # it has no types


def _address(endpoint: str) -> str:
    return f"{endpoint.rstrip('/')}/v1/traces"


def _context(traceparent: str) -> SpanContext:
    trace, span, flags = ids_of(traceparent)
    return SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(flags))
