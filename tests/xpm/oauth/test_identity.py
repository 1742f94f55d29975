"""Consent, tokens and revocation: what is sent to Xero, and what each of its answers becomes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from xpm.oauth import (
    SCOPES,
    App,
    AppRefused,
    Grant,
    GrantRefused,
    Http,
    IdentityMalformed,
    IdentityUnavailable,
    XeroAuthError,
    XeroIdentity,
)
from xpm.simulator import SimulatorHandle

VERIFIER = "a-code-verifier-that-is-long-enough-for-the-standard"


def consent(identity: XeroIdentity) -> dict[str, str]:
    """Go to Xero with a browser, and come back with this."""
    back = httpx.get(identity.authorization_url(state="the-state", code_verifier=VERIFIER)).headers["location"]
    return {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}


def consented(identity: XeroIdentity) -> Grant:
    return identity.exchange(consent(identity)["code"], code_verifier=VERIFIER)


def test_the_address_asks_for_the_least_and_hides_the_verifier(identity: XeroIdentity) -> None:
    asked = parse_qs(urlsplit(identity.authorization_url(state="the-state", code_verifier=VERIFIER)).query)
    assert asked["scope"] == ["offline_access practicemanager.client.read"]
    assert (asked["response_type"], asked["state"]) == (["code"], ["the-state"])
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["code_challenge"] != [VERIFIER]


def test_a_code_gives_tokens_and_says_whose(identity: XeroIdentity, xero: SimulatorHandle) -> None:
    answer = consent(identity)
    assert answer["state"] == "the-state"
    grant = identity.exchange(answer["code"], code_verifier=VERIFIER)
    assert grant.expires_in == 1800
    assert grant.scopes == frozenset(SCOPES)
    assert grant.xero_user_id in xero.simulator.grants.connected


def test_a_code_is_good_once(identity: XeroIdentity) -> None:
    code = consent(identity)["code"]
    identity.exchange(code, code_verifier=VERIFIER)
    with pytest.raises(GrantRefused):
        identity.exchange(code, code_verifier=VERIFIER)


def test_a_code_without_its_verifier_is_worth_nothing(identity: XeroIdentity) -> None:
    with pytest.raises(GrantRefused):
        identity.exchange(consent(identity)["code"], code_verifier="another-verifier-of-somebody-who-saw-the-code")


def test_a_refresh_token_is_replaced_by_its_use(identity: XeroIdentity, xero: SimulatorHandle) -> None:
    first = consented(identity)
    second = identity.refresh(first.refresh_token or "")
    assert second.refresh_token not in (None, first.refresh_token)
    assert second.access_token != first.access_token
    assert xero.simulator.grants.counts["refreshes"] == 1


def test_a_replaced_refresh_token_works_within_its_grace_and_not_after(
    identity: XeroIdentity, xero: SimulatorHandle
) -> None:
    first = consented(identity)
    lost = identity.refresh(first.refresh_token or "")
    kept = identity.refresh(first.refresh_token or "")
    with pytest.raises(GrantRefused):
        identity.refresh(lost.refresh_token or "")
    identity.refresh(kept.refresh_token or "")
    xero.simulator.grants.end_grace()
    with pytest.raises(GrantRefused):
        identity.refresh(first.refresh_token or "")


def test_revocation_ends_the_grant(identity: XeroIdentity) -> None:
    grant = consented(identity)
    identity.revoke(grant.refresh_token or "")
    identity.revoke(grant.refresh_token or "")
    with pytest.raises(GrantRefused):
        identity.refresh(grant.refresh_token or "")


def test_another_secret_is_refused(xero: SimulatorHandle) -> None:
    with Http(seconds=5) as http:
        stranger = XeroIdentity(
            App(xero.config.client_id, "guess", "https://x"), http, identity_url=xero.url, authorize_url=""
        )
        with pytest.raises(AppRefused, match="invalid_client"):
            stranger.refresh("anything")
        with pytest.raises(AppRefused):
            stranger.revoke("anything")


def scripted(answer: Callable[[httpx.Request], httpx.Response]) -> XeroIdentity:
    """The client of a server that gives one answer to everything."""
    http = Http(seconds=5, transport=httpx.MockTransport(answer))
    return XeroIdentity(App("id", "shh-secret", "https://x"), http, identity_url="https://id.test", authorize_url="")


def no_connection(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("quotes Authorization: Basic aWQ6c2hoLXNlY3JldA==")


def slow(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("slow")


TOKEN = {"access_token": "a", "refresh_token": "r", "expires_in": 1800}

ANSWERS: dict[str, tuple[Callable[[httpx.Request], httpx.Response], type[XeroAuthError]]] = {
    "invalid_grant": (lambda _: httpx.Response(400, json={"error": "invalid_grant"}), GrantRefused),
    "a description that OAuth forbids": (
        lambda _: httpx.Response(400, json={"error": "invalid_grant", "error_description": 'a "quoted" Größe\n'}),
        GrantRefused,
    ),
    "invalid_grant with 200": (lambda _: httpx.Response(200, json={"error": "invalid_grant"}), GrantRefused),
    "invalid_client": (lambda _: httpx.Response(401, json={"error": "invalid_client"}), AppRefused),
    "an error that is no word": (lambda _: httpx.Response(400, json={"error": "<b>Jo Bloggs</b>"}), AppRefused),
    "server_error": (lambda _: httpx.Response(400, json={"error": "server_error"}), IdentityUnavailable),
    "500 with invalid_grant": (lambda _: httpx.Response(500, json={"error": "invalid_grant"}), IdentityUnavailable),
    "503 page": (lambda _: httpx.Response(503, text="<html>offline</html>"), IdentityUnavailable),
    "429 page": (lambda _: httpx.Response(429, text="slow down"), IdentityUnavailable),
    "403 page": (lambda _: httpx.Response(403, text="<html>Access Denied</html>"), IdentityMalformed),
    "200 page": (lambda _: httpx.Response(200, text="<html>hello</html>"), IdentityMalformed),
    "a list": (lambda _: httpx.Response(200, json=[TOKEN]), IdentityMalformed),
    "no access token": (lambda _: httpx.Response(200, json={"refresh_token": "r"}), IdentityMalformed),
    "a number for a token": (lambda _: httpx.Response(200, json={**TOKEN, "access_token": 5}), IdentityMalformed),
    "a redirect": (lambda _: httpx.Response(302, headers={"location": "https://evil.test"}), IdentityMalformed),
    "two megabytes": (lambda _: httpx.Response(200, content=b"x" * 2_000_000), IdentityMalformed),
    "no connection": (no_connection, IdentityUnavailable),
    "no answer in time": (slow, IdentityUnavailable),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_each_answer_is_one_error_without_secrets(name: str) -> None:
    answer, expected = ANSWERS[name]
    with pytest.raises(XeroAuthError) as caught:
        scripted(answer).refresh("old-refresh-token")
    assert type(caught.value) is expected
    for secret in ("old-refresh-token", "shh-secret", "aWQ6c2hoLXNlY3JldA", "Bloggs"):
        assert secret not in repr(caught.value) + str(caught.value)


def test_a_wait_that_xero_asks_for_is_passed_on() -> None:
    with pytest.raises(IdentityUnavailable) as caught:
        scripted(lambda _: httpx.Response(429, headers={"Retry-After": "37"})).refresh("r")
    assert caught.value.retry_after == 37


@pytest.mark.parametrize(
    ("expires_in", "seconds"), [(720, 720), ("720", 720), (None, 600), (0, 600), (-5, 600), (float("1e300"), 600)]
)
def test_a_token_lasts_as_long_as_xero_says(expires_in: object, seconds: float) -> None:
    body = {**TOKEN, "expires_in": expires_in}
    assert scripted(lambda _: httpx.Response(200, json=body)).refresh("r").expires_in == seconds


def test_a_refresh_token_that_is_not_replaced_stays() -> None:
    answer = {"access_token": "a", "expires_in": 1800}
    assert scripted(lambda _: httpx.Response(200, json=answer)).refresh("old").refresh_token == "old"


def test_the_secret_travels_in_the_header_only() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=TOKEN)

    scripted(answer).refresh("r")
    [request] = seen
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"id:shh-secret").decode()
    assert b"secret" not in request.content
    assert parse_qs(request.content.decode()) == {"grant_type": ["refresh_token"], "refresh_token": ["r"]}


def test_nothing_secret_is_printed() -> None:
    grant = Grant("the-access", "the-refresh", 5.0, frozenset())
    shown = repr(grant) + repr(App("id", "the-secret", "https://x"))
    for secret in ("the-access", "the-refresh", "the-secret"):
        assert secret not in shown


def web_token(claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{payload}.signature"


def test_whose_a_token_is_stands_in_its_claim() -> None:
    grant = Grant(web_token({"xero_userid": "user-1"}), None, 5.0, frozenset())
    assert grant.xero_user_id == "user-1"


@pytest.mark.parametrize(
    "token",
    [
        "opaque",
        "a.b.c",
        "a.!!!!.c",
        web_token([1]),
        web_token({}),
        web_token({"xero_userid": 5}),
        web_token({"xero_userid": ""}),
    ],
)
def test_a_token_that_does_not_say_whose_it_is_breaks_the_contract(token: str) -> None:
    with pytest.raises(IdentityMalformed):
        _ = Grant(token, None, 5.0, frozenset()).xero_user_id
