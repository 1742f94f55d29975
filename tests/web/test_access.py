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
from sqlalchemy import insert

from handlers.access.caller import Scope
from portal_db.states import Role
from portal_db.tables import Relationship
from portal_db.types import db_now
from tests.web.desk import API, Desk, Person
from web.api import batches
from web.app import MAX_BODY


@dataclass(frozen=True)
class Ids:
    """One of everything that has an id in a path."""

    values: dict[str, UUID]

    def path(self, template: str) -> str:
        return API + template.format(**self.values)

    def named(self, **fields: str) -> dict[str, str]:
        """Ids for a body, by the names of its fields."""
        return {field: str(self.values[name]) for field, name in fields.items()}

    def are_in(self, body: Any) -> bool:
        return any(str(value) in str(body) for value in self.values.values())

    def hidden(self, text: str) -> str:
        """A text with names in place of these ids."""
        for name, value in self.values.items():
            text = text.replace(str(value), name)
        return text


@dataclass(frozen=True)
class Endpoint:
    """What it takes to call an endpoint so that it succeeds, and who may."""

    scope: Scope | None
    body: Callable[[Ids], Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    has_id: bool = False
    #: It takes more than the right to see it: a colleague who sees all is told what is in the way.
    in_the_way: bool = False
    #: It acts on a session: no key stands for one.
    by_key: bool = True


def an_import(_: Ids) -> dict[str, Any]:
    return {"xpm_uuid": str(uuid4()), "kind": "individual"}


def a_batch(_: Ids) -> dict[str, Any]:
    return {"rows": [{"xpm_uuid": str(uuid4()), "kind": "entity"}]}


def a_connection(_: Ids) -> dict[str, Any]:
    return {"name": "Dee Rector", "relationship": "Director"}


READ, IMPORT, MANAGE = Scope.READ, Scope.IMPORT, Scope.MANAGE
KEY = {"Idempotency-Key": "access"}
#: Open to anybody: they are how one becomes somebody.
OPEN = {("POST", path) for path in ("/session", "/password", "/password-reset", "/activation-link", "/activation")}
TABLE: dict[tuple[str, str], Endpoint] = {
    ("GET", "/session"): Endpoint(None),
    ("DELETE", "/session"): Endpoint(None, by_key=False),
    ("POST", "/session/confirmation"): Endpoint(None, lambda _: {"given": "x"}, by_key=False),
    ("GET", "/api-keys"): Endpoint(MANAGE),
    ("POST", "/api-keys"): Endpoint(MANAGE, lambda _: {"name": "new", "scopes": ["read"]}),
    ("POST", "/api-keys/{key_id}/rotation"): Endpoint(MANAGE, has_id=True),
    ("DELETE", "/api-keys/{key_id}"): Endpoint(MANAGE, has_id=True),
    ("GET", "/sign-ins"): Endpoint(MANAGE),
    ("GET", "/webhooks"): Endpoint(MANAGE),
    ("POST", "/webhooks"): Endpoint(MANAGE, lambda _: {"url": "https://hooks.example/portal"}),
    ("POST", "/webhooks/{webhook_id}/rotation"): Endpoint(MANAGE, has_id=True),
    ("POST", "/webhooks/{webhook_id}/test"): Endpoint(MANAGE, has_id=True),
    ("GET", "/webhooks/{webhook_id}/deliveries"): Endpoint(MANAGE, has_id=True),
    ("DELETE", "/webhooks/{webhook_id}"): Endpoint(MANAGE, has_id=True),
    ("GET", "/imports"): Endpoint(READ),
    ("POST", "/imports"): Endpoint(IMPORT, an_import, KEY),
    ("GET", "/imports/{import_id}"): Endpoint(READ, has_id=True),
    ("GET", "/imports/{import_id}/events"): Endpoint(READ, has_id=True),
    ("PATCH", "/imports/{import_id}"): Endpoint(IMPORT, lambda _: {"name": "x"}, has_id=True, in_the_way=True),
    ("POST", "/imports/{import_id}/cancellation"): Endpoint(IMPORT, has_id=True),
    ("POST", "/batches"): Endpoint(IMPORT, a_batch, KEY),
    ("POST", "/batches/preflight"): Endpoint(IMPORT, a_batch),
    ("GET", "/batches/{batch_id}"): Endpoint(READ, has_id=True),
    ("GET", "/batches/{batch_id}/events"): Endpoint(READ, has_id=True),
    ("GET", "/batches/{batch_id}/result"): Endpoint(READ, has_id=True),
    ("POST", "/batches/{batch_id}/cancellation"): Endpoint(IMPORT, has_id=True),
    ("GET", "/xpm/clients"): Endpoint(IMPORT, query={"q": "an"}),
    ("GET", "/search"): Endpoint(READ, query={"q": "an", "integration": "xpm"}),
    ("GET", "/clients"): Endpoint(READ),
    ("GET", "/clients/{client_id}"): Endpoint(READ, has_id=True),
    ("GET", "/clients/{client_id}/review-items"): Endpoint(READ, has_id=True),
    ("POST", "/clients/{client_id}/imports"): Endpoint(IMPORT, lambda _: {}, KEY, has_id=True, in_the_way=True),
    ("POST", "/clients/{client_id}/welcome-email"): Endpoint(IMPORT, None, KEY, has_id=True, in_the_way=True),
    ("PUT", "/clients/{client_id}/xpm-link"): Endpoint(
        IMPORT, lambda _: {"xpm_uuid": str(uuid4())}, has_id=True, in_the_way=True
    ),
    ("GET", "/clients/{client_id}/connections"): Endpoint(READ, has_id=True),
    ("POST", "/clients/{client_id}/connections"): Endpoint(IMPORT, a_connection, has_id=True),
    ("PUT", "/clients/{client_id}/connections/{member_id}"): Endpoint(IMPORT, lambda _: {}, has_id=True),
    ("GET", "/clients/{client_id}/tasks"): Endpoint(READ, has_id=True),
    ("POST", "/clients/{client_id}/tasks/{task_id}/completion"): Endpoint(IMPORT, has_id=True),
    ("POST", "/clients/{client_id}/tasks/{task_id}/withdrawal"): Endpoint(IMPORT, has_id=True, in_the_way=True),
    ("DELETE", "/clients/{client_id}/connections/{member_id}"): Endpoint(IMPORT, has_id=True),
    ("POST", "/clients/{client_id}/tasks"): Endpoint(IMPORT, lambda _: {"title": "Sign"}, KEY, has_id=True),
    ("GET", "/clients/{client_id}/history"): Endpoint(READ, has_id=True),
    ("DELETE", "/clients/{client_id}/xpm-link"): Endpoint(IMPORT, has_id=True, in_the_way=True),
    ("GET", "/review-items"): Endpoint(READ),
    ("POST", "/review-items/{item_id}/ignore"): Endpoint(IMPORT, lambda _: {"version": 1}, has_id=True),
    ("POST", "/review-items/{item_id}/import"): Endpoint(
        IMPORT, lambda _: {"version": 1, "relationship": "Director"}, has_id=True, in_the_way=True
    ),
    ("POST", "/review-items/{item_id}/link"): Endpoint(
        IMPORT, lambda ids: {"version": 1, **ids.named(team_member_id="member_id")}, has_id=True, in_the_way=True
    ),
    ("POST", "/review-items/ignore"): Endpoint(
        IMPORT, lambda ids: {"items": [{"version": 1, **ids.named(id="item_id")}]}
    ),
    ("GET", "/integrations/xpm"): Endpoint(READ),
    ("GET", "/integrations/xpm/syncs"): Endpoint(READ),
    ("GET", "/integrations/xpm/structures"): Endpoint(IMPORT),
    ("PUT", "/integrations/xpm/structures"): Endpoint(MANAGE, lambda _: {"structure": "Club", "kind": "entity"}),
    ("DELETE", "/integrations/xpm/structures"): Endpoint(MANAGE, query={"structure": "Club"}),
    ("DELETE", "/integrations/xpm"): Endpoint(IMPORT),
    ("POST", "/integrations/xpm/consent"): Endpoint(IMPORT),
    ("POST", "/integrations/xpm/answer"): Endpoint(IMPORT, lambda _: {"state": "x", "code": "y"}),
    ("POST", "/integrations/xpm/choice"): Endpoint(
        IMPORT, lambda _: {"consent_id": str(uuid4()), "tenant_id": "somebody's"}
    ),
    ("POST", "/integrations/xpm/reassign"): Endpoint(
        MANAGE, lambda _: {"connection_id": str(uuid4()), "to_staff_id": str(uuid4())}
    ),
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
    client_id = desk.entity(person)
    member = program.post(f"{API}/clients/{client_id}/connections", json=a_connection(Ids({})))
    with desk.world.database.write() as tx:
        item_id = tx.new_id()
        told = {"label": "Director", "label_key": "director", "other_name": "Dee", "state": "pending", "version": 1}
        row = {"id": item_id, "practice_id": person.practice_id, "client_id": client_id, "other_xpm_uuid": tx.new_id()}
        tx.session.execute(insert(Relationship).values(**row, **told, as_of=db_now()))
    task = program.post(f"{API}/clients/{client_id}/tasks", json={"title": "x"}, headers={"Idempotency-Key": "made"})
    webhook = desk.program(owner).post(f"{API}/webhooks", json={"url": "https://hooks.example/portal"})
    made = {
        "webhook_id": webhook,
        "import_id": asked,
        "batch_id": batch,
        "key_id": key,
        "member_id": member,
        "task_id": task,
    }
    ids = {name: UUID(answer.json()["id"]) for name, answer in made.items()}
    return Ids({**ids, "client_id": client_id, "item_id": item_id})


NAMES = ("import_id", "batch_id", "key_id", "client_id", "member_id", "task_id", "item_id", "webhook_id")


def nothing() -> Ids:
    """Ids of nothing at all."""
    return Ids({name: uuid4() for name in NAMES})


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


def test_every_body_has_a_limit(desk: Desk) -> None:
    program, ids = desk.program(desk.staff(Role.OWNER)), nothing()
    headers = {"Content-Type": "application/json", **KEY}
    limits = dict.fromkeys(("/batches", "/batches/preflight"), batches.MAX_BODY)
    for path, methods in desk.app.openapi()["paths"].items():
        for method in (method for method, operation in methods.items() if "requestBody" in operation):
            template = path.removeprefix(API)
            too_long = b" " * (limits.get(template, MAX_BODY) + 1)
            answer = program.request(method, ids.path(template), content=too_long, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large"), (method, template)


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
        assert (answer.status_code != 401) == endpoint.by_key, (method, template)
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
        nobodys = nothing()
        if endpoint.has_id or (endpoint.body and theirs.are_in(endpoint.body(theirs))):
            answer = call(program, method, template, endpoint, theirs)
            assert (answer.status_code == 404) is endpoint.has_id, (method, template)
            assert theirs.hidden(answer.text) == nobodys.hidden(call(program, method, template, endpoint, nobodys).text)


def test_the_things_of_a_colleague_are_not_there_for_who_does_not_see_all(any_desk: Desk) -> None:
    colleagues = everything_of(any_desk, any_desk.partner)
    program, owner = any_desk.program(any_desk.staff(Role.MANAGER)), any_desk.program(any_desk.staff(Role.OWNER))
    for method, template, endpoint in endpoints():
        if endpoint.has_id and endpoint.scope is not MANAGE:
            assert call(program, method, template, endpoint, colleagues).status_code == 404, (method, template)
            told = call(owner, method, template, endpoint, colleagues)
            assert (told.status_code < 300) != endpoint.in_the_way, (method, template)
            assert told.status_code != 404
    for listed, count in (("imports", 2), ("clients", 1)):
        assert program.get(f"{API}/{listed}").json()["items"] == []
        assert len(owner.get(f"{API}/{listed}").json()["items"]) == count
    assert program.get(f"{API}/search", params={"q": "reef"}).json()["clients"] == []
