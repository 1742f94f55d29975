"""Operators sign in with a password and a second factor; nobody else does, and the portal serves nothing of the console."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from config.settings import SettingsError
from handlers.access import operators
from portal_db.states import OperatorRole, Role
from portal_db.tables import OperatorSession
from portal_db.types import db_now
from tests.web.console.desk import OpsDesk, post, set_up
from tests.web.desk import PASSWORD
from tests.web.desk import Desk as PortalDesk
from tests.web.http.test_under_attack import lock
from tests.web.pages.reading import Page
from web.console.console import Console


def test_an_operator_sets_a_second_factor_up_and_signs_in_with_it(ops_desk: OpsDesk) -> None:
    _, email = ops_desk.operator(OperatorRole.WATCHER)
    reader, phone = set_up(ops_desk.browser(), email)
    assert "Olu Ops" in reader.open("/").text
    # Another browser: the password alone leads nowhere
    other = ops_desk.browser()
    page = other.send(other.open("/sign-in"), "/sign-in", email=email, password=PASSWORD)
    assert page.path == "/sign-in/code"
    assert other.open("/dead").path == "/sign-in"
    page = other.send(page, "/sign-in/code", code=phone.wrong())
    assert "isn't right" in page.text
    page = other.send(page, "/sign-in/code", code=phone.code(later=1))
    assert page.path == "/", page.text
    # A recovery code works as well, once
    third = ops_desk.browser()
    page = third.send(third.open("/sign-in"), "/sign-in", email=email, password=PASSWORD)
    assert third.send(page, "/sign-in/code", code=phone.recovery[0]).path == "/"


def test_wrong_passwords_and_strangers_stay_out(ops_desk: OpsDesk) -> None:
    operator_id, email = ops_desk.operator(OperatorRole.ADMIN)
    reader = ops_desk.browser()
    page = reader.send(reader.open("/sign-in"), "/sign-in", email=email, password="not this one at all")
    assert "Incorrect email or password" in page.text
    page = reader.send(page, "/sign-in", email="nobody@else.example", password=PASSWORD)
    assert "Incorrect email or password" in page.text
    # Nor does somebody who has left, whose session ends with it
    signed_in, _ = set_up(ops_desk.browser(), email)
    operators.leave(ops_desk.world.database, operator_id)
    assert signed_in.open("/").path == "/sign-in"
    page = reader.send(page, "/sign-in", email=email, password=PASSWORD)
    assert "Incorrect email or password" in page.text


def test_nobody_at_the_portal_locks_an_operator_out(desk: PortalDesk, ops_desk: OpsDesk) -> None:
    _, email = ops_desk.operator(OperatorRole.OPERATOR)
    lock(desk, email)
    assert set_up(ops_desk.browser(), email)[0].open("/").path == "/"
    # Tries at the console itself close it
    reader = ops_desk.browser()
    page = reader.open("/sign-in")
    for _ in range(11):
        page = reader.send(page, "/sign-in", email=email, password="not this one at all")
    assert "There were too many tries" in page.text


def test_a_session_ends_when_idle_and_at_sign_out(ops_desk: OpsDesk) -> None:
    reader = ops_desk.signed_in()
    page = reader.open("/")
    assert reader.send(page, "/sign-out").path == "/sign-in"
    assert reader.open("/").path == "/sign-in"
    other = ops_desk.signed_in(name="Bo")
    assert other.open("/").path == "/"
    with ops_desk.world.database.write() as tx:
        tx.session.execute(update(OperatorSession).values(idle_until=db_now()))
    assert other.open("/audit").path == "/sign-in"


def test_a_form_needs_the_sessions_token_and_our_own_page(ops_desk: OpsDesk) -> None:
    reader = ops_desk.signed_in(OperatorRole.ADMIN)
    assert reader.browser.post("/pauses/everything", data={"reason": "x"}).status_code == 403
    page = Page.of(reader.browser.get("/"))
    token = page.form("/sign-out")["csrf_token"]
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = reader.browser.post("/sign-out", data={"csrf_token": token}, headers=headers)
        assert answer.status_code == 403
    assert post(reader, "/sign-out").status_code == 303


def test_cookies_are_strict_and_pages_have_the_portals_policy(ops_desk: OpsDesk) -> None:
    reader = ops_desk.signed_in()
    answer = reader.browser.get("/")
    assert answer.headers["content-security-policy"].startswith(
        "default-src 'none'; object-src 'none'; script-src 'self'"
    )
    assert answer.headers["x-frame-options"] == "DENY"
    assert {cookie.name for cookie in reader.browser.cookies.jar} == {"operator_session"}
    cookie = next(iter(reader.browser.cookies.jar))
    assert str(cookie.get_nonstandard_attr("SameSite")).lower() == "strict"
    assert cookie.has_nonstandard_attr("HttpOnly")


def test_the_portal_serves_nothing_of_the_console_and_its_people_stay_out(desk: PortalDesk, ops_desk: OpsDesk) -> None:
    staff = desk.staff(Role.OWNER)
    at_portal = desk.browser(headers={"Accept": "text/html"})
    for path in ("/dead", "/inbox", "/audit", "/system", "/jobs"):
        assert at_portal.get(path).status_code == 404
    reader = ops_desk.browser()
    page = reader.send(reader.open("/sign-in"), "/sign-in", email=staff.email, password=PASSWORD)
    assert "Incorrect email or password" in page.text
    for path in ("/clients", "/api/v1/imports"):
        assert reader.browser.get(path).status_code == 404


def test_the_console_refuses_an_address_that_others_can_listen_to(ops_desk: OpsDesk) -> None:
    console: Console = ops_desk.app.state.portal
    settings = console.settings.model_copy(update={"ops_url": "http://ops.example"})
    services = type(console.services)(**{**vars(console.services), "settings": settings})
    with pytest.raises(SettingsError):
        Console(services, console.bell, console.tries, console.uses, console.streams, None).require_safe_address()
