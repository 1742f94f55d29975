"""Step-up: acts that give lasting power ask for the second factor or the password again, unless it was given recently.

The tables name each such act. An endpoint that is about such things and is in none of them fails the first test; one that is
in them and does not ask fails the third.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from handlers import refusals
from handlers.access import confirmation, passwords, sessions
from handlers.access.caller import Scope
from handlers.access.confirmation import SECONDS
from handlers.access.origin import Origin
from handlers.access.passkeys import Site
from handlers.access.practices import add_practice
from handlers.access.sessions import Session
from handlers.errors import RequestRefused
from portal_db.states import Role
from tests.web.desk import API, PASSWORD, Desk, Person
from tests.web.pages.account.codes import CODE, enrolled
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.reading import Page, reader
from web import api, pages
from web.http.identity import confirmed_keeper, confirmed_reader
from web.pages.frame.forms import confirmed, confirmed_by_importer, confirmed_by_manager, confirmed_own
from web.pages.frame.visitor import confirmed_manager, confirmed_visitor

NOBODY = str(uuid4())
#: The acts of the API, and what each is given; those of the pages.
CALLS: dict[tuple[str, str], dict[str, Any] | None] = {
    ("POST", "/api-keys"): {"name": "new", "scopes": ["read"]},
    ("POST", "/api-keys/{key_id}/rotation"): None,
    ("POST", "/webhooks"): {"url": "https://hooks.example/portal"},
    ("POST", "/webhooks/{webhook_id}/rotation"): None,
    ("POST", "/webhooks/{webhook_id}/test"): None,
    ("DELETE", "/webhooks/{webhook_id}"): None,
    ("POST", "/integrations/xpm/reassign"): {"connection_id": NOBODY, "to_staff_id": NOBODY},
    ("GET", "/batches/{batch_id}/result"): None,
}
FORMS = {
    "/account/second-factor/set-up",
    "/account/second-factor/recovery-codes",
    "/account/second-factor/off",
    "/account/second-factor/browsers",
    "/account/passkeys",
    "/account/passkeys/options",
    "/account/passkeys/{passkey_id}/remove",
    "/account/sessions/others/end",
    "/account/sessions/{session_id}/end",
    "/admin/security/mfa",
    "/admin/security/browsers",
    "/admin/staff/invite",
    "/admin/staff/{staff_id}/invitation",
    "/admin/staff/{staff_id}/role",
    "/admin/staff/{staff_id}/mfa",
    "/admin/staff/{staff_id}/sign-out",
    "/admin/staff/{staff_id}/deactivate",
    "/admin/staff/connections/{connection_id}/hand-over",
    "/admin/api-keys/new",
    "/admin/api-keys/{key_id}/rotation",
    "/admin/webhooks/new",
    "/admin/webhooks/{webhook_id}/rotation",
    "/admin/webhooks/{webhook_id}/test",
    "/admin/webhooks/{webhook_id}/disabling",
    "/admin/webhooks/{webhook_id}/removal",
    "/clients/{client_id}/assignees",
    "/clients/{client_id}/second-factor/reset",
    "/clients/{client_id}/team/{member_id}/second-factor/reset",
}
#: Files, and acts of a form that does others too; they ask within, and lead back to the page with the link or the form.
FILES = {"/admin/audit.csv": "/admin/audit", "/batches/{batch_id}/result.csv": f"/batches/{NOBODY}"} | {
    f"/clients/export.{form}": "/clients" for form in ("csv", "xlsx")
}
CHOSEN = "/clients/chosen"
CHOSEN_ACTS = ("assign", "unassign", "csv", "xlsx")
#: Pages that ask before they are shown, so that nothing that is typed there is lost.
SHOWN = {
    "/account/second-factor",
    "/admin/staff/invite",
    "/admin/staff/{staff_id}/deactivate",
    "/admin/api-keys/new",
    "/admin/webhooks/new",
}
#: What such endpoints are about, by a part of their path: sign-ins, programs, who has which client, and files.
ABOUT = re.compile(
    r"/(account|api-keys|webhooks|security|staff|second-factor|assignees|chosen|reassign|hand-over)(/|$)"
    r"|/(export|result|session)\b|\.csv$"
)
#: Those among them that do not ask, and why.
UNASKED = {
    "/api-keys/{key_id}": "ends a key, at once",
    "/admin/api-keys/{key_id}/revocation": "ends a key, at once",
    "/session": "begins and ends one's own session",
    "/session/confirmation": "is the confirmation",
    "/account/password": "asks for the password itself",
    "/batches/template.csv": "holds nobody's data",
}
OWN = "/account/second-factor"
ANOTHER = "another few quiet words"
ASKING = (
    confirmed_reader,
    confirmed_keeper,
    confirmed,
    confirmed_by_importer,
    confirmed_by_manager,
    confirmed_own,
    confirmed_visitor,
    confirmed_manager,
)


@pytest.fixture(autouse=True)
def _second_factors_are_given() -> None:
    """Here they are asked for."""


def at(template: str) -> str:
    return re.sub(r"\{\w+\}", NOBODY, template)


def routes(routers: Iterable[APIRouter]) -> Iterator[APIRoute]:
    return (route for router in routers for route in router.routes if isinstance(route, APIRoute))


def api_routers() -> list[APIRouter]:
    return [part.router for part in vars(api).values() if isinstance(part, ModuleType) and hasattr(part, "router")]


def asking(routers: Iterable[APIRouter]) -> dict[str, set[str]]:
    """The paths that ask, by method."""
    found: dict[str, set[str]] = {}
    for route in routes(routers):
        if asks(route.dependant):
            for method in route.methods or ():
                found.setdefault(method, set()).add(route.path)
    return found


def asks(dependant: Dependant) -> bool:
    is_asking = dependant.call in ASKING
    return is_asking or any(map(asks, dependant.dependencies))


def test_the_tables_name_every_act_that_asks() -> None:
    named: dict[str, set[str]] = {}
    for method, path in CALLS:
        named.setdefault(method, set()).add(path)
    assert asking(api_routers()) == named
    assert asking(part.router for part in pages.PARTS) == {"POST": FORMS, "GET": SHOWN}


def test_no_act_and_no_file_of_their_kind_is_forgotten() -> None:
    """An endpoint is about such things by its path; it is in a table, or it is said why it does not ask."""
    named = {path for _, path in CALLS} | FORMS | SHOWN | set(FILES) | {CHOSEN, "/clients/export.{form}"}
    found = {
        route.path
        for route in routes([*api_routers(), *(part.router for part in pages.PARTS)])
        if ABOUT.search(route.path) and (route.methods != {"GET"} or is_file(route.path))
    }
    assert found - named == set(UNASKED)


def is_file(path: str) -> bool:
    return path.endswith((".csv", ".{form}", "/result"))


def lax_owner(desk: Desk) -> Person:
    """An owner of a practice of their own, which mandates no second factor."""
    practice_id = add_practice(desk.world.database, "Lax", time_zone="Australia/Sydney", mfa_mandatory=False)
    return desk.staff(Role.OWNER, practice_id=practice_id)


def test_after_ten_minutes_each_act_asks_for_a_code_and_goes_on_with_it(desk: Desk) -> None:
    person = desk.staff(Role.OWNER)
    visitor, phone = enrolled(desk, person)
    csrf = {"csrf_token": visitor.open("/clients").form("/sign-out")["csrf_token"]}
    visitor.browser.headers["X-CSRF-Token"] = csrf["csrf_token"]
    desk.world.pass_time(SECONDS + 1)
    # Given a session that was confirmed long ago, nothing that gives lasting power is done
    before = desk.world.scalar("SELECT count(*) FROM audit")
    for (method, template), body in CALLS.items():
        refused = visitor.browser.request(method, f"{API}{at(template)}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "confirmation_needed"), template
    for template in FORMS:
        assert visitor.post(at(template), csrf).path == "/confirm", template
    for template, leads_to in FILES.items():
        assert leads_back_to(visitor.open(at(template))) == f"{leads_to}?said=confirmed-export", template
    for act in CHOSEN_ACTS:
        asked = visitor.post(CHOSEN, {**csrf, "act": act, "client": NOBODY, "colleague": NOBODY})
        assert leads_back_to(asked).startswith("/clients?said=confirmed-"), act
    assert desk.world.scalar("SELECT count(*) FROM audit") == before
    # Nor does an API key of one's own in a header stand for it at the pages
    headers = {"Authorization": f"Bearer {desk.key_of(person)}", "X-Staff-Id": str(person.staff_id)}
    assert visitor.browser.post(f"{OWN}/recovery-codes", data=csrf, headers=headers).url.path == "/confirm"
    # When they give a wrong code, they are told; with a right one they come back to the page, and what they do is done
    page = keeps_the_rules(visitor.open(OWN))
    assert (page.path, page.heading) == ("/confirm", "Confirm that it's you")
    wrong = keeps_the_rules(visitor.send(page, "/confirm", given=phone.wrong()))
    assert (wrong.status, refusals.BAD_CODE.message in wrong.text) == (401, True)
    back = visitor.send(wrong, "/confirm", given=phone.code(later=1))
    assert back.path == OWN
    assert visitor.send(back, f"{OWN}/recovery-codes").path == f"{OWN}/recovery-codes"
    for (method, template), body in CALLS.items():
        done = visitor.browser.request(method, f"{API}{at(template)}", json=body)
        assert done.status_code in (201, 404), template
    assert visitor.open("/admin/audit.csv").text.startswith('"When"')


def test_who_confirmed_is_told_to_do_the_act_again_on_the_page_it_is_on(desk: Desk) -> None:
    visitor = reader(desk, lax_owner(desk))
    csrf = {"csrf_token": visitor.open("/clients").form("/sign-out")["csrf_token"]}
    desk.world.pass_time(SECONDS + 1)
    # Given forms of such acts, each on a page with a query
    leads_to = []
    for template in FORMS:
        headers = {"Referer": f"{desk.url}{at(template)}?q=reef&said=saved"}
        asked = Page.of(visitor.browser.post(at(template), data=csrf, headers=headers))
        leads_to.append(leads_back_to(asked))
    # When they confirm, then the page says that nothing is done yet, and is as it was
    visitor.send(asked, "/confirm", given=PASSWORD)
    for address in leads_to:
        back = visitor.open(address)
        assert ("Do it again" in back.text, back.answer.url.params["q"]) == (True, "reef"), address
    # So it is where a page asked before it was shown: that one keeps its query
    desk.world.pass_time(SECONDS + 1)
    assert leads_back_to(visitor.open("/admin/api-keys/new", q="reef")) == "/admin/api-keys/new?q=reef"


def leads_back_to(page: Page) -> str:
    assert page.path == "/confirm"
    return page.form("/confirm")["next"]


def test_who_has_no_second_factor_confirms_with_their_password(desk: Desk) -> None:
    person = lax_owner(desk)
    visitor = reader(desk, person)
    # A session that just began with the password is confirmed
    assert visitor.open(OWN).path == OWN
    desk.world.pass_time(SECONDS + 1)
    page = keeps_the_rules(visitor.open(OWN))
    assert visitor.send(page, "/confirm", given="not the password").status == 422
    assert visitor.send(page, "/confirm", given=PASSWORD, next="https://evil.example").path == "/clients"
    assert visitor.open(OWN).path == OWN


def test_programs_with_a_session_confirm_and_those_with_a_key_are_not_asked(desk: Desk) -> None:
    person = lax_owner(desk)
    browser, program = desk.signed_in(person), desk.program(person)
    desk.world.pass_time(SECONDS + 1)
    new = {"name": "new", "scopes": ["read"]}
    assert browser.post(f"{API}/api-keys", json=new).status_code == 403
    wrong = browser.post(f"{API}/session/confirmation", json={"given": "not the password"})
    assert wrong.json()["code"] == "wrong_password"
    assert browser.post(f"{API}/session/confirmation", json={"given": PASSWORD}).status_code == 204
    assert browser.post(f"{API}/api-keys", json=new).status_code == 201
    assert program.post(f"{API}/api-keys", json=new).status_code == 201


@pytest.mark.parametrize("is_own", [True, False], ids=["the owner's", "somebody else's"])
def test_no_key_and_a_password_confirm_or_end_the_session_of_a_cookie(desk: Desk, is_own: bool) -> None:
    # Given a session that was confirmed long ago, and a key
    person, other = lax_owner(desk), lax_owner(desk)
    passwords.set_password(desk.world.database, other.staff_id, other.practice_id, ANOTHER)
    who, password = (person, PASSWORD) if is_own else (other, ANOTHER)
    browser = desk.signed_in(person)
    headers = {"Authorization": f"Bearer {desk.key_of(who, Scope.READ)}", "X-Staff-Id": str(who.staff_id)}
    desk.world.pass_time(SECONDS + 1)
    # When the key and the password of whom it acts for come with the session's cookie
    given = browser.post(f"{API}/session/confirmation", json={"given": password}, headers=headers)
    ended = browser.delete(f"{API}/session", headers=headers)
    # Then both are refused, and the session goes on unconfirmed
    assert {(answer.status_code, answer.json()["code"]) for answer in (given, ended)} == {(401, "not_signed_in")}
    refused = browser.post(f"{API}/api-keys", json={"name": "new", "scopes": ["read"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "confirmation_needed")


def test_a_key_uses_up_nobodys_tries_of_a_code(desk: Desk) -> None:
    # Given an owner with a second factor
    person = desk.staff(Role.OWNER)
    visitor, phone = enrolled(desk, person)
    # When a program that acts for them gives more wrong codes than an account takes
    program = desk.program(person, Scope.READ)
    wrong, cookie = {"given": phone.wrong()}, {"Cookie": "session=made-up"}
    answers = {program.post(f"{API}/session/confirmation", json=wrong, headers=cookie).status_code for _ in range(6)}
    assert answers == {401}
    # Then their own code is accepted
    page = visitor.open("/confirm")
    assert visitor.send(page, "/confirm", given=phone.code(later=1)).path == "/clients"


def test_what_proves_one_person_confirms_no_session_of_another(desk: Desk) -> None:
    person, other, database = lax_owner(desk), lax_owner(desk), desk.world.database
    portal, origin = desk.app.state.portal, Origin("192.0.2.1")
    own, others = (Session(desk.signed_in(who).cookies["session"]) for who in (person, other))
    caller = sessions.recognise(database, own)
    assert caller is not None
    desk.world.pass_time(SECONDS + 1)
    site = Site("portal.example", "https://portal.example")
    with pytest.raises(RequestRefused, match=refusals.NOT_SIGNED_IN.message):
        confirmation.confirm(database, portal.settings, portal.tries, caller, others, PASSWORD, origin=origin)
    with pytest.raises(RequestRefused, match=refusals.NOT_SIGNED_IN.message):
        confirmation.confirm_by_passkey(database, site, caller, others, "{}", origin=origin)
    with pytest.raises(RequestRefused, match=refusals.CONFIRMATION_NEEDED.message):
        confirmation.require(database, others)


def test_a_remembered_browser_is_asked_before_the_first_act(desk: Desk) -> None:
    person = desk.staff(Role.OWNER)
    visitor, phone = enrolled(desk, person)
    visitor.post(
        "/admin/security/browsers",
        {**visitor.open("/admin/security").form("/admin/security/browsers"), "remember": "yes"},
    )
    visitor.browser.cookies.delete("session")
    page = visitor.send(visitor.open("/sign-in"), "/sign-in", email=person.email, password=PASSWORD)
    visitor.send(page, CODE, code=phone.recovery[0], remember="yes")
    visitor.browser.cookies.delete("session")
    page = visitor.send(visitor.open("/sign-in"), "/sign-in", email=person.email, password=PASSWORD)
    assert page.path == "/clients"
    assert visitor.open(OWN).path == "/confirm"
