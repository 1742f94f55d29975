"""The review queue over HTTP: who may look and decide, how decisions are answered, and the history they leave."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from portal_db.states import Role
from tests.handlers.given import find
from tests.web.desk import API, Desk
from tests.world import is_importable_person
from xpm.simulator.serve import SimulatorHandle

ITEMS = f"{API}/review-items"


@pytest.fixture
def queue(desk: Desk, simulator: SimulatorHandle) -> list[dict[str, Any]]:
    """A client with pending items, as its list tells them."""
    person = find(simulator, lambda each: is_importable_person(each) and len(each.relationships) > 2)
    desk.world.run_import(person.uuid)
    items: list[dict[str, Any]] = desk.program().get(ITEMS).json()["items"]
    assert len(items) > 2
    return items


def decide(program: httpx.Client, item: dict[str, Any], action: str, **given: Any) -> httpx.Response:
    return program.post(f"{ITEMS}/{item['id']}/{action}", json={"version": item["version"], **given})


def test_an_item_says_what_it_is_and_whose(desk: Desk, queue: list[dict[str, Any]]) -> None:
    item = queue[0]
    of_client = desk.program().get(f"{API}/clients/{item['client']['id']}/review-items").json()
    assert item in of_client
    assert item["state"] == "pending"
    assert item["direction"] in ("other_is", "client_is", "mutual")
    assert item["relationship"]
    page = desk.program().get(ITEMS, params={"limit": 1}).json()
    then = desk.program().get(ITEMS, params={"limit": 1, "cursor": page["next_cursor"]}).json()
    assert [page["items"][0]["id"], then["items"][0]["id"]] == [each["id"] for each in queue[:2]]
    assert desk.program().get(ITEMS, params={"q": item["name"][:6], "client_id": item["client"]["id"]}).json()["items"]
    assert desk.program().get(ITEMS, params={"suggested": True}).json()["items"] == []
    assert desk.program().get(ITEMS, params={"cursor": "elsewhere"}).json()["code"] == "bad_cursor"


def test_decisions_are_taken_once_and_told(desk: Desk, queue: list[dict[str, Any]]) -> None:
    program, (first, second, third, *_) = desk.program(), queue
    taken = decide(program, first, "import", name="As We Call Them", relationship="Friend")
    assert (taken.status_code, taken.json()["state"]) == (200, "imported")
    late = decide(program, first, "ignore")
    assert (late.status_code, late.json()["code"]) == (409, "already_reviewed")
    client_id = first["client"]["id"]
    team = program.get(f"{API}/clients/{client_id}").json()["team"]
    assert [(each["name"], each["relationship"], each["is_linked"]) for each in team] == [
        ("As We Call Them", "Friend", True)
    ]
    many = [{"id": each["id"], "version": each["version"]} for each in (second, first)]
    assert program.post(f"{ITEMS}/ignore", json={"items": many}).json() == {
        "ignored": [second["id"]], "left_alone": [first["id"]]
    }  # fmt: skip
    assert decide(program, third, "link", team_member_id=str(uuid4())).json()["code"] == "unknown_member"
    told = program.get(f"{API}/clients/{client_id}/history", params={"limit": 200}).json()["items"]
    assert {(row["source"], row["field"], row["after"]) for row in told} >= {
        ("reviewer", "name", "As We Call Them"), ("reviewer", "state", "imported"), ("reviewer", "state", "ignored"),
        ("import", "state", "pending"),
    }  # fmt: skip


def test_basic_staff_look_and_others_do_not_see_it(desk: Desk, queue: list[dict[str, Any]]) -> None:
    for stranger in (desk.other_practice(), desk.staff(Role.PARTNER)):
        program = desk.program(stranger)
        assert program.get(ITEMS).json()["items"] == []
        assert decide(program, queue[0], "ignore").status_code == 404
        assert program.get(f"{API}/clients/{queue[0]['client']['id']}/history").status_code == 404
    assert desk.program(desk.staff(Role.OWNER)).get(ITEMS).json()["items"] == queue
    assert decide(desk.program(desk.staff(Role.BASIC)), queue[0], "ignore").status_code == 403


def test_a_client_is_disconnected_over_http(desk: Desk, queue: list[dict[str, Any]]) -> None:
    address = f"{API}/clients/{queue[0]['client']['id']}/xpm-link"
    assert desk.program().delete(address).status_code == 204
    assert desk.program().delete(address).json()["code"] == "not_connected"
    assert desk.program().get(ITEMS).json()["items"] == []
