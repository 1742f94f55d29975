"""A client's own account: a forgotten password, sessions, the sign-in log, and the second factor where it is mandatory."""

from __future__ import annotations

import re

import pytest

from handlers.access import password_reset, passwords
from handlers.access.origin import Origin
from portal_db.states import Role
from tests.letters import body, letters
from tests.making import Account, co_owner
from tests.web.desk import API, PASSWORD, Desk
from tests.web.pages.account.codes import CODE, SET_UP, Phone, enrolled, recovery_codes
from tests.web.pages.client_side.given import HOME, client_reader, signing_in
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.reading import stranger

NEW = "another few quiet words"
HERE = Origin("192.0.2.1")


@pytest.fixture
def no_second_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password suffices."""
    monkeypatch.setattr("handlers.access.mfa.next_step", lambda tx, found: None)  # noqa: ARG005


@pytest.fixture(autouse=True)
def _second_factors_are_given() -> None:
    """Here they are asked for, except where a test has `no_second_factor`."""


def reset_token(desk: Desk, account: Account) -> str | None:
    """The link that a client gets who asks for one."""
    before = len(desk.world.mail.deliveries())
    password_reset.request(desk.world.database, desk.world.bell, account.email, HERE)
    desk.world.run_due()
    for letter in letters(desk.world)[before:]:
        found = re.search(r"/set-password#(\S+)", body(letter))
        if found is not None:
            return found[1]
    return None


@pytest.mark.usefixtures("no_second_factor")
def test_a_client_sets_a_forgotten_password_and_is_signed_out_everywhere(desk: Desk) -> None:
    account, owner = desk.client(desk.partner), desk.staff(Role.OWNER)
    assert reset_token(desk, desk.client(desk.partner, is_active=False)) is None
    before, visitor = client_reader(desk, account), stranger(desk)
    token = reset_token(desk, account)
    assert token is not None
    page = visitor.open("/set-password")
    personal = visitor.send(
        page, "/set-password", token=token, password="GwenMitchell!", password_again="GwenMitchell!"
    )
    assert set(personal.faults()) == {"password"}
    done = visitor.send(personal, "/set-password", password=NEW, password_again=NEW)
    assert visitor.send(done, "/sign-in", email=account.email, password=NEW).path == HOME
    assert before.open(HOME).path == "/sign-in"
    # It is in the practice's sign-in log, with their name
    found = desk.program(owner).get(f"{API}/sign-ins").json()["items"]
    events = [each["event"] for each in found if each["name"] == "Gwen Mitchell"]
    assert events[:3] == ["signed_in", "password_set_by_link", "reset_requested"]


@pytest.mark.usefixtures("no_second_factor")
def test_a_client_changes_their_password_and_ends_their_other_sessions_and_nobody_elses(any_desk: Desk) -> None:
    desk = any_desk
    account, neighbour = desk.client(desk.partner), desk.client(desk.partner, "Bo Zhang")
    here, there, other = (client_reader(desk, each) for each in (account, account, neighbour))
    shown = keeps_the_rules(here.open("/account/sessions"))
    assert len(list(shown.main.all("tr"))) == 3
    assert "others/end" in str([form["action"] for form in shown.main.all("form")])
    here.send(shown, "/account/sessions/others/end")
    assert [each.open(HOME).path for each in (here, there, other)] == [HOME, "/sign-in", HOME]
    page = keeps_the_rules(here.open("/account/password"))
    changed = here.send(page, "/account/password", old_password=PASSWORD, password=NEW, password_again=NEW)
    assert "Your password is changed." in changed.text
    assert here.send(here.open(HOME), "/sign-out").path == "/sign-in"
    assert here.open(HOME).path == "/sign-in"


def test_where_it_is_mandatory_a_client_sets_a_second_factor_up_and_an_owner_resets_it(desk: Desk) -> None:
    account = desk.client(desk.partner)
    client, page = signing_in(desk, account)
    assert keeps_the_rules(page).path == SET_UP
    assert client.open(HOME).path == "/sign-in"
    phone = Phone.scanning(page)
    shown = client.send(page, SET_UP, code=phone.code())
    phone.recovery = recovery_codes(shown)
    assert client.open(shown.links()["I have saved them"]).path == HOME
    # Then a code, or a recovery code, is asked for
    again, page = signing_in(desk, account)
    assert (page.path, again.send(page, CODE, code=phone.wrong()).status) == (CODE, 401)
    assert again.send(page, CODE, code=phone.recovery[0]).path == HOME
    assert keeps_the_rules(again.open("/account/second-factor")).heading == "Multi-factor authentication"
    # When they lose both, then an owner resets it and a partner may not
    at = f"/clients/{account.client_id}"
    partner, _ = enrolled(desk, desk.staff(Role.PARTNER))
    owner, _ = enrolled(desk, desk.staff(Role.OWNER))
    token = partner.open("/clients").form("/sign-out")
    assert partner.post(f"{at}/second-factor/reset", token).status == 403
    done = keeps_the_rules(owner.send(owner.open(at), f"{at}/second-factor/reset"))
    assert "multi-factor authentication is reset" in done.text
    assert client.open(HOME).path == "/sign-in"
    assert signing_in(desk, account)[1].path == SET_UP


def test_a_co_owner_has_a_second_factor_of_their_own_and_an_owner_resets_it(desk: Desk) -> None:
    account, other = desk.client(desk.partner), desk.client(desk.partner, "Ida Moss")
    member_id, bo = co_owner(desk.world.database, account, password_hash=passwords.hash_of(PASSWORD))
    co_owner_at, page = signing_in(desk, bo)
    shown = co_owner_at.send(page, SET_UP, code=Phone.scanning(page).code())
    assert co_owner_at.open(shown.links()["I have saved them"]).path == HOME
    # Given an owner, who sees that it is the co-owner's, and a partner, who may not reset it
    at = f"/clients/{account.client_id}"
    reset = f"{at}/team/{member_id}/second-factor/reset"
    partner, _ = enrolled(desk, desk.staff(Role.PARTNER))
    owner, _ = enrolled(desk, desk.staff(Role.OWNER))
    assert partner.post(reset, partner.open("/clients").form("/sign-out")).status == 403
    page = keeps_the_rules(owner.open(at))
    actions = {form["action"] for form in page.main.all("form")}
    assert (reset in actions, f"{at}/second-factor/reset" in actions) == (True, False)
    # At another client there is nobody to reset it for
    token = page.form("/sign-out")
    assert owner.post(f"/clients/{other.client_id}/team/{member_id}/second-factor/reset", token).status == 404
    assert co_owner_at.open(HOME).path == HOME
    # When it is reset, they are signed out and set up another one
    assert "multi-factor authentication is reset" in keeps_the_rules(owner.send(page, reset)).text
    assert co_owner_at.open(HOME).path == "/sign-in"
    assert signing_in(desk, bo)[1].path == SET_UP
