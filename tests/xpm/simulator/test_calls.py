"""The calls themselves: who gets in, what each list holds, pages, searches, changes since, and several tenants."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from tests.xpm.simulator.reading import HTTP, call, control, tree, truth
from xpm.simulator import SimulatorConfig, SimulatorHandle, TenantSpec, running


def uuids(answer: httpx.Response) -> list[str]:
    return [client["uuid"] for client in tree(answer)["clients"]]


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic simulator-token", "simulator-token"])
def test_a_wrong_token_gets_the_gateways_401_even_in_xml(still: SimulatorHandle, header: str) -> None:
    answer = call(still, "staff.api/list", Authorization=header)
    assert answer.status_code == 401
    assert (answer.json()["Title"], answer.json()["Status"]) == ("Unauthorized", 401)


def test_a_wrong_tenant_gets_the_gateways_403(still: SimulatorHandle) -> None:
    answer = call(still, "staff.api/list", xero_tenant_id=str(uuid4()))
    assert answer.status_code == 403
    assert answer.json()["Detail"] == "AuthenticationUnsuccessful"
    assert "X-MinLimit-Remaining" not in answer.headers


def test_the_list_holds_everybody_and_ignores_pages(still: SimulatorHandle) -> None:
    everybody = [fact["uuid"] for fact in truth(still)]
    assert uuids(call(still, "client.api/list", as_json=True)) == everybody
    assert uuids(call(still, "client.api/list?page=2&pagesize=10", as_json=True)) == everybody


@pytest.mark.parametrize("spelling", ["modifiedsince", "modifiedSince"])
def test_changes_since_a_moment(still: SimulatorHandle, spelling: str) -> None:
    facts = truth(still)
    middle = sorted(fact["modified"] for fact in facts)[40]
    expected = [fact["uuid"] for fact in facts if fact["modified"] >= middle]
    assert len(expected) == 20
    answer = call(still, f"client.api/list?detailed=true&{spelling}={middle.removesuffix('+00:00')}", as_json=True)
    assert uuids(answer) == expected


def test_a_moment_that_is_none_is_refused(still: SimulatorHandle) -> None:
    assert call(still, "client.api/list?modifiedsince=yesterday").status_code == 400


def test_search_looks_in_names_emails_and_codes_in_any_case(still: SimulatorHandle) -> None:
    fact = next(fact for fact in truth(still) if fact["email"] and fact["first_name"] and not fact["is_deleted"])
    for query in (fact["name"].upper(), fact["email"][:6], fact["client_code"].lower()):
        answer = call(still, f"client.api/search?query={httpx.QueryParams(q=query)['q']}", as_json=True)
        assert fact["uuid"] in uuids(answer)
    assert uuids(call(still, "client.api/search?query=%20", as_json=True)) == []
    assert uuids(call(still, "client.api/search?query=no-such-thing", as_json=True)) == []


def test_search_finds_archived_clients_but_no_deleted_ones(still: SimulatorHandle) -> None:
    facts = truth(still)
    archived, deleted = (next(fact for fact in facts if fact[flag]) for flag in ("is_archived", "is_deleted"))
    assert archived["uuid"] in uuids(call(still, f"client.api/search?query={archived['client_code']}", as_json=True))
    assert deleted["uuid"] not in uuids(call(still, f"client.api/search?query={deleted['client_code']}", as_json=True))


@pytest.mark.parametrize(("knob", "status"), [("ok_error", 200), ("not_found", 404), ("server_error", 500)])
def test_an_unknown_client_is_answered_as_the_knob_says(fresh: SimulatorHandle, knob: str, status: int) -> None:
    control(fresh, "PUT", "knobs", {"unknown_uuid": knob})
    for identifier in (str(uuid4()), "not-a-uuid"):
        answer = call(fresh, f"client.api/get/{identifier}")
        assert answer.status_code == status
        assert tree(answer) == {"Status": "ERROR", "ErrorDescription": "Invalid client identifier"}


def test_groups_and_their_members_agree_with_the_clients(still: SimulatorHandle) -> None:
    members: dict[str, list[str]] = {}
    for fact in truth(still):
        for group in fact["groups"]:
            members.setdefault(group["uuid"], []).append(fact["uuid"])
    groups = tree(call(still, "clientgroup.api/list", as_json=True))["groups"]
    assert {group["uuid"] for group in groups} == set(members)
    for uuid, expected in members.items():
        group = tree(call(still, f"clientgroup.api/get/{uuid}", as_json=True))["group"]
        assert [client["uuid"] for client in group["clients"]] == expected


def test_tenants_are_apart_and_all_connected() -> None:
    other = TenantSpec(str(uuid4()), clients=45, seed=9, tenant_name="Second & Co")
    with running(SimulatorConfig(clients=41, seed=8, more_tenants=(other,))) as handle:
        mine = uuids(call(handle, "client.api/list", as_json=True))
        theirs = uuids(call(handle, "client.api/list", as_json=True, xero_tenant_id=other.tenant_id))
        connections = HTTP.get(
            f"{handle.url}/connections", headers={"Authorization": handle.headers["Authorization"]}
        ).json()
        foreign = call(handle, f"client.api/get/{theirs[0]}")
        denied = HTTP.get(f"{handle.url}/connections")
    assert (len(mine), len(theirs), set(mine) & set(theirs)) == (41, 45, set())
    assert tree(foreign)["Status"] == "ERROR"
    assert [(each["tenantId"], each["tenantType"], each["tenantName"]) for each in connections] == [
        (handle.config.tenant_id, "PRACTICEMANAGER", None),
        (other.tenant_id, "PRACTICEMANAGER", "Second & Co"),
    ]
    assert all(each["id"] != each["tenantId"] for each in connections)
    assert denied.status_code == 401
