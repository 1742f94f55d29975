"""The sign-in log: what owners and account admins read of it, and what it never holds."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from handlers.access import api_keys, passwords
from handlers.access.caller import Scope
from handlers.operations.housekeeping import keep_house
from portal_db.states import Role
from portal_db.tables import SignInEntry
from tests.servers.waiting import wait_until
from tests.web.desk import API, PASSWORD, Desk, Person
from tests.web.http.test_sessions import sign_in
from tests.web.pages.reading import reader

NEW = "another few quiet words"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"


def logged(desk: Desk, person: Person | None = None) -> list[dict[str, Any]]:
    """What an owner reads, oldest first: all of it, or what is about one person."""
    owner = desk.program(desk.staff(Role.OWNER))
    found = owner.get(f"{API}/sign-ins", params={"limit": 200}).json()["items"]
    return [each for each in reversed(found) if person is None or each["staff_id"] == str(person.staff_id)]


def events(desk: Desk, person: Person) -> list[str]:
    return [each["event"] for each in logged(desk, person)]


def test_what_proves_who_somebody_is_is_logged_with_time_address_and_agent(any_desk: Desk) -> None:
    desk, person = any_desk, any_desk.staff()
    # Given somebody who fails once, signs in here and there, ends the other session and changes the password
    browser = desk.browser(headers={"User-Agent": AGENT})
    sign_in(browser, person.email, "wrong")
    desk.signed_in(person)
    visitor = reader(desk, person)
    visitor.send(visitor.open("/account/sessions"), "/account/sessions/others/end")
    page = visitor.open("/account/password")
    for old in ("wrong", PASSWORD):
        visitor.send(page, "/account/password", old_password=old, password=NEW, password_again=NEW)
    visitor.send(visitor.open("/clients"), "/sign-out")
    # And then forgets it
    desk.browser().post(f"{API}/password-reset", json={"email": person.email})
    wait_until(lambda: "reset_requested" in events(desk, person), "what follows the answer is logged")
    link = passwords.issue_link(desk.world.database, desk.world.services.settings, person.staff_id, person.practice_id)
    desk.browser().post(f"{API}/password", json={"token": link.partition("#")[2], "password": NEW})
    # Then all of it is there
    found = logged(desk, person)
    assert [each["event"] for each in found] == [
        "password_set_by_operator",
        "sign_in_failed",
        "signed_in",
        "signed_in",
        "sessions_ended",
        "own_password_wrong",
        "password_changed",
        "signed_out",
        "reset_requested",
        "password_set_by_link",
    ]
    assert [each["address"] for each in found] == [None] + ["127.0.0.1"] * 9
    assert (found[0]["agent"], found[1]["agent"], found[1]["name"]) == (None, AGENT, "A partner")


def test_an_email_that_nobody_has_leaves_no_trace_of_what_was_typed(desk: Desk) -> None:
    sign_in(desk.browser(), "secret.name@elsewhere.example", "my-other-password")
    assert [each for each in logged(desk) if each["event"] == "sign_in_failed"] == []
    with desk.world.database.read() as tx:
        statement = select(SignInEntry.__table__).where(SignInEntry.practice_id.is_(None))
        [row] = tx.session.execute(statement).all()
    assert row.event == "sign_in_failed"
    assert not any(word in repr(row) for word in ("secret", "elsewhere", "my-other"))


def test_a_lockout_is_logged_once_however_long_they_go_on(desk: Desk) -> None:
    person = desk.staff()
    for _ in range(13):
        sign_in(desk.browser(), person.email, "wrong")
    assert events(desk, person)[1:] == ["sign_in_failed"] * 10 + ["locked_out"]


def test_a_refused_key_is_logged_at_its_practice_once_an_hour(desk: Desk) -> None:
    owner = desk.staff(Role.OWNER)
    reading = desk.program(owner, Scope.READ)
    made = api_keys.add(desk.world.database, owner.practice_id, "old", {Scope.READ})
    api_keys.revoke(desk.world.database, made.key_id, practice_id=owner.practice_id)
    ended = {"Authorization": f"Bearer {made.secret}", "X-Staff-Id": str(owner.staff_id)}
    key = reading.headers["Authorization"]
    other = {"Authorization": key, "X-Staff-Id": str(desk.other_practice().staff_id)}
    for _ in range(3):
        assert desk.browser(headers=ended).get(f"{API}/clients").status_code == 401
        assert desk.browser(headers=other).get(f"{API}/clients").status_code == 403
        assert reading.get(f"{API}/api-keys").status_code == 403
    found = [each["detail"] for each in logged(desk) if each["event"] == "key_refused"]
    assert found == [
        f"{made.secret[:10]}…: it has ended",
        f"{key.removeprefix('Bearer ')[:10]}…: it names nobody who works here",
        f"{key.removeprefix('Bearer ')[:10]}…: it lacks the scope manage",
    ]
    desk.world.pass_time(3601)
    desk.browser(headers=ended).get(f"{API}/clients")
    assert len([each for each in logged(desk) if each["event"] == "key_refused"]) == 4


def test_owners_and_account_admins_read_their_own_practices_log_and_nobody_else_does(any_desk: Desk) -> None:
    person, theirs = any_desk.staff(), any_desk.other_practice()
    any_desk.signed_in(person)
    any_desk.signed_in(theirs)
    for role in Role:
        colleague = any_desk.staff(role)
        answer = any_desk.program(colleague).get(f"{API}/sign-ins", params={"limit": 200})
        page = reader(any_desk, colleague).open("/admin/security/sign-ins")
        may = role in (Role.OWNER, Role.ACCOUNT_ADMIN)
        assert (answer.status_code, page.status) == ((200, 200) if may else (403, 403))
        if may:
            ids = {each["staff_id"] for each in answer.json()["items"]}
            assert (str(person.staff_id) in ids, str(theirs.staff_id) in ids) == (True, False)


def test_the_page_goes_on_to_older_events(desk: Desk) -> None:
    owner = desk.staff(Role.OWNER)
    for _ in range(50):
        desk.signed_in(owner)
    visitor = reader(desk, owner)
    page = visitor.open("/admin/security")
    page = visitor.open(page.links()["Sign-in log"])
    assert "Signed in" in page.main.text
    older = visitor.browser.get(page.links()["Older events"])
    assert "Password set by an operator" in older.text


@pytest.mark.parametrize(("days", "kept"), [(364, 1), (366, 0)])
def test_the_log_is_kept_for_its_days(desk: Desk, days: int, kept: int) -> None:
    desk.staff()
    desk.world.pass_time(days * 86_400)
    keep_house(desk.world.database, desk.world.services.settings)
    assert desk.world.scalar("SELECT count(*) FROM sign_in_log") == kept
