"""Every endpoint, with nobody, with each role, with a key that lacks the scope, and with the ids of another practice.

A new endpoint without a line in the table fails the first test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from handlers.callers import Scope
from portal_db.states import Role
from tests.web.desk import API, Desk, Person


@dataclass(frozen=True)
class Ids:
    """One of everything that has an id in a path."""

    values: dict[str, UUID]

    def path(self, template: str) -> str:
        return API + template.format(**self.values)


@dataclass(frozen=True)
class Endpoint:
    """What it takes to call an endpoint so that it succeeds, and who may."""

    scope: Scope | None
    body: Callable[[Ids], Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    has_id: bool = False
    #: It takes more than the right to see a client: a colleague who sees all is told what is missing.
    needs_link: bool = False


def an_import(_: Ids) -> dict[str, Any]:
    return {"xpm_uuid": str(uuid4()), "kind": "individual"}


def a_batch(_: Ids) -> dict[str, Any]:
    return {"rows": [{"xpm_uuid": str(uuid4()), "kind": "entity"}]}


READ, IMPORT, MANAGE = Scope.READ, Scope.IMPORT, Scope.MANAGE
KEY = {"Idempotency-Key": "access"}
#: Open to anybody: they are how one becomes somebody.
OPEN = {("POST", "/session"), ("POST", "/password"), ("POST", "/activation-link"), ("POST", "/activation")}
TABLE: dict[tuple[str, str], Endpoint] = {
    ("GET", "/session"): Endpoint(None),
    ("DELETE", "/session"): Endpoint(None),
    ("GET", "/api-keys"): Endpoint(MANAGE),
    ("POST", "/api-keys"): Endpoint(MANAGE, lambda _: {"name": "new", "scopes": ["read"]}),
    ("POST", "/api-keys/{key_id}/rotation"): Endpoint(MANAGE, has_id=True),
    ("DELETE", "/api-keys/{key_id}"): Endpoint(MANAGE, has_id=True),
    ("GET", "/imports"): Endpoint(READ),
    ("POST", "/imports"): Endpoint(IMPORT, an_import, KEY),
    ("GET", "/imports/{import_id}"): Endpoint(READ, has_id=True),
    ("GET", "/imports/{import_id}/events"): Endpoint(READ, has_id=True),
    ("POST", "/batches"): Endpoint(IMPORT, a_batch, KEY),
    ("POST", "/batches/preflight"): Endpoint(IMPORT, a_batch),
    ("GET", "/batches/{batch_id}"): Endpoint(READ, has_id=True),
    ("GET", "/batches/{batch_id}/events"): Endpoint(READ, has_id=True),
    ("GET", "/batches/{batch_id}/result"): Endpoint(READ, has_id=True),
    ("GET", "/xpm/clients"): Endpoint(IMPORT, query={"q": "an"}),
    ("GET", "/search"): Endpoint(READ, query={"q": "an", "integration": "xpm"}),
    ("GET", "/clients"): Endpoint(READ),
    ("GET", "/clients/{client_id}"): Endpoint(READ, has_id=True),
    ("GET", "/clients/{client_id}/review-items"): Endpoint(READ, has_id=True),
    ("POST", "/clients/{client_id}/imports"): Endpoint(IMPORT, lambda _: {}, KEY, has_id=True, needs_link=True),
    ("PUT", "/clients/{client_id}/xpm-link"): Endpoint(
        IMPORT, lambda _: {"xpm_uuid": str(uuid4())}, has_id=True, needs_link=True
    ),
    ("GET", "/integrations/xpm"): Endpoint(READ),
    ("DELETE", "/integrations/xpm"): Endpoint(IMPORT),
    ("POST", "/integrations/xpm/consent"): Endpoint(IMPORT),
    ("POST", "/integrations/xpm/answer"): Endpoint(IMPORT, lambda _: {"state": "x", "code": "y"}),
    ("POST", "/integrations/xpm/choice"): Endpoint(
        IMPORT, lambda _: {"consent_id": str(uuid4()), "tenant_id": "somebody's"}
    ),
    ("GET", "/integrations/xpm/structures"): Endpoint(IMPORT),
    ("PUT", "/integrations/xpm/structures"): Endpoint(MANAGE, lambda _: {"structure": "Club", "kind": "individual"}),
    ("DELETE", "/integrations/xpm/structures"): Endpoint(MANAGE, query={"structure": "Club"}),
}


def call(who: httpx.Client, method: str, template: str, endpoint: Endpoint, ids: Ids) -> httpx.Response:
    body = endpoint.body(ids) if endpoint.body else None
    with who.stream(method, ids.path(template), json=body, headers=endpoint.headers, params=endpoint.query) as answer:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return answer  # it goes on for ever
        answer.read()
        return answer


def everything_of(desk: Desk, person: Person) -> Ids:
    """One of everything, of this person's practice."""
    program = desk.program(person)
    asked = program.post(f"{API}/imports", json=an_import(Ids({})), headers={"Idempotency-Key": uuid4().hex})
    batch = program.post(f"{API}/batches", json=a_batch(Ids({})), headers={"Idempotency-Key": uuid4().hex})
    owner = desk.staff(Role.OWNER, practice_id=person.practice_id)
    key = desk.program(owner).post(f"{API}/api-keys", json={"name": "one", "scopes": ["read"]})
    made = {"import_id": asked, "batch_id": batch, "key_id": key}
    return Ids({**{name: answer.json()["id"] for name, answer in made.items()}, "client_id": desk.entity(person)})


def nothing() -> Ids:
    """Ids of nothing at all."""
    return Ids({name: uuid4() for name in ("import_id", "batch_id", "key_id", "client_id")})


def endpoints() -> Iterator[tuple[str, str, Endpoint]]:
    for (method, template), endpoint in TABLE.items():
        yield method, template, endpoint


def test_the_table_names_every_endpoint(desk: Desk) -> None:
    found = {
        (method.upper(), path.removeprefix(API))
        for path, methods in desk.app.openapi()["paths"].items()
        for method in methods
    }
    assert found == TABLE.keys() | OPEN


def test_nobody_gets_nothing(desk: Desk) -> None:
    ids, browser = everything_of(desk, desk.partner), desk.browser()
    for method, template, endpoint in endpoints():
        answer = call(browser, method, template, endpoint, ids)
        assert answer.status_code == 401, (method, template)


@pytest.mark.parametrize("role", Role)
def test_each_role_may_do_what_it_may_and_nothing_else(desk: Desk, role: Role) -> None:
    program = desk.program(desk.staff(role))
    for method, template, endpoint in endpoints():
        allowed = endpoint.scope is not IMPORT or role.may_import
        allowed &= endpoint.scope is not MANAGE or role.may_manage
        answer = call(program, method, template, endpoint, nothing())
        assert (answer.status_code != 403) == allowed, (method, template, answer.status_code)
        assert answer.status_code < 500, (method, template)


def test_a_key_without_the_scope_is_refused(desk: Desk) -> None:
    owner = desk.staff(Role.OWNER)
    for method, template, endpoint in endpoints():
        if endpoint.scope is None:
            continue
        program = desk.program(owner, *(scope for scope in Scope if scope is not endpoint.scope))
        answer = call(program, method, template, endpoint, nothing())
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing"), (method, template)


def test_the_things_of_another_practice_are_not_there(any_desk: Desk) -> None:
    """Answered to the letter like things that never were: whoever asks learns nothing."""
    theirs = everything_of(any_desk, any_desk.other_practice())
    program = any_desk.program(any_desk.staff(Role.OWNER))
    for method, template, endpoint in endpoints():
        if endpoint.has_id:
            answer = call(program, method, template, endpoint, theirs)
            assert answer.status_code == 404, (method, template)
            assert answer.json() == call(program, method, template, endpoint, nothing()).json()


def test_the_things_of_a_colleague_are_not_there_for_who_does_not_see_all(any_desk: Desk) -> None:
    colleagues = everything_of(any_desk, any_desk.partner)
    program, owner = any_desk.program(any_desk.staff(Role.MANAGER)), any_desk.program(any_desk.staff(Role.OWNER))
    for method, template, endpoint in endpoints():
        if endpoint.has_id and endpoint.scope is not MANAGE:
            assert call(program, method, template, endpoint, colleagues).status_code == 404, (method, template)
            told = call(owner, method, template, endpoint, colleagues)
            assert (told.status_code < 300) != endpoint.needs_link, (method, template)
            assert told.status_code != 404
    for listed, count in (("imports", 2), ("clients", 1)):
        assert program.get(f"{API}/{listed}").json()["items"] == []
        assert len(owner.get(f"{API}/{listed}").json()["items"]) == count
    assert program.get(f"{API}/search", params={"q": "reef"}).json()["clients"] == []
