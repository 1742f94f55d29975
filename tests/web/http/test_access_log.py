"""What is said and measured of a request: its route, and nothing that somebody typed."""

from __future__ import annotations

import asyncio
import json
import re

import httpx
import pytest
from fastapi import FastAPI

from config.logging import set_up_logging
from config.metrics import REGISTRY
from config.settings import Settings
from config.tracing import current, trace_id
from portal_db.states import Role
from tests.servers.waiting import wait_until
from tests.test_logging import as_it_was
from tests.web.desk import API, Desk
from web.http.access_log import AccessLog

__all__ = ["as_it_was"]


GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def _ask(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://portal") as client:
        for path in ("/people/jane@example.com?name=Jane", "/people/joe@example.com", "/Jane", "/healthz"):
            await client.get(path, headers={"traceparent": GIVEN})
        await client.request("JANE", "/people/jane@example.com", headers={"traceparent": "Jane"})


def measured(route: str, method: str, status_class: str) -> float:
    labels = {"route": route, "method": method, "status_class": status_class}
    return REGISTRY.get_sample_value("portal_sync_http_request_duration_seconds_count", labels) or 0


@pytest.mark.usefixtures("as_it_was")
def test_a_request_is_logged_and_measured_by_its_route(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(Settings(log_format="json"))
    seen = [
        ("/people/{email}", "GET", "2xx"),
        ("(no such address)", "GET", "4xx"),
        ("/people/{email}", "(other)", "4xx"),
    ]
    before = [measured(*each) for each in seen]
    app = FastAPI()
    app.add_middleware(AccessLog, monotonic=lambda: 1.0)
    traces: list[str] = []

    def answer(email: str) -> dict[str, str]:
        traces.append(current())
        return {"email": email}

    app.get("/people/{email}")(answer)
    asyncio.run(_ask(app))
    assert [measured(*each) - earlier for each, earlier in zip(seen, before, strict=True)] == [2, 1, 1]
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "web.request" in line]
    assert [line["operation"] for line in said] == [
        "GET /people/{email}",
        "GET /people/{email}",
        "GET (no such address)",
        "(other) /people/{email}",
    ]
    # And its trace is the caller's, except where that is none
    assert [trace_id(trace) for trace in traces] == 2 * [trace_id(GIVEN)]
    assert len({*traces, GIVEN}) == 3, "each is a span of its own"
    assert [line["trace"] for line in said[:3]] == 3 * ["4bf92f3577b34da6a3ce929d0e0e4736"]
    assert re.fullmatch("[0-9a-f]{32}", said[3]["trace"]), "a new one"


@pytest.mark.usefixtures("as_it_was")
def test_a_refused_request_is_logged_with_its_code_and_whose_it_was(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    person = desk.staff(Role.BASIC)
    browser = desk.signed_in(person)
    set_up_logging(Settings(log_format="json"))
    browser.get(f"{API}/clients")
    browser.get(f"{API}/api-keys")
    browser.post(f"{API}/search", headers={"X-CSRF-Token": "of another site"})
    desk.browser().get(f"{API}/clients")

    lines: list[dict[str, str]] = []

    def are_said() -> bool:  # in the new format; to sign in was said in the one before
        lines.extend(json.loads(line) for line in capsys.readouterr().err.splitlines() if '"web.request"' in line)
        return len(lines) == 4

    wait_until(are_said, "four lines")
    assert [line.get("code") for line in lines] == [None, "not_allowed", "method_not_allowed", "not_signed_in"]
    mine = {"practice": str(person.practice_id), "staff": str(person.staff_id)}
    assert mine.items() <= lines[1].items()
    assert not mine.keys() & (lines[0].keys() | lines[3].keys())
