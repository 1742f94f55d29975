"""Signing in and out by the pages, and setting a password by a link."""

from __future__ import annotations

import pytest

from handlers import refusals
from handlers.access import passwords
from handlers.access.password_rules import LONGEST
from tests.web.desk import PASSWORD, Desk
from tests.web.pages.reading import reader, stranger


def test_who_has_not_signed_in_signs_in_and_comes_to_the_page_they_asked_for(desk: Desk) -> None:
    person, visitor = desk.staff(), stranger(desk)
    asked = visitor.open("/clients", q="reef & co")
    assert (asked.path, asked.heading) == ("/sign-in", "Sign in")
    come = visitor.send(asked, "/sign-in", email=person.email, password=PASSWORD)
    assert (come.heading, come.form("/clients")["q"]) == ("Client list", "reef & co")


def test_a_wrong_password_is_told_and_the_email_is_still_there(desk: Desk) -> None:
    visitor, person = stranger(desk), desk.staff()
    again = visitor.send(visitor.open("/sign-in"), "/sign-in", email=person.email, password="wrong")
    assert (again.status, again.form("/sign-in")["email"]) == (401, person.email)
    assert refusals.BAD_CREDENTIALS.message in again.text
    assert "wrong" not in again.answer.text


def test_a_password_that_is_too_long_is_not_taken_for_its_beginning(desk: Desk) -> None:
    visitor, person, longest = stranger(desk), desk.staff(), (PASSWORD * 10)[:LONGEST]
    passwords.set_password(desk.world.database, person.staff_id, person.practice_id, longest)
    page = visitor.open("/sign-in")
    assert visitor.send(page, "/sign-in", email=person.email, password=longest + "s").status == 401
    assert visitor.send(page, "/sign-in", email=person.email, password=longest).path == "/clients"


@pytest.mark.parametrize("to", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "/\tx"])
def test_signing_in_leads_to_pages_of_ours_only(desk: Desk, to: str) -> None:
    visitor, person = stranger(desk), desk.staff()
    page = visitor.open("/sign-in", next=to)
    assert visitor.send(page, "/sign-in", email=person.email, password=PASSWORD).path == "/clients"
    assert visitor.open("/sign-in", next=to).path == "/clients"


def test_signing_in_begins_a_new_session_and_ends_the_old_one(desk: Desk) -> None:
    """A session id that a stranger planted is worth nothing (session fixation)."""
    person, visitor = desk.staff(), reader(desk, desk.staff())
    before = visitor.browser.cookies["session"]
    page = stranger(desk).open("/sign-in")
    visitor.browser.post("/sign-in", data={**page.form("/sign-in"), "email": person.email, "password": PASSWORD})
    assert visitor.browser.cookies["session"] != before
    thief = stranger(desk)
    thief.browser.cookies.set("session", before)
    assert thief.open("/clients").path == "/sign-in"


def test_signing_out_ends_the_session(desk: Desk) -> None:
    visitor = reader(desk, desk.staff())
    kept = visitor.browser.cookies["session"]
    out = visitor.send(visitor.open("/clients"), "/sign-out")
    assert (out.path, "You have signed out." in out.text) == ("/sign-in", True)
    visitor.browser.cookies.set("session", kept)
    assert visitor.open("/clients").path == "/sign-in"


def test_a_strangers_page_signs_nobody_in_or_out(desk: Desk) -> None:
    person, visitor = desk.staff(), reader(desk, desk.staff())
    away = {"Origin": "https://evil.example"}
    given = {"email": person.email, "password": PASSWORD}
    assert desk.browser().post("/sign-in", data=given, headers=away).status_code == 403
    token = visitor.open("/clients").form("/sign-out")
    assert visitor.browser.post("/sign-out", data=token, headers=away).status_code == 403
    for wrong in ({}, {"csrf_token": ""}, {"csrf_token": "0" * 64}, {"csrf_token": "é"}):
        refused = visitor.post("/sign-out", wrong)
        assert (refused.status, refused.heading) == (403, "You don't have access to this")
    assert visitor.open("/clients").path == "/clients"


def test_a_link_sets_a_password_once(desk: Desk) -> None:
    person, visitor = desk.staff(), stranger(desk)
    settings = desk.world.services.settings
    link = passwords.issue_link(desk.world.database, settings, person.staff_id, person.practice_id)
    token, new = link.partition("#")[2], "another few quiet words"
    page = visitor.open("/set-password")
    differs = visitor.send(page, "/set-password", token=token, password=new, password_again="other")
    assert differs.faults().keys() == {"password_again"}
    assert differs.form("/set-password") == {"token": token, "password": "", "password_again": ""}
    short = visitor.send(differs, "/set-password", password="short", password_again="short")
    assert short.faults().keys() == {"password"}
    done = visitor.send(short, "/set-password", password=new, password_again=new)
    assert (done.path, "Your password is set." in done.text) == ("/sign-in", True)
    assert visitor.send(done, "/sign-in", email=person.email, password=new).path == "/clients"
    again = stranger(desk).send(page, "/set-password", token=token, password=new, password_again=new)
    assert again.faults().keys() == {"token"}
