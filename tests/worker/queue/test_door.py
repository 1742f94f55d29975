"""The queue door: accepted means committed, the same request is one import, and an outage loses nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

import worker.queue.door
from portal_db.database import Database, Tx
from portal_db.states import ImportState
from portal_db.tables import MalformedMessage
from portal_db.work import imports
from tests.making import importable
from tests.servers.waiting import wait_until
from tests.worker.queue.desk import Desk
from tests.worker.runner.running import FlakyDatabase, count, flaky
from worker.queue.door import QUEUE, Door
from xpm.simulator.serve import SimulatorHandle


@pytest.fixture(autouse=True)
def _the_door_is_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.queue.door, "RETRY_SECONDS", 0.01)


def fields(desk: Desk, **more: object) -> dict[str, Any]:
    return desk.world.request(uuid4(), **more).model_dump(mode="json")  # type: ignore[arg-type]  # any of its fields


def kept(desk: Desk) -> list[bytes]:
    """What was put aside, decrypted."""
    with desk.world.database.read() as tx:
        rows = tx.session.scalars(select(MalformedMessage)).all()
    return [desk.settings.vault.decrypt(row.payload) for row in rows]


def test_a_request_becomes_an_import_and_is_done(desk: Desk, simulator: SimulatorHandle) -> None:
    person = importable(simulator)[0]
    request = desk.world.request(person.uuid, send_welcome_email=True)
    desk.post(request.model_dump())
    with desk.working():
        wait_until(partial(desk.receipt, request.request_id), "a receipt")
        wait_until(lambda: not desk.unacknowledged(QUEUE), "the request has left Redis")
        [import_id] = [row.id for row in _imports(desk)]
        wait_until(partial(desk.is_closed, import_id), "it is closed")
    receipt = {"status": "accepted", "import_id": str(import_id), "message_id": "m-1"}
    assert desk.receipt(request.request_id) == receipt
    assert desk.world.import_row(import_id).state is ImportState.SUCCEEDED


def _imports(desk: Desk) -> list[Any]:
    with desk.world.database.read() as tx:
        return list(imports.listing(tx))


def test_accepted_is_said_after_the_commit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    say = Door._leave_receipt

    def listen(self: Door, practice_id: UUID, request_id: str, receipt: dict[str, Any]) -> None:
        seen.append((receipt["status"], count(desk.world, "imports"), count(desk.world, "jobs")))
        say(self, practice_id, request_id, receipt)

    monkeypatch.setattr(Door, "_leave_receipt", listen)
    desk.door().take(fields(desk))
    assert seen == [("accepted", 1, 1)]


def test_a_receipt_names_nobody_and_does_not_stay_for_ever(desk: Desk) -> None:
    request = fields(desk, name="Jane Roe", email="jane@example.com")
    desk.door().take(request)
    key = desk.key(f"receipts:{desk.world.practice_id}:{request['request_id']}")
    data: Any = desk.client.get(key)
    assert b"ane" not in data
    ttl: Any = desk.client.ttl(key)
    assert 0 < ttl <= 24 * 3600


def test_the_same_request_again_is_the_same_import(desk: Desk) -> None:
    request = fields(desk)
    receipts = []
    for _ in range(3):
        desk.door().take(request)
        receipts.append(desk.receipt(request["request_id"]))
    assert receipts == [receipts[0]] * 3
    assert receipts[0] is not None
    assert receipts[0]["status"] == "accepted"
    assert [count(desk.world, table) for table in ("imports", "jobs")] == [1, 1]


def test_a_receipt_names_the_message_that_it_answers(sqlite_desk: Desk) -> None:
    request = fields(sqlite_desk)

    def answered() -> tuple[str, str] | None:
        receipt = sqlite_desk.receipt(request["request_id"])
        return (receipt["message_id"], receipt["status"]) if receipt else None

    with sqlite_desk.working():
        # Given a request that was refused
        sqlite_desk.post({**request, "kind": "dragon"}, "m-1")
        wait_until(answered, "a receipt")
        assert answered() == ("m-1", "refused")
        # When it is corrected and sent again, then its sender can tell the new answer from the old one
        sqlite_desk.post(request, "m-2")
        wait_until(lambda: answered() == ("m-2", "accepted"), "the receipt of the second message")


@pytest.mark.parametrize("receipt", ["still there", "gone"])
@pytest.mark.parametrize(
    ("change", "code"), [({"xpm_uuid": str(UUID(int=1))}, "idempotency_conflict"), ({"kind": "dragon"}, "bad_request")]
)
def test_another_request_under_a_used_id_is_refused_and_the_first_stays_accepted(
    desk: Desk, change: dict[str, str], code: str, receipt: str
) -> None:
    # Given an accepted request, whose receipt may have gone with Redis
    first = fields(desk)
    desk.door().take(first)
    accepted = desk.receipt(first["request_id"])
    assert accepted is not None
    assert accepted["status"] == "accepted"
    if receipt == "gone":
        desk.client.flushdb()
    # When another request comes under its id
    desk.door().take({**first, **change})
    # Then the first one's producer still reads that it was accepted, and the second one's what is wrong
    now = desk.receipt(first["request_id"])
    assert now is not None
    assert {name: now[name] for name in accepted} == accepted
    assert now["refused"]["code"] == code
    assert now["refused"]["remedy"]
    assert count(desk.world, "imports") == 1
    assert len(kept(desk)) == 1


REFUSED: dict[str, tuple[dict[str, object], str, str | None]] = {
    "a field of the wrong kind": ({"kind": "dragon"}, "bad_request", "kind"),
    "a field nobody knows": ({"colour": "red"}, "bad_request", "colour"),
    "a line break in the email": ({"email": "a@example.com\nBcc: b@example.com"}, "bad_request", "email"),
    "an unknown staff member": ({"requested_by": str(uuid4())}, "unknown_staff", "requested_by"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_says_what_and_where(sqlite_desk: Desk, case: str) -> None:
    changes, code, field = REFUSED[case]
    request = {**fields(sqlite_desk, name="Jane Roe"), **changes}
    sqlite_desk.door().take(request)
    receipt = sqlite_desk.receipt(request["request_id"])
    assert receipt is not None
    assert (receipt["status"], receipt["code"], receipt["field"]) == ("refused", code, field)
    assert receipt["message"]
    assert receipt["remedy"]
    assert "Jane" not in str(receipt)
    assert "dragon" not in str(receipt)
    [payload] = kept(sqlite_desk)
    assert b"Jane Roe" in payload
    assert count(sqlite_desk.world, "imports") == 0


@pytest.mark.parametrize("request_id", [None, "", 7, ["x"], "x" * 201, {"a": 1}])
def test_a_request_without_a_usable_id_is_kept_and_gets_no_receipt(sqlite_desk: Desk, request_id: object) -> None:
    sqlite_desk.door().take({**fields(sqlite_desk), "request_id": request_id})
    assert len(kept(sqlite_desk)) == 1
    assert list(sqlite_desk.client.scan_iter("*receipts*")) == []


def test_the_same_nonsense_is_kept_once(sqlite_desk: Desk) -> None:
    request = {**fields(sqlite_desk), "kind": "dragon"}
    for _ in range(3):
        sqlite_desk.door().take(request)
    assert len(kept(sqlite_desk)) == 1


def test_of_a_message_that_is_too_large_the_beginning_is_kept(sqlite_desk: Desk) -> None:
    sqlite_desk.door().keep_malformed(QUEUE, b"jane " * 1_000_000)
    sqlite_desk.door().keep_malformed(QUEUE, b"jane " * 999_999)
    assert [len(payload) for payload in kept(sqlite_desk)] == [worker.queue.door.KEPT_BYTES] * 2


def test_so_many_malformed_messages_are_kept_in_a_day(sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.queue.door, "KEPT_PER_DAY", 3)
    requests = [{**fields(sqlite_desk), "kind": "dragon"} for _ in range(5)]
    for request in requests:
        sqlite_desk.door().take(request)
    assert len(kept(sqlite_desk)) == 3
    for request in requests:
        receipt = sqlite_desk.receipt(request["request_id"])
        assert receipt is not None
        assert receipt["code"] == "bad_request", "their producers are told all the same"
    sqlite_desk.world.pass_time(24 * 3600 + 1)
    sqlite_desk.door().take({**fields(sqlite_desk), "kind": "dragon"})
    assert len(kept(sqlite_desk)) == 4


def test_a_field_that_is_nested_deeply_is_refused_like_any_other(sqlite_desk: Desk) -> None:
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    request = {**fields(sqlite_desk), "name": deep}
    sqlite_desk.door().take(request)
    receipt = sqlite_desk.receipt(request["request_id"])
    assert receipt is not None
    assert receipt["code"] == "bad_request"
    assert len(kept(sqlite_desk)) == 1


def test_an_unknown_practice_gets_a_refusal(sqlite_desk: Desk) -> None:
    request = {**fields(sqlite_desk), "practice_id": str(uuid4())}
    sqlite_desk.door().take(request)
    key = sqlite_desk.key(f"receipts:{request['practice_id']}:{request['request_id']}")
    data: Any = sqlite_desk.client.get(key)
    assert b"unknown_practice" in data


def test_a_commit_whose_answer_was_lost_is_one_import(desk: Desk) -> None:
    request = fields(desk)
    with flaky(desk.world) as (database, services):
        database.lost_answers = 1
        desk.door(services).take(request)
    [row] = _imports(desk)
    receipt = {"status": "accepted", "import_id": str(row.id), "message_id": None}
    assert desk.receipt(request["request_id"]) == receipt


class AwayDatabase(FlakyDatabase):
    """A database nobody can reach while `away` is set; `asked` is set when somebody has tried."""

    away: threading.Event
    asked: threading.Event

    @contextmanager
    def write(self) -> Iterator[Tx]:
        if self.away.is_set():
            self.asked.set()
            raise OperationalError("BEGIN", None, ConnectionError("connection refused"))
        with Database.write(self) as tx:
            yield tx


@pytest.fixture
def away(desk: Desk) -> Iterator[AwayDatabase]:
    database = AwayDatabase(desk.world)
    database.away, database.asked = threading.Event(), threading.Event()
    database.away.set()
    yield database
    database.away.clear()
    database.close()


def test_while_the_database_is_away_a_request_waits_unacknowledged(desk: Desk, away: AwayDatabase) -> None:
    request = fields(desk)
    desk.post(request)
    with desk.working(services=replace(desk.services, database=away)):
        wait_until(away.asked.is_set, "the door has tried")
        away.asked.clear()
        wait_until(away.asked.is_set, "and tried again")
        assert desk.unacknowledged(QUEUE) == 1
        assert desk.receipt(request["request_id"]) is None
        away.away.clear()
        wait_until(partial(desk.receipt, request["request_id"]), "a receipt")
        wait_until(lambda: desk.unacknowledged(QUEUE) == 0, "the request has left Redis")
    assert count(desk.world, "imports") == 1


def test_while_the_database_is_away_what_cannot_be_read_waits_too(desk: Desk, away: AwayDatabase) -> None:
    desk.put(QUEUE, b"garbage", "bad")
    with desk.working(services=replace(desk.services, database=away)):
        wait_until(away.asked.is_set, "the consumer has tried to put it aside")
        assert desk.unacknowledged(QUEUE) == 1
        away.away.clear()
        wait_until(lambda: desk.unacknowledged(QUEUE) == 0, "it has left Redis")
    assert kept(desk) == [b"garbage"]


def test_a_request_that_trips_over_a_bug_of_ours_is_kept(sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception would acknowledge the message (P1), and nobody would ever know."""

    def trip(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(worker.queue.door, "accept", trip)
    request = fields(sqlite_desk, name="Jane Roe")
    sqlite_desk.post(request)
    with sqlite_desk.working():
        wait_until(lambda: count(sqlite_desk.world, "malformed_messages"), "it is kept")
        wait_until(lambda: sqlite_desk.unacknowledged(QUEUE) == 0, "it has left Redis")
    [payload] = kept(sqlite_desk)
    assert b"Jane Roe" in payload
    assert sqlite_desk.receipt(request["request_id"]) is None, "so the producer sends it again"
