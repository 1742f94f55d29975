"""Tasks over HTTP: to a person, or to somebody who acts for an entity; an entity without anybody is told what it needs."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import update

from handlers.access.caller import Caller
from handlers.clients import tasks
from handlers.clients.tasks import MOST_SHOWN
from portal_db import audit
from portal_db.access import people
from portal_db.clients import tasks as stored
from portal_db.states import FieldSource, Role, TaskKind, TaskState
from portal_db.tables import Practice, TeamMember
from tests.making import importable
from tests.racing import at_once
from tests.web.desk import API, Desk
from tests.web.pages.reading import reader
from xpm.simulator.serve import SimulatorHandle


def send(program: httpx.Client, client_id: object, key: str | None = None, **wishes: Any) -> httpx.Response:
    asked = {"title": "Sign the engagement letter", **wishes}
    return program.post(f"{API}/clients/{client_id}/tasks", json=asked, headers={"Idempotency-Key": key or uuid4().hex})


def connect(program: httpx.Client, client_id: object, **given: Any) -> httpx.Response:
    person = {"name": "Dee Rector", "relationship": "Director", **given}
    return program.post(f"{API}/clients/{client_id}/connections", json=person)


def test_a_person_gets_a_task_due_in_ten_days_of_the_practice(any_desk: Desk, simulator: SimulatorHandle) -> None:
    world, program = any_desk.world, any_desk.program()
    client_id = world.run_import(importable(simulator)[0].uuid).client_id
    with world.database.write() as tx:  # where the date is another one for most of the day
        tx.session.execute(update(Practice).values(time_zone="Pacific/Kiritimati"))
    first, again = send(program, client_id, "one"), send(program, client_id, "one")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert send(program, client_id, "one", title="Another").json()["code"] == "idempotency_conflict"
    (told,) = program.get(f"{API}/clients/{client_id}/tasks").json()["items"]
    today = datetime.now(ZoneInfo("Pacific/Kiritimati")).date()
    assert told["due_date"] in (str(today + timedelta(days=days)) for days in (9, 10))  # if a day ends meanwhile
    assert (told["kind"], told["state"], told["note"], told["connection_id"]) == ("to_do", "open", None, None)


def test_what_does_not_fit_is_refused(desk: Desk, simulator: SimulatorHandle) -> None:
    program, client_id = desk.program(), desk.world.run_import(importable(simulator)[0].uuid).client_id
    for wishes, field in (
        ({"due_date": "2020-01-01"}, "due_date"),
        ({"title": "two\nlines"}, "title"),
        ({"note": "bell \x07"}, "note"),
        ({"connection_id": str(uuid4())}, "connection_id"),
    ):
        answer = send(program, client_id, **wishes)
        assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert connect(program, client_id).json()["code"] == "entities_only"
    assert send(program, client_id, note="Line one\nline two", kind="document_upload").status_code == 201


def test_an_entity_needs_a_connection_first(any_desk: Desk) -> None:
    program, entity = any_desk.program(), any_desk.entity(any_desk.partner)
    refused = send(program, entity)
    assert (refused.status_code, refused.json()["code"]) == (409, "connection_needed")
    assert "Add a connection" in refused.json()["remedy"]

    dee = connect(program, entity).json()["id"]
    assert send(program, entity, "one").status_code == 201
    guest = connect(program, entity, name="Tru Stee", access="guest", email="tru@moss.example").json()["id"]
    assert send(program, entity).json()["code"] == "choose_connection"
    assert send(program, entity, connection_id=str(uuid4())).json()["code"] == "unknown_connection"
    assert send(program, entity, connection_id=guest).status_code == 201
    shown = program.get(f"{API}/clients/{entity}/tasks").json()["items"]
    assert [task["connection_id"] for task in shown] == [guest, dee]
    connections = program.get(f"{API}/clients/{entity}/connections").json()
    assert [(one["id"], one["access"], one["email"]) for one in connections] == [
        (dee, "none", None),
        (guest, "guest", "tru@moss.example"),
    ]
    # And they are of its team
    assert {one["id"] for one in program.get(f"{API}/clients/{entity}").json()["team"]} == {dee, guest}


def test_a_connection_with_open_tasks_stays_until_they_have_ended(any_desk: Desk) -> None:
    program, entity = any_desk.program(), any_desk.entity(any_desk.partner)
    dee = connect(program, entity).json()["id"]
    task = send(program, entity).json()["id"]
    address = f"{API}/clients/{entity}/connections/{dee}"
    assert program.delete(address).json()["code"] == "has_open_tasks"
    assert program.post(f"{API}/clients/{entity}/tasks/{task}/withdrawal").status_code == 204
    ended = program.post(f"{API}/clients/{entity}/tasks/{task}/completion")
    assert (ended.status_code, ended.json()["code"]) == (409, "task_ended")
    assert program.delete(address).status_code == 204
    assert program.get(f"{API}/clients/{entity}").json()["team"] == []
    (told,) = program.get(f"{API}/clients/{entity}/tasks", params={"state": "withdrawn"}).json()["items"]
    assert (told["id"], told["connection_id"]) == (task, None)
    with any_desk.world.database.read() as tx:
        assert [entry.action for entry in audit.of_subject(tx, "task", UUID(task))] == ["task.send", "task.withdrawn"]


def test_who_came_from_xpm_can_act_and_stays_in_the_team_afterwards(desk: Desk) -> None:
    program, entity = desk.program(), desk.entity(desk.partner)
    member = connect(program, entity).json()["id"]
    with desk.world.database.write() as tx:
        tx.session.execute(update(TeamMember).values(xpm_uuid=tx.new_id()))
    address = f"{API}/clients/{entity}/connections/{member}"
    assert program.delete(address).status_code == 204
    assert [one["id"] for one in program.get(f"{API}/clients/{entity}").json()["team"]] == [member]
    assert program.put(address, json={"access": "guest"}).json()["code"] == "email_missing"
    assert program.put(address, json={"access": "guest", "email": "dee@moss.example"}).status_code == 204
    (shown,) = program.get(f"{API}/clients/{entity}/connections").json()
    assert (shown["access"], shown["email"]) == ("guest", "dee@moss.example")


def test_who_came_from_xpm_stays_also_once_the_client_is_disconnected(desk: Desk) -> None:
    """b.34: what was imported stays, though nothing ties it to XPM any more."""
    program, entity = desk.program(), desk.entity(desk.partner)
    member = connect(program, entity).json()["id"]
    with desk.world.database.write() as tx:
        tx.session.execute(update(TeamMember).values(source=FieldSource.XPM, xpm_uuid=None))
    assert program.delete(f"{API}/clients/{entity}/connections/{member}").status_code == 204
    assert [one["id"] for one in program.get(f"{API}/clients/{entity}").json()["team"]] == [member]


def test_many_ended_tasks_hide_no_open_one_and_all_are_listed_page_by_page(any_desk: Desk) -> None:
    # Given a client with as many completed tasks as a page shows, and an open one that is due after them
    world, client_id = any_desk.world, any_desk.client(any_desk.partner).client_id
    due = {"kind": TaskKind.TO_DO, "due_date": date(2026, 1, 1), "team_member_id": None, "fingerprint": ""}
    owner = {"practice_id": world.practice_id, "client_id": client_id, "sent_by": world.staff_id, "note": None}
    with world.database.write() as tx:
        for number in range(MOST_SHOWN):
            task_id = tx.new_id()
            row = {"id": task_id, "title": f"Lodge {number}", "idempotency_key": str(number)}
            assert stored.add(tx, {**owner, **due, **row})
            assert stored.end(tx, client_id, task_id, TaskState.COMPLETED)
    program = any_desk.program()
    task = send(program, client_id, title="Read the letter", due_date="2199-01-01").json()["id"]
    # When their page is opened, Then the open one is the first of it, and the page says that there may be more
    page = reader(any_desk, any_desk.staff(Role.OWNER)).open(f"/clients/{client_id}")
    assert page.text.index("Read the letter") < page.text.index("Lodge ")
    assert "Up to 200 tasks are shown" in page.text
    # And a program reads all of them, newest first
    query: dict[str, Any] = {"state": ["open", "completed"], "limit": 150}
    first = program.get(f"{API}/clients/{client_id}/tasks", params=query).json()
    last = program.get(f"{API}/clients/{client_id}/tasks", params={**query, "cursor": first["next_cursor"]}).json()
    listed = [each["id"] for each in (*first["items"], *last["items"])]
    assert (listed[0], len(set(listed)), last["next_cursor"]) == (task, MOST_SHOWN + 1, None)
    # A state alone and a cursor that is none are judged as in every list
    assert [each["id"] for each in program.get(f"{API}/clients/{client_id}/tasks").json()["items"]] == [task]
    wrong = program.get(f"{API}/clients/{client_id}/tasks", params={"cursor": "none"})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "cursor")


@pytest.mark.parametrize("ways", [("complete", "withdraw"), ("complete", "complete")])
def test_of_two_who_end_a_task_at_once_one_is_told(any_desk: Desk, ways: tuple[str, str]) -> None:
    world, entity = any_desk.world, any_desk.entity(any_desk.partner)
    connect(any_desk.program(), entity)
    task = UUID(send(any_desk.program(), entity).json()["id"])
    with world.database.read() as tx:
        staff = people.get_staff(tx, world.staff_id, practice_id=world.practice_id)
    assert staff is not None
    came = at_once(*(partial(getattr(tasks, way), world.database, Caller.of(staff), entity, task) for way in ways))
    assert sorted(getattr(one, "code", "done") for one in came) == ["done", "task_ended"]
