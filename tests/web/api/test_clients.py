"""Clients over HTTP: the list with its marks, one client with where each value comes from, and its ties to XPM."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import update

from portal_db.clients import clients
from portal_db.states import JobState
from portal_db.tables import XpmConnection
from tests.making import importable
from tests.web.desk import API, Desk
from tests.world import TENANT
from xpm.simulator.serve import SimulatorHandle


def imported(desk: Desk, simulator: SimulatorHandle, number: int = 0, **fields: Any) -> str:
    row = desk.world.run_import(importable(simulator)[number].uuid, **fields)
    return str(row.client_id)


def bring(program: httpx.Client, client_id: str, key: str = "later", **wanted: Any) -> httpx.Response:
    return program.post(f"{API}/clients/{client_id}/imports", json=wanted, headers={"Idempotency-Key": key})


def test_the_list_marks_new_clients_and_says_who_was_invited(desk: Desk, simulator: SimulatorHandle) -> None:
    invited, quiet = imported(desk, simulator, 0, send_welcome_email=True), imported(desk, simulator, 1)
    listed = {item["id"]: item for item in desk.program().get(f"{API}/clients").json()["items"]}
    assert all(item["is_new"] and item["xpm_link"] for item in listed.values())
    assert listed[invited]["invitation"]["state"] == "invited"
    assert listed[quiet]["invitation"]["state"] == "not_invited"
    entity = str(desk.entity(desk.partner))
    assert desk.program().get(f"{API}/clients", params={"kind": "entity"}).json()["items"][0]["id"] == entity


def test_the_list_is_searched_by_any_part_of_the_name_and_paged(any_desk: Desk) -> None:
    program = any_desk.program()
    made = [str(any_desk.entity(any_desk.partner, f"Reef 100% _ {number}")) for number in range(3)]
    elan = str(any_desk.entity(any_desk.partner, "ÉLAN Vital Ñandú"))
    assert [item["id"] for item in program.get(f"{API}/clients", params={"q": "élan vital Ñ"}).json()["items"]] == [
        elan
    ]
    first = program.get(f"{API}/clients", params={"q": "EEF 100% _", "limit": 2}).json()
    then = program.get(f"{API}/clients", params={"q": "eef", "limit": 2, "cursor": first["next_cursor"]}).json()
    assert [item["id"] for item in (*first["items"], *then["items"])] == made[::-1]
    assert then["next_cursor"] is None
    assert program.get(f"{API}/clients", params={"q": "100_"}).json()["items"] == []


def test_a_client_is_told_with_where_each_value_comes_from(desk: Desk, simulator: SimulatorHandle) -> None:
    client_id = imported(desk, simulator, name="As We Call Them")
    told = desk.program().get(f"{API}/clients/{client_id}").json()
    assert told["fields"]["name"] | {"as_of": None} == {
        "value": "As We Call Them", "source": "import", "is_override": True, "as_of": None
    }  # fmt: skip
    assert told["fields"]["email"]["source"] == "xpm"
    items = desk.program().get(f"{API}/clients/{client_id}/review-items").json()
    assert items == [item for item in told["relationships"] if item["state"] == "pending"]
    ignored = desk.program().get(f"{API}/clients/{client_id}/review-items", params={"state": "ignored"})
    assert ignored.json() == []


def test_details_and_relationships_are_imported_later(any_desk: Desk, simulator: SimulatorHandle) -> None:
    """The article's next step: the client was added alone, its details and relationships follow when asked for."""
    program = any_desk.program()
    client_id = imported(any_desk, simulator, bring_details=False, bring_relationships=False)
    assert program.get(f"{API}/clients/{client_id}").json()["fields"].keys() == {"name", "email"}
    asked = bring(program, client_id)
    assert asked.status_code == 202
    any_desk.world.run_due()
    told = program.get(f"{API}/imports/{asked.json()['id']}").json()
    assert (told["state"], told["client_id"]) == ("succeeded", client_id)
    assert {step["kind"] for step in told["steps"]} == {"import_details", "import_relationships"}
    assert program.get(f"{API}/clients/{client_id}").json()["fields"].keys() > {"name", "email"}


def test_the_same_request_to_bring_is_taken_once(desk: Desk, simulator: SimulatorHandle) -> None:
    program, client_id = desk.program(), imported(desk, simulator)
    first, again = bring(program, client_id), bring(program, client_id)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    assert bring(program, client_id, details=False).json()["code"] == "idempotency_conflict"
    assert bring(program, client_id, "other", details=False, relationships=False).status_code == 422
    desk.world.run_due()
    only = bring(program, client_id, "details", relationships=False).json()["id"]
    assert desk.world.states_of(UUID(only)) == {"import_details": JobState.QUEUED}


def test_nothing_is_brought_for_a_client_that_is_not_connected(desk: Desk, simulator: SimulatorHandle) -> None:
    program, client_id = desk.program(), imported(desk, simulator)
    with desk.world.database.write() as tx:
        clients.unlink(tx, UUID(client_id))
    refused = bring(program, client_id)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_connected")


def test_disconnecting_after_the_request_writes_nothing(desk: Desk, simulator: SimulatorHandle) -> None:
    program = desk.program()
    client_id = imported(desk, simulator, bring_details=False, bring_relationships=False)
    asked = bring(program, client_id).json()["id"]
    with desk.world.database.write() as tx:
        clients.unlink(tx, UUID(client_id))
    desk.world.run_due()
    told = program.get(f"{API}/imports/{asked}").json()
    assert told["why"]["code"] == "not_connected"
    assert program.get(f"{API}/clients/{client_id}").json()["fields"].keys() == {"name", "email"}


def company(simulator: SimulatorHandle) -> UUID:
    records = simulator.simulator.practices[TENANT].clients.values()
    return next(row.uuid for row in records if row.business_structure == "Company" and not row.is_archived)


def test_a_client_is_connected_to_its_record_once(any_desk: Desk, simulator: SimulatorHandle) -> None:
    program, record = any_desk.program(), str(company(simulator))
    one, other = any_desk.entity(any_desk.partner), any_desk.entity(any_desk.partner, "Other")
    before = program.get(f"{API}/clients/{one}").json()["fields"]
    assert program.put(f"{API}/clients/{one}/xpm-link", json={"xpm_uuid": record}).status_code == 204
    told = program.get(f"{API}/clients/{one}").json()
    assert told["xpm_link"]["xpm_uuid"] == record
    assert told["fields"] == before  # connecting by itself changes no data (b.34)
    for client_id in (one, other):
        again = program.put(f"{API}/clients/{client_id}/xpm-link", json={"xpm_uuid": record})
        assert (again.status_code, again.json()["code"]) == (409, "already_linked")
    assert bring(program, str(one)).status_code == 202


def test_a_client_is_connected_to_a_record_of_its_kind_that_xpm_knows(desk: Desk, simulator: SimulatorHandle) -> None:
    program, entity = desk.program(), desk.entity(desk.partner)
    address = f"{API}/clients/{entity}/xpm-link"
    person = str(importable(simulator)[0].uuid)
    assert program.put(address, json={"xpm_uuid": person}).json()["code"] == "wrong_kind"
    assert program.put(address, json={"xpm_uuid": str(uuid4())}).json()["code"] == "xpm_client_unknown"


@pytest.mark.parametrize(
    ("state", "code"), [("broken", "reconnect_xpm"), ("disconnected", "integration_not_configured")]
)
def test_connecting_a_client_needs_a_connection_that_works(desk: Desk, state: str, code: str) -> None:
    entity = desk.entity(desk.partner)
    with desk.world.database.write() as tx:
        tx.session.execute(update(XpmConnection).values(state=state))
    answer = desk.program().put(f"{API}/clients/{entity}/xpm-link", json={"xpm_uuid": str(uuid4())})
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert answer.json()["remedy"]
