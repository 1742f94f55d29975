"""Imports over HTTP: asked for once however often it is sent, told with their steps, listed, and followed live."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select, update

from portal_db.states import ActorKind, ImportState, Role
from portal_db.tables import ApiKey, AuditEntry, Staff
from portal_db.types import db_now
from tests.handlers.given import make_odd
from tests.making import importable
from tests.servers.waiting import wait_until
from tests.web.desk import API, Desk
from web.streams import Streams
from xpm.simulator.serve import SimulatorHandle


def ask(program: httpx.Client, key: str | bytes = "one", **fields: Any) -> httpx.Response:
    wishes = {"xpm_uuid": str(uuid4()), "kind": "individual", **fields}
    value = key if isinstance(key, bytes) else key.encode()
    return program.post(f"{API}/imports", json=wishes, headers={b"Idempotency-Key": value})


def test_the_same_request_is_asked_for_once(any_desk: Desk) -> None:
    program, record = any_desk.program(), str(uuid4())
    first, again = ask(program, xpm_uuid=record), ask(program, xpm_uuid=record)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    assert (first.json()["is_new"], again.json()["is_new"]) == (True, False)
    assert first.headers["location"] == f"{API}/imports/{first.json()['id']}"
    other = ask(program)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_a_request_without_a_key_or_with_fields_that_do_not_fit_is_refused(desk: Desk) -> None:
    program = desk.program()
    missing = program.post(f"{API}/imports", json={"xpm_uuid": str(uuid4()), "kind": "individual"})
    assert (missing.status_code, missing.json()["field"]) == (422, "Idempotency-Key")
    for fields, field in (
        ({"kind": "robot"}, "kind"),
        ({"entity_type": "Trust"}, "entity_type"),
        ({"name": "two\nlines"}, "name"),
        ({"practice_id": str(uuid4())}, "practice_id"),
    ):
        answer = ask(program, **fields)
        assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert ask(program, key=b"one\x85two").json()["field"] == "Idempotency-Key"
    assert program.get(f"{API}/imports").json()["items"] == []


def test_an_import_is_told_with_its_steps_and_what_it_waits_for(desk: Desk, simulator: SimulatorHandle) -> None:
    program, person = desk.program(), importable(simulator)[0]
    asked = ask(program, xpm_uuid=str(person.uuid), send_welcome_email=True).json()
    before = program.get(f"{API}/imports/{asked['id']}").json()
    assert (before["state"], before["is_open"], before["waits_for"]) == ("accepted", True, "Waiting to start…")
    desk.world.run_due()
    after = program.get(f"{API}/imports/{asked['id']}").json()
    assert (after["state"], after["is_open"], after["waits_for"]) == ("succeeded", False, None)
    assert {step["kind"]: step["state"] for step in after["steps"]} == dict.fromkeys(
        ("validate_import", "create_client", "import_details", "import_relationships", "send_welcome_email"),
        "succeeded",
    )
    assert after["client_id"]


def test_a_refused_import_says_why_and_what_to_do(desk: Desk) -> None:
    program = desk.program()
    asked = ask(program).json()
    desk.world.run_due()
    told = program.get(f"{API}/imports/{asked['id']}").json()
    assert told["state"] == "rejected"
    assert told["why"]["code"] == "xpm_client_unknown"
    assert told["why"]["field"] == "xpm_uuid"
    assert told["why"]["remedy"]


def test_a_list_is_paged_to_its_end_and_filtered(any_desk: Desk) -> None:
    program = any_desk.program()
    asked = [ask(program, key=f"key {number}").json()["id"] for number in range(5)]
    found, cursor = [], None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = program.get(f"{API}/imports", params=query).json()
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == asked[::-1]
    any_desk.world.run_due()
    for query, count in (
        ({"state": "rejected"}, 5),
        ({"state": ["succeeded", "accepted"]}, 0),
        ({"code": "xpm_client_unknown", "kind": "individual"}, 5),
        ({"kind": "entity"}, 0),
        ({"since": "2190-01-01T00:00:00Z"}, 0),
    ):
        assert len(program.get(f"{API}/imports", params=query).json()["items"]) == count, query
    assert program.get(f"{API}/imports", params={"cursor": "x"}).json()["code"] == "bad_cursor"


def events(answer: httpx.Response) -> list[dict[str, str]]:
    """Events to the end of a stream."""
    blocks = answer.read().decode().replace("\r\n", "\n").strip().split("\n\n")
    return [dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")) for block in blocks]


def test_a_closed_import_is_told_once_and_the_stream_ends(desk: Desk) -> None:
    program = desk.program()
    import_id = ask(program).json()["id"]
    desk.world.run_due()
    answer = program.get(f"{API}/imports/{import_id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    [event] = events(answer)
    assert event["event"] == "closed"
    assert '"state":"rejected"' in event["data"]


def test_progress_is_followed_to_the_end_and_not_told_twice(desk: Desk) -> None:
    program = desk.program()
    import_id = ask(program).json()["id"]
    address = f"{API}/imports/{import_id}/events"
    with program.stream("GET", address) as answer:
        lines = answer.iter_lines()
        first_id = next(line for line in lines if line.startswith("id: ")).removeprefix("id: ")
        assert next(line for line in lines if line.startswith("event: ")) == "event: progress"
        desk.world.run_due()
        assert "event: closed" in list(lines)
    other = ask(program, key="two").json()["id"]
    with program.stream("GET", f"{API}/imports/{other}/events") as answer:
        seen = next(line for line in answer.iter_lines() if line.startswith("id: ")).removeprefix("id: ")
    assert seen != first_id
    with program.stream("GET", f"{API}/imports/{other}/events", headers={"Last-Event-ID": seen}) as answer:
        desk.world.run_due()
        told = [line for line in answer.iter_lines() if line.startswith("event: ")]
    assert told[-1] == "event: closed"
    assert seen not in told


def test_streams_are_bounded(desk: Desk) -> None:
    program = desk.program()
    address = f"{API}/imports/{ask(program).json()['id']}/events"
    opened = [desk.opened.enter_context(program.stream("GET", address)) for _ in range(6)]
    begun = [answer.iter_lines() for answer in opened]
    assert all(next(lines) for lines in begun)
    refused = program.get(address)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")


def test_one_practice_leaves_streams_to_the_others(desk: Desk) -> None:
    # Given practices that may have two streams each
    desk.app.state.portal = replace(desk.app.state.portal, streams=Streams(per_practice=2))
    first, second, third = (desk.program(desk.staff(Role.OWNER)) for _ in range(3))
    address = f"{API}/imports/{ask(desk.program()).json()['id']}/events"

    def status() -> int:
        with third.stream("GET", address) as answer:
            return answer.status_code

    # When two of the staff of one have opened them
    with second.stream("GET", address) as kept:
        with first.stream("GET", address) as ended:
            assert (kept.status_code, ended.status_code) == (200, 200)
            # Then a third, who has none, is refused, and another practice is not
            assert status() == 429
            assert desk.program(desk.other_practice()).get(address).status_code == 404
        # And when one has ended there is room again
        wait_until(lambda: status() == 200, "there is room again", 20)


def test_of_streams_that_are_asked_for_at_once_no_more_open_than_may(desk: Desk) -> None:
    program = desk.program()
    address, closing = f"{API}/imports/{ask(program).json()['id']}/events", threading.Event()

    def status(_: int) -> int:
        with program.stream("GET", address) as answer:
            if answer.status_code == 200:
                closing.wait(20)
            return answer.status_code

    with ThreadPoolExecutor(30) as pool:
        asked = [pool.submit(status, number) for number in range(30)]
        wait_until(lambda: sum(each.done() for each in asked) == 24, "all others are refused", 20)
        closing.set()
    assert Counter(each.result() for each in asked) == {200: 6, 429: 24}
    with program.stream("GET", address) as again:
        assert again.status_code == 200, "there is room again"


@pytest.mark.parametrize("ending", ["signed out", "a key revoked", "another role", "left"])
def test_a_stream_ends_with_what_it_was_opened_by(desk: Desk, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    monkeypatch.setattr("web.http.events.LOOK_SECONDS", 0.02)
    person = desk.staff(Role.OWNER)
    import_id = ask(desk.program()).json()["id"]
    caller = desk.program(person) if ending == "a key revoked" else desk.signed_in(person)
    with caller.stream("GET", f"{API}/imports/{import_id}/events") as answer:
        lines = answer.iter_lines()
        assert next(lines)
        if ending == "signed out":
            assert caller.delete(f"{API}/session").status_code == 204
        with desk.world.database.write() as tx:
            if ending == "a key revoked":
                tx.session.execute(update(ApiKey).values(ends_at=db_now()))
            elif ending == "another role":
                tx.session.execute(update(Staff).where(Staff.id == person.staff_id).values(role=Role.ACCOUNT_ADMIN))
            elif ending == "left":
                tx.session.execute(update(Staff).where(Staff.id == person.staff_id).values(left_at=db_now()))
        desk.world.run_due()
        assert "event: closed" not in list(lines), "it has ended without having been told the end"


@pytest.mark.parametrize("role", [Role.OWNER, Role.ACCOUNT_ADMIN])
def test_who_sees_all_sees_colleagues_imports(desk: Desk, role: Role) -> None:
    import_id = ask(desk.program()).json()["id"]
    told = desk.program(desk.staff(role)).get(f"{API}/imports/{import_id}").json()
    assert told["state"] == ImportState.ACCEPTED


def test_one_that_was_turned_down_is_corrected_by_staff_and_goes_on(desk: Desk, simulator: SimulatorHandle) -> None:
    program, (first, second) = desk.program(), importable(simulator)[:2]
    ask(program, "first", xpm_uuid=str(first.uuid), email="one@moss.example")
    asked = ask(program, "second", xpm_uuid=str(second.uuid), email="one@moss.example").json()["id"]
    desk.world.run_due()
    assert program.get(f"{API}/imports/{asked}").json()["why"]["code"] == "email_taken"

    taken = program.patch(f"{API}/imports/{asked}", json={"email": "One@Moss.example"})
    assert (taken.status_code, taken.json()["field"]) == (422, "email")
    told = program.patch(f"{API}/imports/{asked}", json={"email": "two@moss.example", "name": "Bo"}).json()
    assert (told["state"], told["revision"], told["changed"]) == ("accepted", 2, ["name", "email"])
    desk.world.run_due()
    assert program.get(f"{API}/imports/{asked}").json()["state"] == "succeeded"
    assert (
        program.patch(f"{API}/imports/{asked}", json={"email": "three@moss.example"}).json()["code"] == "not_amendable"
    )
    assert staff_acts(desk) == ["import.amend", "import.reopen", "import.request", "import.request"]


def test_staff_cancel_an_import_and_the_rest_of_a_batch(any_desk: Desk) -> None:
    program = any_desk.program()
    asked = ask(program).json()["id"]
    done = program.post(f"{API}/imports/{asked}/cancellation")
    assert done.json() == {"id": asked, "state": "cancelled", "email_goes_out": False}
    again = program.post(f"{API}/imports/{asked}/cancellation")
    assert (again.status_code, again.json()["code"]) == (409, "import_closed")

    rows = [{"xpm_uuid": str(uuid4()), "kind": "individual"} for _ in range(30)]
    batch = program.post(f"{API}/batches", json={"rows": rows}, headers={"Idempotency-Key": "b"}).json()["id"]
    first = program.get(f"{API}/imports", params={"batch_id": batch}).json()["items"][0]["id"]
    program.post(f"{API}/imports/{first}/cancellation")
    assert program.post(f"{API}/batches/{batch}/cancellation").json() == {"cancelled": {"cancelled": 29}}
    assert program.get(f"{API}/batches/{batch}").json()["states"] == {"cancelled": 30}
    assert program.post(f"{API}/batches/{batch}/cancellation").json() == {"cancelled": {}}
    assert any_desk.world.run_due() == 0
    assert staff_acts(any_desk) == ["import.cancel"] * 31 + ["import.request"]


def staff_acts(desk: Desk) -> list[str]:
    """What the partner did on imports, by the audit trail."""
    with desk.world.database.read() as tx:
        statement = select(AuditEntry).where(AuditEntry.actor == ActorKind.STAFF, AuditEntry.subject == "import")
        entries = tx.session.scalars(statement).all()
    assert {entry.actor_id for entry in entries} == {desk.partner.staff_id}
    return sorted(entry.action for entry in entries)


def test_what_was_left_out_is_named_and_never_told(own_desk: Desk, own_simulator: SimulatorHandle) -> None:
    program, record = own_desk.program(), importable(own_simulator)[0]
    make_odd(own_simulator, record, dateOfBirth="sometime in May", groups="VIP")
    asked = ask(program, xpm_uuid=str(record.uuid)).json()
    assert program.get(f"{API}/imports/{asked['id']}").json()["left_out"] == []
    own_desk.world.run_due()
    told = program.get(f"{API}/imports/{asked['id']}")
    assert (told.json()["state"], told.json()["left_out"]) == ("succeeded", ["dateOfBirth", "groups"])
    assert "May" not in told.text
