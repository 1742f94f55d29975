"""One import is one trace, as a collector receives it from the processes that ran its jobs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from config.tracing import trace_id
from tests.making import importable
from tests.servers.receiver import Receiver, receiving
from tests.servers.waiting import wait_until
from tests.test_traces import GIVEN
from tests.worker.queue.desk import ALL_QUEUES, Desk
from tests.worker.test_processes import start, stopped
from tests.world import World
from worker.local.processes import Supervised
from xpm.simulator.serve import SimulatorHandle


@dataclass(frozen=True)
class Reported:
    """One span, from one process."""

    pid: int
    trace: str
    id: bytes
    parent: bytes
    name: str


def reported_to(collector: Receiver) -> list[Reported]:
    """The spans that came by OTLP over HTTP."""
    return [
        Reported(pid, span.trace_id.hex(), span.span_id, span.parent_span_id, span.name)
        for _, body in collector.came
        for each in ExportTraceServiceRequest.FromString(body).resource_spans
        for pid in (next(one.value.int_value for one in each.resource.attributes if one.key == "process.pid"),)
        for scope in each.scope_spans
        for span in scope.spans
    ]


def test_an_import_that_two_processes_run_is_one_trace(
    sqlite_world: World,
    redis_url: str,
    simulator: SimulatorHandle,
    tmp_path: Path,
) -> None:
    # Given one worker process for emails, another for everything else, and a collector of traces
    world, desk = sqlite_world, Desk.at(sqlite_world, redis_url)
    with receiving() as collector, Supervised(tmp_path / "logs") as processes:
        reports = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        imports = start(processes, desk, "imports", queues=ALL_QUEUES - {"email"}, **reports)
        emails = start(processes, desk, "emails", queues={"email"}, **reports)
        start(processes, desk, "relay")
        # When a queue message asks for an import, in its sender's trace
        request = world.request(importable(simulator)[0].uuid, send_welcome_email=True)
        desk.post({**request.model_dump(), "traceparent": GIVEN}, "m-1")
        wait_until(partial(desk.receipt, request.request_id), "the request is accepted")
        import_id = UUID((desk.receipt(request.request_id) or {})["import_id"])
        wait_until(partial(desk.is_closed, import_id), "the import is closed")
        pids = {imports.pid, emails.pid}
        assert [stopped(imports), stopped(emails)] == [0, 0]
    # Then both have reported their part of that trace
    found = [span for span in reported_to(collector) if span.trace == trace_id(GIVEN)]
    assert {span.pid for span in found} == pids
    assert {span.name for span in found if span.pid == emails.pid} == {
        "send_welcome_email email",
        "commit",
        "send email",
    }
    # And each span is below one that some process has reported; the first is below the sender's
    known = {span.id.hex() for span in found} | {GIVEN.split("-")[2]}
    assert {span.parent.hex() for span in found} <= known
