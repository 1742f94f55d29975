"""One import is one trace, as a collector receives it from the processes that ran its jobs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.making import importable
from tests.servers.waiting import wait_until
from tests.worker.queue.desk import ALL_QUEUES, Desk
from tests.worker.test_processes import start, stopped
from tests.world import World
from worker.local.processes import LOOPBACK, Supervised
from xpm.simulator.serve import SimulatorHandle

#: A request's trace, as its sender began it.
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
GIVEN = f"00-{TRACE}-00f067aa0ba902b7-01"


@dataclass(frozen=True)
class Reported:
    """One span, from one process."""

    pid: int
    trace: str
    id: bytes
    parent: bytes
    name: str


@dataclass
class Collector:
    """An OTLP collector, over HTTP."""

    url: str
    bodies: list[bytes] = field(default_factory=list)

    def spans(self) -> list[Reported]:
        return [
            Reported(pid, span.trace_id.hex(), span.span_id, span.parent_span_id, span.name)
            for body in self.bodies
            for each in ExportTraceServiceRequest.FromString(body).resource_spans
            for pid in (next(one.value.int_value for one in each.resource.attributes if one.key == "process.pid"),)
            for scope in each.scope_spans
            for span in scope.spans
        ]


@contextmanager
def collecting() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        collector = Collector(f"http://{LOOPBACK}:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield collector
        server.shutdown()
        thread.join()


def test_an_import_that_two_processes_run_is_one_trace(
    sqlite_world: World,
    redis_url: str,
    simulator: SimulatorHandle,
    tmp_path: Path,
) -> None:
    # Given one worker process for emails, another for everything else, and a collector of traces
    world, desk = sqlite_world, Desk.at(sqlite_world, redis_url)
    with collecting() as collector, Supervised(tmp_path / "logs") as processes:
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
    found = [span for span in collector.spans() if span.trace == TRACE]
    assert {span.pid for span in found} == pids
    assert {span.name for span in found if span.pid == emails.pid} == {
        "send_welcome_email email",
        "commit",
        "send email",
    }
    # And each span is below one that some process has reported; the first is below the sender's
    known = {span.id.hex() for span in found} | {GIVEN.split("-")[2]}
    assert {span.parent.hex() for span in found} <= known
