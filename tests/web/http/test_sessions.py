"""Staff sign in with a password, stay signed in for a while, and nobody else can borrow their session."""

from __future__ import annotations

import httpx
import pytest
from argon2 import PasswordHasher, Type
from redis import Redis
from sqlalchemy import select

from config.settings import SettingsError
from handlers.access import passwords
from handlers.access.sessions import IDLE_SECONDS, SECONDS
from portal_db.states import Role
from portal_db.tables import Base
from tests.web.desk import API, PASSWORD, Desk, serving
from tests.world import World

#: The product's, before the tests' fixtures exchange it.
DEAR = passwords._hasher


def sign_in(browser: httpx.Client, email: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
    return browser.post(f"{API}/session", json={"email": email, "password": password}, headers=headers)


def test_who_signs_in_is_who_asks(desk: Desk) -> None:
    person = desk.staff(Role.MANAGER)
    browser = desk.signed_in(person)
    told = browser.get(f"{API}/session").json()
    assert (told["staff_id"], told["role"], told["may"]) == (str(person.staff_id), "manager", ["import", "read"])
    ended = browser.delete(f"{API}/session")
    assert (ended.status_code, ended.headers["clear-site-data"]) == (204, '"cache", "storage"')
    assert browser.get(f"{API}/session").status_code == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(desk: Desk) -> None:
    answer = sign_in(desk.browser(), desk.staff().email)
    cookie = answer.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=lax", "path=/"))
    assert "secure" not in cookie  # this desk is on loopback, without TLS


def test_behind_https_the_cookie_is_bound_to_the_host(sqlite_world: World, redis_url: str) -> None:
    with serving(sqlite_world, redis_url, public_url="https://portal.example") as desk:
        answer = sign_in(desk.browser(), desk.staff().email)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-session=")
    assert "Secure" in cookie
    assert "Domain" not in cookie
    assert answer.headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"


def test_a_public_address_without_https_is_refused(sqlite_world: World, redis_url: str) -> None:
    with (
        pytest.raises(SettingsError, match="PUBLIC_URL"),
        serving(sqlite_world, redis_url, public_url="http://portal.example"),
    ):
        pass


def test_a_session_id_is_never_taken_from_the_browser(desk: Desk) -> None:
    """Session fixation: what an attacker put into the cookie jar is not what the victim is signed in with."""
    browser = desk.browser(cookies={"session": "chosen-by-an-attacker"})
    answer = sign_in(browser, desk.staff().email)
    assert answer.cookies["session"] != "chosen-by-an-attacker"
    assert desk.browser(cookies={"session": "chosen-by-an-attacker"}).get(f"{API}/session").status_code == 401


def test_signing_in_again_ends_the_session_before(desk: Desk) -> None:
    person = desk.staff()
    browser = desk.signed_in(person)
    before = browser.cookies["session"]
    assert sign_in(browser, person.email).status_code == 201
    assert desk.browser(cookies={"session": before}).get(f"{API}/session").status_code == 401
    assert browser.get(f"{API}/session").status_code == 200


@pytest.mark.parametrize("email", ["nobody@practice.example", "not an address", ""])
def test_a_wrong_email_and_a_wrong_password_are_answered_alike(desk: Desk, email: str) -> None:
    wrong = sign_in(desk.browser(), desk.staff().email, "wrong password!")
    unknown = sign_in(desk.browser(), email or "x", "wrong password!")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


def test_too_many_tries_close_sign_in_for_this_email_only(desk: Desk, redis_url: str) -> None:
    person, other = desk.staff(), desk.staff()
    answers = [sign_in(desk.browser(), person.email, "wrong password!") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert answers[-1].json()["code"] == "too_many_tries"
    assert 0 < int(answers[-1].headers["retry-after"]) <= 15 * 60
    assert sign_in(desk.browser(), person.email).status_code == 429
    assert sign_in(desk.browser(), other.email).status_code == 201
    with Redis.from_url(redis_url) as redis:
        held = b" ".join(redis.keys())
    assert held
    assert b"practice.example" not in held


def test_sign_in_stays_open_and_limited_while_redis_is_away(sqlite_world: World) -> None:
    with serving(sqlite_world, "redis://127.0.0.1:1/0") as desk:
        person = desk.staff()
        assert sign_in(desk.browser(), person.email).status_code == 201
        codes = {sign_in(desk.browser(), person.email, "wrong password!").status_code for _ in range(11)}
    assert codes == {401, 429}


@pytest.mark.parametrize("seconds", [IDLE_SECONDS + 1, SECONDS + 1])
def test_a_session_ends(desk: Desk, seconds: float) -> None:
    browser = desk.signed_in(desk.staff())
    desk.world.pass_time(seconds)
    assert browser.get(f"{API}/session").status_code == 401


def test_a_session_that_is_used_goes_on_but_not_for_ever(any_desk: Desk) -> None:
    browser = any_desk.signed_in(any_desk.staff())
    used = 0.0
    while used + IDLE_SECONDS * 0.9 < SECONDS:
        any_desk.world.pass_time(IDLE_SECONDS * 0.9)
        used += IDLE_SECONDS * 0.9
        assert browser.get(f"{API}/session").status_code == 200
    any_desk.world.pass_time(IDLE_SECONDS * 0.9)
    assert browser.get(f"{API}/session").status_code == 401


def test_who_left_is_out_at_once(desk: Desk) -> None:
    person = desk.staff()
    browser = desk.signed_in(person)
    with desk.world.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE staff SET left_at = created_at WHERE id = ?", (person.staff_id.hex,))
    assert browser.get(f"{API}/session").status_code == 401
    assert sign_in(desk.browser(), person.email).status_code == 401


def test_a_link_sets_the_password_once_and_ends_every_session(any_desk: Desk) -> None:
    person = any_desk.staff()
    old = any_desk.signed_in(person)
    settings = any_desk.world.services.settings
    link = passwords.issue_link(any_desk.world.database, settings, person.staff_id, person.practice_id)
    token = link.partition("#")[2]
    short = any_desk.browser().post(f"{API}/password", json={"token": token, "password": "short"})
    assert (short.status_code, short.json()["field"]) == (422, "password")
    new = {"token": token, "password": "another few quiet words"}
    assert any_desk.browser().post(f"{API}/password", json=new).status_code == 204
    assert any_desk.browser().post(f"{API}/password", json=new).json()["code"] == "link_ended"
    assert old.get(f"{API}/session").status_code == 401
    assert sign_in(any_desk.browser(), person.email).status_code == 401
    assert sign_in(any_desk.browser(), person.email, new["password"]).status_code == 201


def test_a_later_link_takes_the_place_of_an_earlier_one_and_each_ends(any_desk: Desk) -> None:
    person, settings = any_desk.staff(), any_desk.world.services.settings

    def issue() -> str:
        link = passwords.issue_link(any_desk.world.database, settings, person.staff_id, person.practice_id)
        return link.partition("#")[2]

    first, second = issue(), issue()
    for token in (first, second):
        any_desk.world.pass_time(passwords.LINK_SECONDS + 1 if token == second else 0)
        answer = any_desk.browser().post(f"{API}/password", json={"token": token, "password": PASSWORD})
        assert answer.json()["code"] == "link_ended"


def test_a_password_is_dear_to_guess() -> None:
    """By the recommendation of RFC 9106 for little memory; the tests' own passwords are cheaper."""
    assert (DEAR.type, DEAR.time_cost, DEAR.memory_cost) == (Type.ID, 3, 64 * 1024)


def test_nothing_that_signs_in_is_kept_readable(desk: Desk) -> None:
    person = desk.staff()
    browser, key = desk.signed_in(person), desk.key_of(person)
    with desk.world.database.engine.connect() as connection:
        tables = [Base.metadata.tables[name] for name in ("logins", "staff_sessions", "api_keys", "audit")]
        dump = repr([connection.execute(select(table)).all() for table in tables])
    assert "$argon2id$" in dump
    for secret in (PASSWORD, browser.cookies["session"], key):
        assert secret not in dump


def test_a_sign_in_hashes_the_password_anew_where_its_parameters_are_not_todays(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = desk.staff()
    before = hash_of(desk)
    browser = desk.signed_in(person)
    assert hash_of(desk) == before
    # Given parameters that are stronger than when the password was set
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    assert sign_in(desk.browser(), person.email, "not the password").status_code == 401
    assert hash_of(desk) == before
    # When its owner signs in, then it is stored with them, and they and their other session go on
    assert desk.signed_in(person).get(f"{API}/session").status_code == 200
    after = hash_of(desk)
    assert after.startswith("$argon2id$v=19$m=16,t=2,p=1$")
    assert browser.get(f"{API}/session").status_code == 200
    desk.signed_in(person)
    assert hash_of(desk) == after


def hash_of(desk: Desk) -> str:
    """The one password hash that there is."""
    return str(desk.world.scalar("SELECT password_hash FROM logins WHERE password_hash IS NOT NULL"))
