"""The API fuzzed from its own OpenAPI description: no 5xx, and no answer that the description does not know. On PostgreSQL,
which refuses more than SQLite: NULs, half a character, numbers and times beyond its types."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice, product
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
#: Valid requests of each operation that hostile values are put into.
SPREAD = 2
#: What no field expects: they stand in turn where a valid request has a text, or a number.
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
#: The parts of a request that have places for them.
PARTS = ("path", "query", "headers", "body")
JSON = {"Content-Type": "application/json"}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


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
    tried, hostile = set(), Hostile()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        tried.add(operation.label)
        examples = SLOW.get(operation.label, EXAMPLES)

        def valid(case: Any) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS, timeout=30)

        _fuzz(operation.as_strategy(), valid, examples, seed)
        _fuzz(operation.as_strategy(), lambda case: hostile.spread(case, headers), SPREAD, seed)
    assert len(tried) > 25
    assert hostile.tried == set(product(PARTS, HOSTILE))


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


class Hostile:
    """Puts hostile values into valid requests, one at a time: each place of each operation has one, also what a request left
    out. In each part of requests the values take turns, so that none is left out there."""

    def __init__(self) -> None:
        self.tried: set[tuple[str, Any]] = set()
        self._turns = {part: cycle(HOSTILE) for part in PARTS}
        self._with_headers: set[str] = set()

    def spread(self, case: Any, headers: dict[str, str]) -> None:
        """Send a request again and again, each time with a hostile value in another place; in a header once."""
        operation = case.operation
        parts = {"path": case.path_parameters, "query": case.query, "body": case.body}
        places = [(part, holder, key) for part, value in parts.items() for holder, key in _places(value)]
        places += [("query", case.query, each.name) for each in operation.query if each.name not in case.query]
        if isinstance(case.body, dict):
            places += [("body", case.body, name) for name in _fields_of(operation) if name not in case.body]
        for part, holder, key in islice(cycle(places), max(len(places), len(HOSTILE))) if places else ():
            with _replaced(holder, key, self._next(part)):
                case.call_and_validate(headers=headers, checks=[not_a_server_error], timeout=30)
        if operation.label not in self._with_headers:
            self._with_headers.add(operation.label)
            for name in {*headers, *(each.name for each in operation.headers)}:
                given = headers | {name: self._next("headers")}
                case.call_and_validate(headers=given, checks=[not_a_server_error], timeout=30)

    def _next(self, part: str) -> Any:
        value = next(self._turns[part])
        self.tried.add((part, value))
        return _as_sent(part, value)


@contextmanager
def _replaced(holder: Any, key: Any, value: Any) -> Iterator[None]:
    was_there = key in holder if isinstance(holder, dict) else True
    before = holder[key] if was_there else None
    holder[key] = value
    yield
    if was_there:
        holder[key] = before
    else:
        del holder[key]


def _fields_of(operation: Any) -> list[str]:
    """The names of the fields of an operation's body."""
    content = operation.definition.raw["requestBody"]["content"].get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    schemas = operation.schema.raw_schema["components"]["schemas"]
    return list(schemas.get(name, {}).get("properties", ()))


def _as_sent(part: str, value: Any) -> Any:
    """An address is of whole characters; a header is of bytes, which travel as characters of Latin-1."""
    if part == "body":
        return value
    if part == "headers":
        return str(value).encode("utf-8", "surrogatepass").decode("latin-1")
    return "\ufffd" if value == "\ud800" else value


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
