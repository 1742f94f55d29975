"""Xero's list of connections: XPM practices only, names often missing, and leaving one."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.xpm.oauth.test_identity import consented
from xpm.oauth import Http, IdentityMalformed, IdentityUnavailable, TokenRefused, XeroConnections, XeroIdentity
from xpm.simulator import SimulatorHandle

ITEM: dict[str, Any] = {"id": "c-1", "tenantId": "t-1", "tenantType": "PRACTICEMANAGER", "tenantName": None}


def scripted(response: httpx.Response) -> XeroConnections:
    http = Http(seconds=5, transport=httpx.MockTransport(lambda _: response))
    return XeroConnections("https://api.test/connections", http)


def test_a_practice_without_a_name_is_one_too(
    identity: XeroIdentity, at_xero: XeroConnections, xero: SimulatorHandle
) -> None:
    [tenant] = at_xero.tenants(consented(identity).access_token)
    assert (tenant.tenant_id, tenant.name) == (xero.config.tenant_id, None)


def test_organisations_are_left_out(identity: XeroIdentity, at_xero: XeroConnections, xero: SimulatorHandle) -> None:
    everything = (xero.config.tenant_id, "second-tenant")
    xero.simulator.knobs = xero.simulator.knobs.changed({"other_tenants": True, "consent_tenants": everything})
    found = at_xero.tenants(consented(identity).access_token)
    assert {tenant.tenant_id: tenant.name for tenant in found} == dict.fromkeys(everything) | {
        "second-tenant": "Second Practice"
    }


def test_the_practices_of_one_consent_can_be_asked_for(
    identity: XeroIdentity, at_xero: XeroConnections, xero: SimulatorHandle
) -> None:
    token = consented(identity).access_token
    listed = httpx.get(f"{xero.url}/connections", headers={"Authorization": f"Bearer {token}"}).json()
    assert len(at_xero.tenants(token, auth_event_id=listed[0]["authEventId"])) == 1
    assert at_xero.tenants(token, auth_event_id="another") == []


def test_leaving_takes_a_practice_off_the_list_and_twice_is_no_error(
    identity: XeroIdentity, at_xero: XeroConnections, xero: SimulatorHandle
) -> None:
    token = consented(identity).access_token
    [tenant] = at_xero.tenants(token)
    assert tenant.connection_id != tenant.tenant_id
    at_xero.delete(token, tenant.connection_id)
    at_xero.delete(token, tenant.connection_id)
    assert at_xero.tenants(token) == []
    assert xero.simulator.grants.counts["deletions"] == 1


def test_a_token_that_ran_out_is_refused(
    identity: XeroIdentity, at_xero: XeroConnections, xero: SimulatorHandle
) -> None:
    token = consented(identity).access_token
    xero.simulator.grants.expire_all()
    with pytest.raises(TokenRefused):
        at_xero.tenants(token)
    with pytest.raises(TokenRefused):
        at_xero.delete(token, "any")


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (httpx.Response(503, text="offline"), IdentityUnavailable),
        (httpx.Response(200, json={"connections": []}), IdentityMalformed),
        (httpx.Response(200, text="[{"), IdentityMalformed),
        (httpx.Response(404, json=[]), IdentityMalformed),
        (httpx.Response(200, json=[{**ITEM, "tenantId": None}]), IdentityMalformed),
        (httpx.Response(200, json=[{**ITEM, "tenantId": "t" * 65}]), IdentityMalformed),
        (httpx.Response(403, json={"Title": "Forbidden", "Status": 403}), TokenRefused),
        (httpx.Response(403, json={}), IdentityMalformed),
        (httpx.Response(401, text="<html>Sign in to the guest network</html>"), IdentityMalformed),
        (httpx.Response(302, headers={"location": "https://proxy.test"}), IdentityMalformed),
        (httpx.Response(204), IdentityMalformed),
    ],
)
def test_what_is_no_list_is_an_error(response: httpx.Response, error: type[Exception]) -> None:
    with pytest.raises(error):
        scripted(response).tenants("token")


def test_fields_that_are_not_known_and_dates_do_no_harm() -> None:
    item = {**ITEM, "createdDateUtc": "2019-12-07T18:46:19.5165400", "news": {}, "tenantName": " "}
    [tenant] = scripted(httpx.Response(200, json=[item, "odd"])).tenants("token")
    assert tenant.name is None
