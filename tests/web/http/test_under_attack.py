"""Sign-in while somebody guesses or floods: its owner gets in, everybody else works on, and guessing stays dear."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from config.settings import Settings, SettingsError
from handlers.access import passwords
from handlers.access.caller import Scope
from handlers.access.origin import Origin
from handlers.access.tries import Attempt, TooManyTries
from portal_db import migrate
from portal_db.database import Database
from tests.servers.waiting import wait_until
from tests.web.desk import API, PASSWORD, Desk
from tests.web.http.test_sessions import sign_in
from tests.world import World
from web.app import THREADS
from web.hashing import HashingPool
from web.http import health
from web.http.sign_in_limits import SignInLimits
from web.process import Address, server_of


def lock(desk: Desk, email: str) -> None:
    """Others try this email until it is closed."""
    assert [sign_in(desk.browser(), email, "wrong").status_code for _ in range(11)][-1] == 429


def without_session(browser: httpx.Client) -> httpx.Client:
    """The browser when its session has ended."""
    del browser.cookies["session"]
    return browser


def test_wrong_tries_by_others_lock_nobody_out_of_a_browser_they_know(desk: Desk) -> None:
    person = desk.staff()
    own = without_session(desk.signed_in(person))
    lock(desk, person.email)
    assert sign_in(desk.browser(), person.email).status_code == 429
    assert sign_in(own, person.email).status_code == 201
    # It has a budget, not a pass
    assert [sign_in(own, person.email, "wrong").status_code for _ in range(11)] == [401] * 10 + [429]


def test_a_known_browser_is_known_for_one_email_and_by_our_signature_only(desk: Desk) -> None:
    person, other = desk.staff(), desk.staff()
    cookie = desk.signed_in(other).cookies["browser"]
    since, nonce, signature = cookie.split(".")
    lock(desk, person.email)
    for forged in (cookie, f"{since}.{nonce}.", f"{since}.x.{signature}", "x", f"{int(since) + 1}.{nonce}.{signature}"):
        assert sign_in(desk.browser(cookies={"browser": forged}), person.email).status_code == 429


def test_the_cookie_of_a_known_browser_is_out_of_reach_of_scripts_and_names_nobody(desk: Desk) -> None:
    person = desk.staff()
    [cookie] = [
        line for line in sign_in(desk.browser(), person.email).headers.get_list("set-cookie") if "browser=" in line
    ]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=31536000"))
    assert person.email.partition("@")[0] not in cookie


def test_who_sets_a_password_by_a_link_gets_in_while_others_try(desk: Desk) -> None:
    person = desk.staff()
    settings = desk.world.services.settings
    link = passwords.issue_link(desk.world.database, settings, person.staff_id, person.practice_id)
    lock(desk, person.email)
    browser, new = desk.browser(), "another few quiet words"
    given = {"token": link.partition("#")[2], "password": new}
    assert browser.post(f"{API}/password", json=given).status_code == 204
    assert sign_in(browser, person.email, new).status_code == 201


def test_a_key_guesses_no_password_whatever_session_is_made_up(desk: Desk) -> None:
    person = desk.staff()
    program = desk.program(person, Scope.READ)
    for number in range(12):
        cookie, guess = {"Cookie": f"session=made-up-{number}"}, {"given": PASSWORD if number == 11 else "wrong"}
        answer = program.post(f"{API}/session/confirmation", json=guess, headers=cookie)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    assert desk.world.scalar("SELECT count(*) FROM sign_in_log WHERE event = 'own_password_wrong'") == 0


def test_success_uses_up_no_budget(desk: Desk) -> None:
    person = desk.staff()
    assert {sign_in(desk.browser(), person.email).status_code for _ in range(12)} == {201}


@pytest.mark.parametrize(
    ("first", "second", "are_one"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_addresses_of_one_network_share_a_budget(
    sqlite_world: World, redis_url: str, first: str, second: str, are_one: bool
) -> None:
    settings = sqlite_world.services.settings.model_copy(update={"redis_url": redis_url})
    limits = SignInLimits(settings, sqlite_world.services.sources)
    for number in range(100):
        limits.take(Attempt(f"{number}@practice.example", Origin(first)))
    if are_one:
        with pytest.raises(TooManyTries):
            limits.take(Attempt("one@practice.example", Origin(second)))
    else:
        limits.take(Attempt("one@practice.example", Origin(second)))


def test_when_too_many_sign_in_at_once_the_rest_are_asked_to_wait_and_everybody_else_works_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, go_on = desk.staff(), threading.Event()
    working = desk.signed_in(person)
    pool = HashingPool(threads=1, waiting=1)
    desk.app.state.portal = replace(desk.app.state.portal, hashing=pool)
    fits = passwords.fits
    monkeypatch.setattr(passwords, "fits", lambda *given: go_on.wait(5) and fits(*given))
    with ThreadPoolExecutor(2) as others:
        waiting = [others.submit(sign_in, desk.browser(), person.email) for _ in range(2)]
        wait_until(lambda: pool.is_full, "the pool to be full")
        refused = sign_in(desk.browser(), person.email)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        assert refused.json()["code"] == "too_many_at_once"
        assert working.get(f"{API}/clients").status_code == 200
        go_on.set()
        assert [each.result().status_code for each in waiting] == [201, 201]
    assert not pool.is_full


def test_health_is_answered_while_no_thread_is_free(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    busy, go_on = threading.Semaphore(0), threading.Event()
    standing = migrate.standing

    def slow(database: Database) -> migrate.Standing:
        busy.release()
        go_on.wait(15)
        return standing(database)

    monkeypatch.setattr(health, "standing", slow)
    with ThreadPoolExecutor(THREADS) as others:
        asked = [others.submit(desk.browser().get, "/readyz") for _ in range(THREADS)]
        try:
            assert all(busy.acquire(timeout=20) for _ in range(THREADS))
            assert desk.browser(timeout=10).get("/healthz").json() == {"status": "ok"}
        finally:
            go_on.set()
        assert {each.result().status_code for each in asked} == {200}


@pytest.mark.parametrize("proxies", ["*", "127.0.0.1,*", "0.0.0.0/0", "::/0", "proxy.example", ""])
def test_a_proxy_that_anybody_may_be_is_refused(monkeypatch: pytest.MonkeyPatch, proxies: str) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", proxies)
    with pytest.raises(SettingsError, match="FORWARDED_ALLOW_IPS"):
        Settings.load()


def test_proxies_may_be_addresses_and_networks(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "10.0.0.0/8, ::1")
    server = server_of(desk.app, Settings.load(), Address("web", "127.0.0.1", 1))
    assert server.config.forwarded_allow_ips == "10.0.0.0/8, ::1"
