"""The second factor: set up where the firm mandates it, asked for after the password, and a member's own."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from handlers import refusals
from handlers.access import passwords
from handlers.access.confirmation import SECONDS
from handlers.access.practices import add_practice
from handlers.access.second_factor import MOST_TRIES, RECOVERY_CODES, TRY_SECONDS
from handlers.operations.rotate_keys import rotate
from portal_db.states import Role
from portal_db.tables import RecoveryCode, SecondFactor
from tests.web.desk import API, PASSWORD, Desk, Person
from tests.web.pages.account.codes import CODE, SET_UP, Phone, enrolled, password_given, recovery_codes
from tests.web.pages.frame.test_frame import every_page, keeps_the_rules
from tests.web.pages.reading import Page, reader, stranger
from tests.web.test_access import TABLE, call, nothing

OWN = "/account/second-factor"


@pytest.fixture(autouse=True)
def _second_factors_are_given() -> None:
    """Here they are asked for."""


def at_lax_practice(desk: Desk) -> Person:
    """Somebody whose practice does not mandate a second factor."""
    practice_id = add_practice(desk.world.database, "Lax", time_zone="Australia/Sydney", mfa_mandatory=False)
    return desk.staff(Role.OWNER, practice_id=practice_id)


def session(desk: Desk, person: Person, **more: str) -> tuple[int, str | None]:
    """What the API says to a sign-in."""
    given = {"email": person.email, "password": PASSWORD, **more}
    answer = desk.browser().post(f"{API}/session", json=given)
    return answer.status_code, answer.json().get("code")


def test_a_mandated_member_sets_an_app_up_before_anything_else_and_is_asked_for_a_code_from_then_on(desk: Desk) -> None:
    person = desk.staff()
    # When somebody without a second factor gives their password and asked for a page
    visitor = stranger(desk)
    asked = visitor.open("/clients", q="reef")
    page = keeps_the_rules(visitor.send(asked, "/sign-in", email=person.email, password=PASSWORD))
    # Then they get a QR code, and the key for who cannot scan it
    assert page.path == SET_UP
    qr_code = next(item for item in page.main.all("svg") if item["class"] == "qr")
    assert re.fullmatch(r"0 0 (\d+) \1", qr_code["viewbox"])  # all of it is shown, whatever its size on the page
    phone = Phone.scanning(page)
    assert re.fullmatch(r"[A-Z2-7]{32}", phone.key)
    # When they type a wrong code, the same QR code is still there
    again = keeps_the_rules(visitor.send(page, SET_UP, code=phone.wrong()))
    assert (again.status, set(again.faults()), Phone.scanning(again).key) == (401, {"code"}, phone.key)
    # When they type the right one, then they see recovery codes once, and come to their page
    done = keeps_the_rules(visitor.send(again, SET_UP, code=phone.code()))
    assert len(set(recovery_codes(done))) == RECOVERY_CODES
    assert visitor.open(done.links()["I have saved them"]).form("/clients")["q"] == "reef"
    assert visitor.open(OWN).text.count(recovery_codes(done)[0]) == 0
    # When they sign in another time, then they are asked for a code
    later, step = password_given(desk, person)
    assert keeps_the_rules(step).path == CODE
    assert later.send(step, CODE, code=phone.code(later=1)).path == "/clients"


def test_who_confirms_on_the_page_of_new_recovery_codes_comes_to_the_page_that_makes_them(desk: Desk) -> None:
    visitor, phone = enrolled(desk, desk.staff(Role.OWNER))
    page = visitor.send(visitor.open(OWN), f"{OWN}/recovery-codes")
    assert (page.path, len(recovery_codes(page))) == (f"{OWN}/recovery-codes", RECOVERY_CODES)
    # When they go on to press a button there, and have confirmed that it is them
    desk.world.pass_time(SECONDS + 1)
    headers = {"Referer": f"{desk.url}{page.path}"}
    asked = Page.of(visitor.browser.post(page.path, data=page.form(page.path), headers=headers))
    back = keeps_the_rules(visitor.send(asked, "/confirm", given=phone.code(later=1)))
    # Then they are told to do it again, where they can
    assert (back.status, back.path, "Do it again" in back.text) == (200, OWN, True)
    assert visitor.send(back, page.path).status == 200


@pytest.mark.parametrize("waits_for", [CODE, SET_UP])
def test_between_password_and_second_factor_nothing_else_is_within_reach(desk: Desk, waits_for: str) -> None:
    person = desk.staff(Role.OWNER)
    if waits_for == CODE:
        enrolled(desk, person)
    visitor, page = password_given(desk, person)
    assert page.path == waits_for
    anybody = stranger(desk)
    for path in every_page():
        assert visitor.open(path).path in (anybody.open(path).path, waits_for), path
    # Nor by the API, with the cookies that the browser has, whatever they are called
    (token,) = visitor.browser.cookies.values()
    visitor.browser.cookies.set("session", token)
    for (method, template), endpoint in TABLE.items():
        assert call(visitor.browser, method, template, endpoint, nothing()).status_code == 401, (method, template)
    # And programs with a key go on as before
    assert desk.program(person).get(f"{API}/session").status_code == 200


def test_a_code_is_accepted_once(desk: Desk) -> None:
    person = desk.staff()
    _, phone = enrolled(desk, person)
    first, step = password_given(desk, person)
    assert first.send(step, CODE, code=phone.code()).faults().keys() == {"code"}  # it set the app up
    code = phone.code(later=1)
    assert first.send(step, CODE, code=code).path == "/clients"
    second, step = password_given(desk, person)
    again = keeps_the_rules(second.send(step, CODE, code=code))
    assert (again.status, again.path) == (401, CODE)
    assert refusals.BAD_CODE.message in again.text


def test_a_recovery_code_signs_in_once_however_it_is_typed(desk: Desk) -> None:
    person, other = desk.staff(), desk.staff()
    _, phone = enrolled(desk, person)
    enrolled(desk, other)
    code = phone.recovery[3]
    stolen, step = password_given(desk, other)
    assert stolen.send(step, CODE, code=code).status == 401
    visitor, step = password_given(desk, person)
    assert visitor.send(step, CODE, code=f" {code.upper().replace('-', ' ')} ").path == "/clients"
    assert "You have 9 recovery codes left." in visitor.open(OWN).text
    visitor, step = password_given(desk, person)
    assert visitor.send(step, CODE, code=code).status == 401


def test_wrong_codes_close_an_account_for_a_while_and_for_the_right_code_too(desk: Desk) -> None:
    person = desk.staff()
    _, phone = enrolled(desk, person)
    for _ in range(MOST_TRIES):
        visitor, step = password_given(desk, person)
        assert visitor.send(step, CODE, code=phone.wrong()).status == 401
    closed = keeps_the_rules(visitor.send(step, CODE, code=phone.code(later=1)))
    assert (closed.status, "Wait 15 minutes" in closed.text) == (429, True)
    desk.world.pass_time(TRY_SECONDS + 1)
    assert visitor.send(step, CODE, code=phone.code(later=1)).path == "/clients"


def test_who_knows_only_the_password_replaces_no_second_factor(desk: Desk) -> None:
    """Both began when there was none; one of them set theirs up."""
    person = desk.staff()
    thief, page = password_given(desk, person)
    _, phone = enrolled(desk, person)
    assert thief.send(page, SET_UP, code=Phone.scanning(page).code()).path == "/sign-in"
    assert thief.open("/clients").path == "/sign-in"
    # Nor is what was shown to one account of use to another
    mine, _ = password_given(desk, desk.staff())
    form = {**page.form(SET_UP), "code": Phone.scanning(page).code()}
    refused = mine.post(SET_UP, form)
    assert (refused.status, refused.path) == (409, SET_UP)
    visitor, step = password_given(desk, person)
    assert visitor.send(step, CODE, code=phone.code(later=1)).path == "/clients"


def test_a_new_password_ends_the_sign_ins_that_wait(desk: Desk) -> None:
    person = desk.staff()
    _, phone = enrolled(desk, person)
    visitor, step = password_given(desk, person)
    passwords.set_password(desk.world.database, person.staff_id, person.practice_id, "another few quiet words")
    assert visitor.send(step, CODE, code=phone.code(later=1)).path == "/sign-in"
    assert visitor.open("/clients").path == "/sign-in"


def test_a_sign_in_that_waits_is_good_once_and_not_for_long(desk: Desk) -> None:
    person = desk.staff()
    _, phone = enrolled(desk, person)
    visitor, step = password_given(desk, person)
    token = visitor.browser.cookies["signing-in"]
    assert visitor.send(step, CODE, code=phone.recovery[0]).path == "/clients"
    for seconds in (0, 3600):
        late, step = password_given(desk, person)
        if not seconds:
            late.browser.cookies.set("signing-in", token, domain="127.0.0.1", path="/")
        desk.world.pass_time(seconds)
        assert late.send(step, CODE, code=phone.recovery[1]).path == "/sign-in"


def test_programs_that_sign_in_give_the_code_with_the_password(desk: Desk) -> None:
    person = desk.staff()
    assert session(desk, person) == (403, "second_factor_not_set_up")
    _, phone = enrolled(desk, person)
    assert session(desk, person) == (401, "second_factor_needed")
    assert session(desk, person, code=phone.wrong()) == (401, "bad_code")
    assert session(desk, person, code=phone.code(later=1)) == (201, None)
    assert session(desk, person, code=phone.recovery[0]) == (201, None)


def test_without_a_mandate_a_member_turns_it_on_and_off(desk: Desk) -> None:
    person = at_lax_practice(desk)
    visitor = reader(desk, person)
    page = keeps_the_rules(visitor.open(OWN))
    phone = Phone.scanning(page)
    assert visitor.send(page, f"{OWN}/set-up", code=phone.wrong()).faults().keys() == {"code"}
    on = keeps_the_rules(visitor.send(page, f"{OWN}/set-up", code=phone.code()))
    assert len(recovery_codes(on)) == RECOVERY_CODES
    # When they make new recovery codes, the old ones are worth nothing
    new = keeps_the_rules(visitor.send(on, f"{OWN}/recovery-codes"))
    assert not set(recovery_codes(new)) & set(recovery_codes(on))
    late, step = password_given(desk, person)
    assert late.send(step, CODE, code=recovery_codes(on)[0]).status == 401
    assert late.send(step, CODE, code=recovery_codes(new)[0]).path == "/clients"
    # When they set up another phone, the first one shows no right codes any more
    page = keeps_the_rules(visitor.open(OWN))
    other = Phone.scanning(page)
    visitor.send(page, f"{OWN}/set-up", code=other.code())
    late, step = password_given(desk, person)
    assert late.send(step, CODE, code=phone.code(later=1)).status == 401
    assert late.send(step, CODE, code=other.code(later=1)).path == "/clients"
    # When they turn it off, then a password suffices
    done = visitor.send(visitor.open(OWN), f"{OWN}/off")
    assert "Multi-factor authentication is off for your account." in done.text
    assert password_given(desk, person)[1].path == "/clients"
    audited = desk.world.scalar("SELECT count(*) FROM audit WHERE action LIKE 'second_factor.%'")
    assert audited == 4


def test_where_it_is_mandatory_nobody_turns_theirs_off(desk: Desk) -> None:
    visitor, _ = enrolled(desk, desk.staff())
    page = keeps_the_rules(visitor.open(OWN))
    assert "Turn off" not in page.text
    refused = visitor.post(f"{OWN}/off", page.form(f"{OWN}/recovery-codes"))
    assert (refused.status, refusals.MFA_IS_MANDATORY.message in refused.text) == (409, True)


def test_a_mandate_counts_from_the_next_sign_in(desk: Desk) -> None:
    person = at_lax_practice(desk)
    visitor = reader(desk, person)
    page = visitor.open("/admin/security")
    visitor.send(page, "/admin/security/mfa", confirm="yes")
    assert visitor.open("/clients").path == "/clients"
    assert password_given(desk, person)[1].path == SET_UP


def test_secrets_are_kept_encrypted_and_follow_the_keys(desk: Desk) -> None:
    person = desk.staff()
    _, phone = enrolled(desk, person)
    settings = desk.world.services.settings
    with desk.world.database.read() as tx:
        (row,) = tx.session.scalars(select(SecondFactor)).all()
        kept = repr([tx.session.execute(select(each.__table__)).all() for each in (SecondFactor, RecoveryCode)])
    assert row.secret is not None
    assert settings.vault.decrypt(row.secret).decode() == phone.key
    for secret in (phone.key, *phone.recovery, *(code.replace("-", "") for code in phone.recovery)):
        assert secret not in kept
    assert rotate(desk.world.database, settings.vault).second_factors == 1
    with desk.world.database.read() as tx:
        (again,) = tx.session.scalars(select(SecondFactor)).all()
    assert again.secret not in (None, row.secret)
    assert settings.vault.decrypt(again.secret or b"").decode() == phone.key
