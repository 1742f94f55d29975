"""One import is one trace, over processes, and no span has anything of a person."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextvars import Context
from typing import cast
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from config import spans
from config.otlp import Reporter
from config.settings import Settings, SettingsError
from config.tracing import TRACE, below, trace_id, within
from handlers.operations import dead_letters
from portal_db.states import ImportState
from portal_db.work import imports
from tests.handlers.directory.given import synced
from tests.handlers.operations import given as ops
from tests.making import importable
from tests.worker.queue.desk import Desk
from tests.worker.runner.test_sets import ask, first_jobs
from tests.world import World
from worker.local.mail_catcher import Behaviour
from xpm.simulator.serve import SimulatorHandle

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def collected() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    spans.start_with(Reporter(SimpleSpanProcessor(exporter)))
    yield exporter
    spans.start_with(None)


def in_trace(collected: InMemorySpanExporter, traceparent: str | None) -> list[ReadableSpan]:
    return [span for span in collected.get_finished_spans() if f"{_ids(span)[0]:032x}" == trace_id(traceparent)]


def _ids(span: ReadableSpan) -> tuple[int, int]:
    assert span.context is not None
    return span.context.trace_id, span.context.span_id


def trace_of(world: World, import_id: UUID) -> str | None:
    [trace] = {job.trace_context for job in world.jobs_of(import_id).values()}
    return trace


def run_all(world: World) -> None:
    """Run what is due in a process of its own, as far as traces go: nothing of the present work reaches it."""
    Context().run(world.run_due)


def test_an_import_is_one_trace_over_processes(
    own_sqlite_world: World, own_simulator: SimulatorHandle, redis_url: str, collected: InMemorySpanExporter
) -> None:
    # Given a request by queue message, in a caller's trace
    world = own_sqlite_world
    person = importable(own_simulator)[0]
    desk = Desk.at(world, redis_url)
    asked = world.request(person.uuid, send_welcome_email=True).model_dump(mode="json")
    desk.door().take({**asked, "traceparent": GIVEN})
    desk.client.close()
    # When other processes run its jobs, the last of them after the mail server was away
    with world.database.read() as tx:
        accepted = imports.by_key(tx, world.practice_id, asked["request_id"])
    assert accepted is not None
    world.mail.behave(Behaviour(refuse={"*": "451 4.3.2 Try again later"}))
    run_all(world)
    world.mail.behave(Behaviour())
    world.pass_time(3600)
    run_all(world)
    # Then everything is in that trace, and each span below the one that it is a part of
    found = in_trace(collected, GIVEN)
    assert len(found) == len(collected.get_finished_spans())
    by_id = {_ids(span)[1]: span.name for span in found}
    below_whom = {(by_id.get(span.parent.span_id) if span.parent else None, span.name) for span in found}
    door = "request_import import_requests"
    jobs = {f"{job.kind} {job.lane.value}" for job in world.jobs_of(accepted.id).values()}
    assert below_whom == {
        (None, door),  # the caller's own span is not ours to report
        *((door, job) for job in jobs),
        *((job, "commit") for job in jobs),
        ("validate_import interactive", "GET /client.api/get/{identifier}"),
        ("send_welcome_email email", "send email"),
    }
    outcomes = [
        span.attributes["portal_sync.outcome"] for span in found if span.name == "send email" and span.attributes
    ]
    assert outcomes == ["not_sent", "sent"]


def test_each_job_of_a_set_is_in_its_own_imports_trace(
    sqlite_world: World, simulator: SimulatorHandle, collected: InMemorySpanExporter
) -> None:
    # Given three rows of one batch, one of which is refused
    world = sqlite_world
    synced(world)
    collected.clear()
    people = importable(simulator)
    token = TRACE.set(GIVEN)
    import_ids = ask(world, [people[0], people[0], people[1]])
    TRACE.reset(token)
    # When they run as a set
    world.runner().run(*first_jobs(world, import_ids))
    # Then each has a trace, linked to that of the batch, with a span and a commit for each of its own jobs
    traces = [trace_of(world, import_id) for import_id in import_ids]
    assert len({trace_id(trace) for trace in (*traces, GIVEN)}) == 4
    for import_id, trace in zip(import_ids, traces, strict=True):
        first, *others = sorted(in_trace(collected, trace), key=lambda span: span.name != "import of a batch")
        assert [f"{link.context.trace_id:032x}" for link in first.links] == [trace_id(GIVEN)]
        done = [job for job in world.jobs_of(import_id).values() if job.finished_at is not None]
        named = [span.name for span in others]
        assert sorted(named) == sorted([f"{job.kind} {job.lane.value}" for job in done] + ["commit"] * len(done))
        about = {span.attributes.get("portal_sync.import_id") for span in others if span.attributes}
        assert about == {str(import_id), None}


def test_each_email_of_a_set_is_in_its_own_imports_trace(
    sqlite_world: World, simulator: SimulatorHandle, collected: InMemorySpanExporter
) -> None:
    world = sqlite_world
    synced(world)
    import_ids = ask(world, importable(simulator)[:2], send_welcome_email=True)
    world.runner().run(*first_jobs(world, import_ids))
    emails = [world.jobs_of(import_id)["send_welcome_email"].id for import_id in import_ids]
    world.runner().run(*emails)
    named = [[span.name for span in in_trace(collected, trace_of(world, import_id))] for import_id in import_ids]
    assert [names.count("send email") for names in named] == [1, 1]


def test_a_new_epoch_is_a_new_trace_linked_to_the_one_before(
    sqlite_world: World, simulator: SimulatorHandle, collected: InMemorySpanExporter
) -> None:
    # Given an import whose details are a dead letter
    world = sqlite_world
    import_id, details = ops.dead_details(world, simulator)
    before = world.jobs_of(import_id)["validate_import"].trace_context
    # When it is requeued
    dead_letters.requeue(world.database, ops.operator(world), details)
    # Then it begins another trace, which names the first
    after = world.jobs_of(import_id)["import_details"].trace_context
    assert trace_id(after) != trace_id(before)
    [first] = in_trace(collected, after)
    assert [f"{link.context.trace_id:032x}" for link in first.links] == [trace_id(before)]


def test_no_span_has_anything_of_a_person(
    own_sqlite_world: World, own_simulator: SimulatorHandle, collected: InMemorySpanExporter
) -> None:
    # Given a client whose every text is marked, and a mail server that quotes the address in its refusal
    world = own_sqlite_world
    person = importable(own_simulator)[0]
    marked = {"name": "Zqx Marked", "email": "zqx@marked.example"}
    world.mail.behave(Behaviour(refuse={marked["email"]: "550 5.1.1 zqx@marked.example: no such user"}))
    with_request = below(None)
    token = TRACE.set(with_request)
    import_id = world.ask(person.uuid, send_welcome_email=True, **marked)
    TRACE.reset(token)
    # When it is imported
    run_all(world)
    assert world.import_row(import_id).state is ImportState.PARTLY_SUCCEEDED
    # Then the spans say what happened, but nothing of the person
    found = in_trace(collected, with_request)
    said = json.dumps([json.loads(span.to_json()) for span in found])
    assert "email_refused" in said
    for secret in ("zqx", "Marked", person.name, str(person.uuid), person.email or person.name):
        assert secret.casefold() not in said.casefold()
    allowed = spans.ATTRIBUTES | {"error.type"}
    assert {name for span in found for name in span.attributes or ()} <= allowed


def test_of_an_error_only_the_type_is_named(collected: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="jane"), within(GIVEN), spans.part("send email"):
        raise ValueError("jane@moss.example")
    [span] = collected.get_finished_spans()
    assert span.attributes == {"error.type": "ValueError"}
    assert "jane" not in str(span.to_json())


def test_an_attribute_that_is_not_on_the_list_is_left_out(collected: InMemorySpanExporter) -> None:
    spans.report("GET /", "server", GIVEN, None, seconds=0, attributes={"url.path": "/jane", "http.route": "/"})
    [span] = collected.get_finished_spans()
    assert span.attributes == {"http.route": "/"}


def test_without_a_collector_its_exporter_is_not_imported() -> None:
    """The SDK itself may be: redis-py imports it wherever it is installed."""
    program = (
        "import sys; from config import spans; from config.settings import Settings; import worker.process, web.process;"
        " spans.start(Settings()); print({'config.otlp', 'opentelemetry.exporter'} & sys.modules.keys())"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"


def test_a_collector_that_is_away_holds_up_no_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a process that sends traces to somebody who does not answer
    monkeypatch.setattr(spans, "CLOSE_SECONDS", 0.01)
    answered, closed = threading.Event(), threading.Event()

    class Waiting:
        def close(self) -> None:
            answered.wait(2)
            closed.set()

    spans.start_with(cast(Reporter, Waiting()))
    # When it ends
    spans.stop()
    # Then it does not wait for them
    assert not closed.is_set()
    answered.set()


def test_a_collector_without_its_packages_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "config.otlp", None)
    with pytest.raises(SettingsError, match="--extra traces"):
        spans.start(Settings(otel_exporter_otlp_endpoint="http://127.0.0.1:9"))
