"""A second factor is reset by a colleague (Admin settings > Staff), and browsers are remembered as the firm allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from handlers import refusals
from handlers.access import passwords, remembered
from portal_db.states import Role
from portal_db.tables import SecondFactor
from tests.web.desk import PASSWORD, Desk, Person
from tests.web.pages.account.codes import CODE, SET_UP, Phone, enrolled, password_given
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.reading import Page, Reader

AT, STAFF, OWN = "/admin/security", "/admin/staff", "/account/second-factor"


@pytest.fixture(autouse=True)
def _second_factors_are_given() -> None:
    """Here they are asked for."""


def reset_of(person: Person) -> str:
    return f"{STAFF}/{person.staff_id}/mfa"


def page_of(person: Person) -> str:
    return f"{STAFF}/{person.staff_id}"


def allow(visitor: Reader, *, remembering: bool) -> None:
    """The firm allows or forbids that browsers are remembered."""
    page = visitor.open(AT)
    given = {**page.form(f"{AT}/browsers"), "remember": "yes" if remembering else ""}
    assert "Saved." in keeps_the_rules(visitor.post(f"{AT}/browsers", given)).text


def signs_in(visitor: Reader, person: Person) -> Page:
    """Gives their password in this browser, whose session has ended."""
    if "session" in visitor.browser.cookies:
        visitor.browser.cookies.delete("session")
    return visitor.send(visitor.open("/sign-in"), "/sign-in", email=person.email, password=PASSWORD)


def test_an_owner_resets_a_colleagues_second_factor_and_never_their_own(desk: Desk) -> None:
    owner, member = desk.staff(Role.OWNER), desk.staff(Role.MANAGER)
    boss, _ = enrolled(desk, owner)
    colleague, phone = enrolled(desk, member)
    # Given the page on which an owner sees who has one
    page = keeps_the_rules(boss.open(page_of(member)))
    assert "Set up on" in page.text
    assert reset_of(owner) not in [form["action"] for form in boss.open(page_of(owner)).main.all("form")]
    # When they reset it, then their colleague is signed out, and sets up another one
    done = keeps_the_rules(boss.send(page, reset_of(member)))
    assert "multi-factor authentication is reset" in done.text
    assert colleague.open("/clients").path == "/sign-in"
    _, again = password_given(desk, member)
    assert (again.path, Phone.scanning(again).key == phone.key) == (SET_UP, False)
    # And it is on record, with the practice and who did it
    row = desk.world.scalar("SELECT actor_id FROM audit WHERE action = 'second_factor.reset'")
    assert row == owner.staff_id.hex
    # When they try with their own, or once more, then they are told why not
    token = {"csrf_token": page.form(reset_of(member))["csrf_token"]}
    assert refusals.OWN_SECOND_FACTOR.message in boss.post(reset_of(owner), token).text
    assert refusals.NO_SECOND_FACTOR.message in boss.post(reset_of(member), token).text


def test_no_manager_and_no_other_practice_resets_anything(desk: Desk) -> None:
    member = desk.staff(Role.PARTNER)
    enrolled(desk, member)
    for stranger in (desk.staff(Role.MANAGER), desk.other_practice()):
        visitor, _ = enrolled(desk, stranger)
        page = keeps_the_rules(visitor.open(page_of(member)))
        assert member.email not in page.text
        token = {"csrf_token": page.form("/sign-out")["csrf_token"]}
        assert visitor.post(reset_of(member), token).status in (403, 404)
    manager, _ = enrolled(desk, desk.staff(Role.MANAGER))
    token = {"csrf_token": manager.open(AT).form("/sign-out")["csrf_token"], "remember": "yes"}
    assert manager.post(f"{AT}/browsers", token).status == 403
    assert password_given(desk, member)[1].path == CODE


def test_an_account_admin_takes_no_second_factor_away_and_signs_no_owner_out(desk: Desk) -> None:
    owner, member = desk.staff(Role.OWNER), desk.staff(Role.MANAGER)
    boss, _ = enrolled(desk, owner)
    colleague, _ = enrolled(desk, member)
    deputy, _ = enrolled(desk, desk.staff(Role.ACCOUNT_ADMIN))
    # Given pages that offer them neither
    of_owner, of_member = keeps_the_rules(deputy.open(page_of(owner))), keeps_the_rules(deputy.open(page_of(member)))
    offered = [form["action"] for page in (of_owner, of_member) for form in page.main.all("form")]
    assert not {reset_of(owner), reset_of(member), f"{page_of(owner)}/sign-out"} & set(offered)
    # When they send the forms all the same, then they are told who may, and nothing has changed
    token = {"csrf_token": of_owner.form("/sign-out")["csrf_token"]}
    for person in (owner, member):
        refused = keeps_the_rules(deputy.post(reset_of(person), token))
        assert (refused.status, refusals.RESET_BY_OWNERS.message in refused.text) == (403, True)
    refused = deputy.post(f"{page_of(owner)}/sign-out", token)
    assert (refused.status, refusals.OWNERS_ONLY.message in refused.text) == (403, True)
    assert boss.open("/clients").path == colleague.open("/clients").path == "/clients"
    assert password_given(desk, owner)[1].path == password_given(desk, member)[1].path == CODE
    # And whoever is no owner they do sign out
    assert "signed out everywhere" in deputy.send(of_member, f"{page_of(member)}/sign-out").text
    assert colleague.open("/clients").path == "/sign-in"


def test_a_browser_is_remembered_for_thirty_days_if_the_firm_allows_it(desk: Desk) -> None:
    person = desk.staff(Role.OWNER)
    visitor, phone = enrolled(desk, person)
    # Given a firm that does not allow it, nobody is offered it, and a forged form is no use
    step = signs_in(visitor, person)
    assert "remember" not in step.form(CODE)
    visitor.send(step, CODE, code=phone.recovery[0], remember="yes")
    assert "remembered" not in visitor.browser.cookies
    # When the firm allows it and somebody ticks the box
    allow(visitor, remembering=True)
    step = keeps_the_rules(signs_in(visitor, person))
    visitor.send(step, CODE, code=phone.recovery[1], remember="yes")
    # Then this browser is not asked again, for this account, and others are
    assert signs_in(visitor, person).path == "/clients"
    assert password_given(desk, person)[1].path == CODE
    other = desk.staff()
    enrolled(desk, other)
    assert signs_in(visitor, other).path == CODE
    # When the firm forbids it again, then every browser is asked
    allow(enrolled(desk, desk.staff(Role.OWNER))[0], remembering=False)
    assert signs_in(visitor, person).path == CODE


@dataclass(frozen=True)
class Remembered:
    """Somebody whose browser is remembered."""

    desk: Desk
    person: Person
    visitor: Reader

    def cookie(self, *, seconds_more: int) -> None:
        ends, _, signature = self.visitor.browser.cookies["remembered"].partition(".")
        changed = f"{int(ends) + seconds_more}.{signature}"
        self.visitor.browser.cookies.set("remembered", changed, domain="127.0.0.1", path="/")


def forget(case: Remembered) -> None:
    page = case.visitor.open(OWN)
    assert "asked for a code" in keeps_the_rules(case.visitor.send(page, f"{OWN}/browsers")).text


def reset(case: Remembered) -> None:
    """Somebody resets their second factor, and they set up another."""
    boss, _ = enrolled(case.desk, case.desk.staff(Role.OWNER))
    boss.send(boss.open(page_of(case.person)), reset_of(case.person))
    enrolled(case.desk, case.person)


def set_password(case: Remembered) -> None:
    """It is even the same one."""
    passwords.set_password(case.desk.world.database, case.person.staff_id, case.person.practice_id, PASSWORD)


ENDS: dict[str, Callable[[Remembered], None]] = {
    "their browsers are forgotten": forget,
    "their second factor is reset": reset,
    "their password is new": set_password,
    "somebody makes the cookie last longer": lambda case: case.cookie(seconds_more=1),
}


@pytest.mark.parametrize("what", ENDS)
def test_a_remembered_browser_is_asked_again_once(desk: Desk, what: str) -> None:
    person = desk.staff()
    visitor, phone = enrolled(desk, person)
    allow(enrolled(desk, desk.staff(Role.ACCOUNT_ADMIN))[0], remembering=True)
    visitor.send(signs_in(visitor, person), CODE, code=phone.recovery[0], remember="yes")
    ENDS[what](Remembered(desk, person, visitor))
    assert signs_in(visitor, person).path == CODE


@pytest.mark.parametrize(("seconds", "is_remembered"), [(60, True), (-1, False)])
def test_a_browser_is_remembered_for_so_long(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, seconds: int, is_remembered: bool
) -> None:
    person = desk.staff()
    enrolled(desk, person)
    monkeypatch.setattr(remembered, "SECONDS", seconds)
    settings = desk.world.services.settings
    with desk.world.database.read() as tx:
        login_id = tx.session.scalars(select(SecondFactor.login_id)).one()
        cookie = remembered.remember(tx, settings, login_id)
        assert remembered.is_remembered(tx, settings, login_id, cookie) is is_remembered
        for nonsense in ("", "x", "1.", "9" * 5000, "²." + cookie.partition(".")[2]):
            assert not remembered.is_remembered(tx, settings, login_id, nonsense)


def test_an_owner_signs_a_member_out_everywhere(desk: Desk) -> None:
    owner, member = desk.staff(Role.OWNER), desk.staff(Role.MANAGER)
    boss, _ = enrolled(desk, owner)
    colleague, _ = enrolled(desk, member)
    other, _ = enrolled(desk, desk.other_practice())
    sign_out = f"{page_of(member)}/sign-out"
    # Given others, who may not
    for visitor, status in ((colleague, 403), (other, 404)):
        token = {"csrf_token": visitor.open("/clients").form("/sign-out")["csrf_token"]}
        assert visitor.post(sign_out, token).status == status
    assert colleague.open("/clients").path == "/clients"
    # When an owner does, then the member signs in anew, with the second factor that they have
    assert "signed out everywhere" in keeps_the_rules(boss.send(boss.open(page_of(member)), sign_out)).text
    assert colleague.open("/clients").path == "/sign-in"
    assert password_given(desk, member)[1].path == CODE
    assert boss.open("/clients").path == "/clients"
    assert desk.world.scalar("SELECT actor_id FROM audit WHERE action = 'staff.sign_out'") == owner.staff_id.hex
