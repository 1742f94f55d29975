"""The API fuzzed from its own OpenAPI description: no 5xx, and no answer that the description does not know. On PostgreSQL,
which refuses more than SQLite: NULs, half a character, numbers and times beyond its types."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from portal_db.states import Role
from tests.making import importable
from tests.web.desk import API, Desk
from web.usage import UsageLimits
from xpm.simulator.serve import SimulatorHandle

#: For each operation; fewer where each costs a hash that is slow on purpose.
EXAMPLES, SLOW = 4, {"POST /api/v1/session": 2}
#: What no field expects: each stands in turn where a valid request has a text, or a number.
HOSTILE: tuple[Any, ...] = (
    "a\0b",
    "a\x1b[2J",
    "\ud800",
    "\u202e\ufeff",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59.999999+00:00~00000000-0000-0000-0000-000000000000",
    2**63,
    -1,
)
JSON = {"Content-Type": "application/json"}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_request_breaks_anything(
    any_desk: Desk, simulator: SimulatorHandle, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an owner with an API key: nothing stands between the fuzzer and the endpoints, not even limits."""
    monkeypatch.setattr(UsageLimits, "take", lambda *_, **__: None)
    any_desk.world.run_import(importable(simulator)[0].uuid)
    owner = any_desk.staff(Role.OWNER)
    headers = {"Authorization": f"Bearer {any_desk.key_of(owner)}", "X-Staff-Id": str(owner.staff_id)}
    schema = schemathesis.openapi.from_url(f"{any_desk.url}{API}/openapi.json")
    tried = set()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        tried.add(operation.label)
        examples = SLOW.get(operation.label, EXAMPLES)

        def valid(case: Any) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS, timeout=30)

        def hostile(case: Any) -> None:
            case.call_and_validate(headers=headers, checks=[not_a_server_error], timeout=30)

        _fuzz(operation.as_strategy(), valid, examples, seed)
        mutated = st.builds(_with, operation.as_strategy(), st.sampled_from(HOSTILE), st.integers(0, 20))
        _fuzz(mutated, hostile, examples, seed)
    assert len(tried) > 25


def _fuzz(cases: st.SearchStrategy[Any], run_one: Callable[[Any], None], examples: int, seed: int) -> None:
    @seeded(seed)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def run(case: Any) -> None:
        run_one(case)

    run()


def _with(case: Any, value: Any, number: int) -> Any:
    """A case in which one of the values it sends is another."""
    places = [*_places(case.query), *_places(case.body)]
    if places:
        holder, key = places[number % len(places)]
        in_address = number % len(places) < len(_places(case.query))
        holder[key] = "\ufffd" if in_address and value == "\ud800" else value  # an address is of whole characters
    return case


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Where in a value there are texts and numbers."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[tuple[Any, Any]] = []
    for key, item in list(items):
        found += [(value, key)] if isinstance(item, str | int | float) else _places(item)
    return found


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("text", ["a\0b", "\ud800", "a\x1bb"], ids=["NUL", "half a character", "escape"])
def test_no_text_that_postgresql_cannot_store_reaches_it(any_desk: Desk, text: str) -> None:
    """Without an account, in an address, in a form, and as an owner."""
    stranger, owner = any_desk.browser(), any_desk.program(any_desk.staff(Role.OWNER))
    quoted = quote(text, errors="surrogatepass")
    answers = [
        stranger.post(f"{API}/session", content=json.dumps({"email": text, "password": "x"}), headers=JSON),
        stranger.post("/sign-in", data={"email": text.replace("\ud800", "\x7f"), "password": "x"}),
        owner.get(f"{API}/clients?q={quoted}"),
        owner.get(f"{API}/search?q={quoted}"),
        owner.get(f"{API}/imports?code={quoted}"),
        owner.get(f"{API}/imports?cursor={quoted}"),
        owner.post(f"{API}/api-keys", content=json.dumps({"name": text, "scopes": ["read"]}), headers=JSON),
    ]
    wanted = 200 if text == "\ud800" else 422  # an address that is no UTF-8 is read with a mark in its place
    assert [answer.status_code for answer in answers] == [422, 422, wanted, wanted, wanted, 422, 422]


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1899-12-31T00:00:00Z"])
def test_a_time_beyond_all_calendars_is_refused_where_it_is_read(desk: Desk, since: str) -> None:
    cursor = f"{since}~00000000-0000-0000-0000-000000000000"
    for query in ({"since": since}, {"cursor": cursor}):
        assert desk.program().get(f"{API}/imports", params=query).status_code == 422
