"""A forgotten password by the pages, and changing one's own."""

from __future__ import annotations

import threading

import pytest

from handlers.access import password_reset
from tests.web.desk import API, PASSWORD, Desk
from tests.web.http.test_sessions import sign_in
from tests.web.pages.reading import Page, Reader, reader, stranger

NEW = "another few quiet words"


def ask(desk: Desk, email: str) -> Page:
    visitor = stranger(desk)
    return visitor.send(visitor.open("/forgotten-password"), "/forgotten-password", email=email)


def change(visitor: Reader, old: str = PASSWORD, new: str = NEW, again: str = "") -> Page:
    page = visitor.open("/account/password")
    return visitor.send(page, "/account/password", old_password=old, password=new, password_again=again or new)


def test_the_answer_is_the_same_for_every_address(desk: Desk) -> None:
    person = desk.staff()
    known, unknown = ask(desk, person.email.upper()), ask(desk, "nobody@practice.example")
    assert (known.path, known.heading) == ("/sign-in", "Sign in")
    assert "a link to set a new password is on its way" in known.text
    assert known.answer.text == unknown.answer.text
    answers = [
        desk.browser().post(f"{API}/password-reset", json={"email": email}) for email in (person.email, "no address")
    ]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"null")] * 2
    desk.world.run_due()
    assert {found.recipient for found in desk.world.mail.deliveries()} == {person.email}


def test_the_answer_is_given_before_anybody_looks_who_has_the_address(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So its time says no more than its words."""
    answered, looked = threading.Event(), threading.Event()

    def look(*_: object) -> None:
        assert answered.wait(20)
        looked.set()

    monkeypatch.setattr(password_reset, "request", look)
    assert ask(desk, desk.staff().email).path == "/sign-in"
    answered.set()
    assert looked.wait(20)


def test_requests_are_limited_for_each_address_alike(desk: Desk) -> None:
    for email in (desk.staff().email, "nobody@practice.example"):
        codes = [desk.browser().post(f"{API}/password-reset", json={"email": email}).status_code for _ in range(4)]
        assert codes == [202, 202, 202, 429]
    refused = ask(desk, "nobody@practice.example")
    assert (refused.status, refused.form("/forgotten-password")["email"]) == (429, "nobody@practice.example")


def test_a_password_is_changed_by_who_knows_the_old_one_and_the_others_are_signed_out(any_desk: Desk) -> None:
    person = any_desk.staff()
    visitor, other = reader(any_desk, person), any_desk.signed_in(person)
    assert change(visitor, old="not the password").faults().keys() == {"old_password"}
    assert change(visitor, new=PASSWORD).faults().keys() == {"password"}
    assert change(visitor, new="aaaaaaaaaaaa").faults().keys() == {"password"}
    assert change(visitor, again="different words here").faults().keys() == {"password_again"}
    assert other.get(f"{API}/session").status_code == 200
    done = change(visitor)
    assert "Your password is changed." in done.text
    assert other.get(f"{API}/session").status_code == 401
    assert visitor.open("/clients").path == "/clients"
    assert sign_in(any_desk.browser(), person.email).status_code == 401
    assert sign_in(any_desk.browser(), person.email, NEW).status_code == 201


def test_who_found_an_open_browser_cannot_try_passwords_for_ever(desk: Desk) -> None:
    visitor = reader(desk, desk.staff())
    codes = [change(visitor, old=f"wrong {number}").status for number in range(11)]
    assert codes[-1] == 429
    assert "wait" in change(visitor).text.casefold()
