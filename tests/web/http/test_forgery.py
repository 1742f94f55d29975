"""Cross-site request forgery: a write by cookie is taken from our own pages only."""

from __future__ import annotations

import pytest

from portal_db.states import Role
from tests.web.desk import API, PASSWORD, Desk

KEY = {"name": "forged", "scopes": ["read"]}


@pytest.mark.parametrize(
    "headers",
    [
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "0" * 64},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_write_that_a_strangers_page_may_have_sent_is_refused(desk: Desk, headers: dict[str, str]) -> None:
    browser = desk.signed_in(desk.staff(Role.OWNER))
    answer = browser.post(f"{API}/api-keys", json=KEY, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    assert browser.get(f"{API}/api-keys").json() == []


def test_a_token_of_another_session_is_refused(desk: Desk) -> None:
    one, other = desk.signed_in(desk.staff(Role.OWNER)), desk.signed_in(desk.staff(Role.OWNER))
    one.headers["X-CSRF-Token"] = other.headers["X-CSRF-Token"]
    assert one.post(f"{API}/api-keys", json=KEY).status_code == 403


def test_a_write_of_our_own_page_is_taken(desk: Desk) -> None:
    browser = desk.signed_in(desk.staff(Role.OWNER))
    headers = {"Origin": desk.url, "Sec-Fetch-Site": "same-origin"}
    assert browser.post(f"{API}/api-keys", json=KEY, headers=headers).status_code == 201


def test_a_form_cannot_pass_for_json(desk: Desk) -> None:
    """A page elsewhere can send a form, or text, without asking first; JSON it cannot."""
    browser = desk.browser()
    body = f'{{"email": "{desk.staff().email}", "password": "{PASSWORD}"}}'
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = browser.post(f"{API}/session", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 422
    assert browser.post(f"{API}/session", content=body).status_code == 422


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_nobody_is_signed_in_by_a_strangers_page(desk: Desk, headers: dict[str, str]) -> None:
    given = {"email": desk.staff().email, "password": PASSWORD}
    assert desk.browser().post(f"{API}/session", json=given, headers=headers).status_code == 403


def test_other_origins_are_never_told_that_they_may_read(desk: Desk) -> None:
    answer = desk.browser().get(f"{API}/session", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
