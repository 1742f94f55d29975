"""The simulated identity server: what only it can show, and the handles by which tests turn it."""

from __future__ import annotations

import httpx
import pytest

from tests.xpm.oauth.test_identity import VERIFIER, consent, consented
from xpm.oauth import GrantRefused, XeroIdentity
from xpm.simulator import SimulatorHandle

CALL = "/practicemanager/3.1/staff.api/list"


def call(xero: SimulatorHandle, token: str, tenant: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", "xero-tenant-id": tenant or xero.config.tenant_id}
    return httpx.get(xero.url + CALL, headers=headers)


def detail(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["Detail"].partition(":")[0]


def control(xero: SimulatorHandle, action: str) -> int:
    return httpx.post(f"{xero.url}/_sim/oauth/{action}").status_code


def test_a_token_opens_the_practices_of_its_consent_and_no_others(
    identity: XeroIdentity, xero: SimulatorHandle
) -> None:
    token = consented(identity).access_token
    assert call(xero, token).status_code == 200
    assert detail(call(xero, token, "second-tenant")) == (403, "AuthenticationUnsuccessful")


def test_the_static_token_still_opens_everything(xero: SimulatorHandle) -> None:
    assert call(xero, xero.config.access_token).status_code == 200
    assert call(xero, xero.config.access_token, "second-tenant").status_code == 200


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        ("expire", (401, "TokenExpired")),
        ("revoke", (401, "AuthenticationUnsuccessful")),
        ("disconnect", (403, "AuthenticationUnsuccessful")),
    ],
)
def test_what_a_hand_can_do_to_tokens(
    identity: XeroIdentity, xero: SimulatorHandle, action: str, answer: tuple[int, str]
) -> None:
    token = consented(identity).access_token
    assert control(xero, action) == 204
    assert detail(call(xero, token)) == answer


@pytest.mark.parametrize(
    ("knob", "answer"),
    [
        ("scope_missing", (401, "AuthorizationUnsuccessful")),
        ("privilege_lost", (403, "You do not have permission to access Practice Manager")),
    ],
)
def test_what_knobs_do_to_calls(
    identity: XeroIdentity, xero: SimulatorHandle, knob: str, answer: tuple[int, str]
) -> None:
    token = consented(identity).access_token
    assert httpx.put(f"{xero.url}/_sim/knobs", json={knob: True}).status_code == 200
    assert detail(call(xero, token)) == answer


def test_a_token_without_the_scope_is_denied(identity: XeroIdentity, xero: SimulatorHandle) -> None:
    httpx.put(f"{xero.url}/_sim/knobs", json={"withheld_scopes": ["practicemanager.client.read"]})
    assert detail(call(xero, consented(identity).access_token)) == (401, "AuthorizationUnsuccessful")


def test_a_token_used_after_its_grace_kills_its_family(identity: XeroIdentity, xero: SimulatorHandle) -> None:
    first = consented(identity)
    second = identity.refresh(first.refresh_token or "")
    assert control(xero, "end-grace") == 204
    for dead in (first, second):
        with pytest.raises(GrantRefused):
            identity.refresh(dead.refresh_token or "")
    assert detail(call(xero, second.access_token)) == (401, "AuthenticationUnsuccessful")


def test_what_it_did_is_counted_and_reset(identity: XeroIdentity, xero: SimulatorHandle) -> None:
    grant = consented(identity)
    identity.refresh(grant.refresh_token or "")
    identity.refresh(grant.refresh_token or "")
    with pytest.raises(GrantRefused):
        identity.exchange("made up", code_verifier=VERIFIER)
    counters = f"{xero.url}/_sim/counters"
    assert httpx.get(counters).json()["oauth"] == {"refreshes": 2, "reuses": 1, "invalid_grants": 1}
    httpx.post(f"{counters}/reset")
    assert httpx.get(counters).json()["oauth"] == {}


def test_a_code_runs_out(identity: XeroIdentity, xero: SimulatorHandle) -> None:
    code = consent(identity)["code"]
    xero.simulator.grants.codes[code].until = 0
    with pytest.raises(GrantRefused):
        identity.exchange(code, code_verifier=VERIFIER)


def test_a_stranger_is_not_sent_back(xero: SimulatorHandle) -> None:
    answer = httpx.get(f"{xero.url}/identity/connect/authorize?client_id=stranger&redirect_uri=https://evil.test")
    assert answer.status_code == 400


def test_an_action_that_does_not_exist_is_refused(xero: SimulatorHandle) -> None:
    assert control(xero, "explode") == 404


def test_the_consent_page_asks_which_practices_and_takes_no_for_an_answer(xero: SimulatorHandle) -> None:
    # Given a simulator that asks people
    xero.simulator.knobs = xero.simulator.knobs.changed({"consent_page": True})
    asked = {
        "client_id": xero.config.client_id,
        "redirect_uri": "https://portal.test/back",
        "response_type": "code",
        "code_challenge_method": "S256",
        "state": '"><b>',
    }
    address = f"{xero.url}/identity/connect/authorize"
    # When somebody comes
    page = httpx.get(address, params=asked)
    # Then they see the practices, and nothing of the address becomes part of the page
    assert page.text.count("checkbox") == len(xero.simulator.tenants)
    assert "<b>" not in page.text
    # And a no goes back as one, without a code
    back = httpx.get(address, params={**asked, "answer": "cancel"})
    assert "error=access_denied" in back.headers["location"]
    assert "code=" not in back.headers["location"]
