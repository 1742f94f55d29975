"""The wire: every record readable in both formats, both telling the same, and both telling the truth."""

from __future__ import annotations

from typing import Any

import pytest

from tests.xpm.simulator.reading import HTTP, JSON_HEADERS, alike, call, tree, truth
from xpm.simulator import SimulatorConfig, SimulatorHandle, running
from xpm.simulator.extras import CANARY
from xpm.simulator.knobs import Knobs

LISTS = [
    "client.api/list",
    "client.api/list?detailed=true",
    "client.api/search?query=a",
    "client.api/search?query=a&detailed=true",
    "clientgroup.api/list",
    "staff.api/list",
]


@pytest.mark.parametrize("path", LISTS)
def test_both_formats_of_a_list_say_the_same(still: SimulatorHandle, path: str) -> None:
    xml, json = call(still, path), call(still, path, as_json=True)
    assert xml.headers["content-type"].startswith("text/xml")
    assert json.headers["content-type"].startswith("application/json")
    assert alike(tree(xml)) == alike(tree(json))
    assert tree(xml)["Status"] == tree(json)["status"] == "OK"


def test_both_formats_of_every_client_and_group_say_the_same(still: SimulatorHandle) -> None:
    practice = still.simulator.practices[still.config.tenant_id]
    paths = [f"client.api/get/{uuid}" for uuid in practice.clients] + [
        f"clientgroup.api/get/{uuid}" for uuid in practice.groups
    ]
    for path in paths:
        xml, json = alike(tree(call(still, path))), alike(tree(call(still, path, as_json=True)))
        assert xml == json
        assert "client" in xml or xml["group"]["clients"]


def test_every_client_of_the_detailed_list_tells_the_truth(still: SimulatorHandle) -> None:
    shown = tree(call(still, "client.api/list?detailed=true", as_json=True))["clients"]
    facts = truth(still)
    assert [client["uuid"] for client in shown] == [fact["uuid"] for fact in facts]
    for client, fact in zip(shown, facts, strict=True):
        assert client["name"] == fact["name"]
        for key, name in {
            "email": "email",
            "firstName": "first_name",
            "businessStructure": "business_structure",
        }.items():
            assert (client.get(key) or None) == fact[name]
        assert (client.get("isArchived") == "Yes", client.get("isDeleted") == "Yes") == (
            fact["is_archived"],
            fact["is_deleted"],
        )
        assert [_row(row) for row in client.get("relationships", [])] == [
            (row["label"], row["related_uuid"], row["related_name"], row["number_of_shares"] or 0, row["end_date"])
            for row in fact["relationships"]
        ]


def _row(row: dict[str, Any]) -> tuple[object, ...]:
    related = row["relatedClient"]
    return row["type"], related["uuid"], related["name"], row["numberOfShares"], row["endDate"]


def test_json_needs_both_headers(still: SimulatorHandle) -> None:
    for kept in JSON_HEADERS:
        answer = HTTP.get(f"{still.api_url}/staff.api/list", headers={**still.headers, kept: JSON_HEADERS[kept]})
        assert answer.headers["content-type"].startswith("text/xml")


def test_a_practice_without_the_feature_answers_xml_to_all() -> None:
    with running(SimulatorConfig(clients=3, knobs=Knobs(strict_content_type=False))) as handle:
        assert call(handle, "staff.api/list", as_json=True).headers["content-type"].startswith("text/xml")


def test_birthdays_carry_a_midnight_in_lists_only(still: SimulatorHandle) -> None:
    person = next(
        fact for fact in truth(still) if fact["date_of_birth"] and not fact["is_archived"] and not fact["is_deleted"]
    )
    born, uuid = person["date_of_birth"], person["uuid"]

    def shown(path: str) -> str:
        clients = tree(call(still, path, as_json=True))["clients"]
        return str(next(client["dateOfBirth"] for client in clients if client["uuid"] == uuid))

    assert shown("client.api/list") == f"{born}T00:00:00"
    assert shown(f"client.api/search?query={person['client_code']}") == born
    assert tree(call(still, f"client.api/get/{uuid}", as_json=True))["client"]["dateOfBirth"] == born


def test_calls_differ_in_how_much_of_a_client_they_show(still: SimulatorHandle) -> None:
    def elements(path: str) -> set[str]:
        return {key for client in tree(call(still, path))["Clients"] for key in client}

    details = {"Notes", "Groups", "Relationships"}
    assert elements("client.api/list") & (details | {"Contacts"}) == {"Contacts"}
    assert elements("client.api/list?detailed=true") >= details | {"Contacts"}


def test_empty_fields_are_told_in_three_ways(still: SimulatorHandle) -> None:
    clients = tree(call(still, "client.api/list", as_json=True))["clients"]
    assert {client.get("middleName", "absent") for client in clients} >= {None, "", "absent"}


def test_what_the_portal_must_drop_is_there_to_be_dropped(still: SimulatorHandle) -> None:
    answer = call(still, "client.api/list?detailed=true", as_json=True)
    first = tree(answer)["clients"][0]
    assert first["taxNumber"].startswith("******")
    assert CANARY in first["bankAccountName"]
    assert any(CANARY in note["text"] for client in tree(answer)["clients"] for note in client.get("notes", []))
    assert any(
        CANARY in contact["name"] for client in tree(answer)["clients"] for contact in client.get("contacts", [])
    )


def test_the_legacy_attribute_is_a_knob() -> None:
    with running(SimulatorConfig(clients=3, knobs=Knobs(api_method_attribute=True))) as handle:
        assert '<Response api-method="List">' in call(handle, "client.api/list").text
