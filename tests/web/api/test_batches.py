"""Batches over HTTP: looked ahead of without a call, asked for, and told as CSV that can be corrected and sent again."""

from __future__ import annotations

import csv
import io
import threading
from typing import Any
from uuid import uuid4

import httpx
import pytest

from handlers.imports.preflight import Budget, seconds_for
from handlers.imports.request import ImportWishes
from tests.handlers.imports.test_batch_file import AS_SPREADSHEETS_WRITE, ROWS, WRITTEN
from tests.making import importable
from tests.web.desk import API, Desk
from web.http.bodies import CSV, EXCEL
from web.http.problems import MOST_ERRORS
from xpm.simulator.serve import SimulatorHandle


def send(program: httpx.Client, rows: list[dict[str, Any]], key: str = "one") -> httpx.Response:
    return program.post(f"{API}/batches", json={"rows": rows}, headers={"Idempotency-Key": key})


def row(record: Any, **fields: Any) -> dict[str, Any]:
    return {"xpm_uuid": str(record), "kind": "individual", **fields}


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_batch_is_taken_once_and_followed(desk: Desk) -> None:
    program, rows = desk.program(), [row(uuid4()), row(uuid4())]
    first, again = send(program, rows), send(program, rows)
    assert (first.status_code, again.status_code) == (202, 200)
    assert send(program, rows[:1]).status_code == 409
    batch_id = first.json()["id"]
    told = program.get(f"{API}/batches/{batch_id}").json()
    assert (told["size"], told["open"], told["states"]) == (2, 2, {"accepted": 2})
    desk.world.run_due()
    assert program.get(f"{API}/batches/{batch_id}").json()["states"] == {"rejected": 2}
    assert "event: closed" in program.get(f"{API}/batches/{batch_id}/events").text


@pytest.mark.parametrize("how", AS_SPREADSHEETS_WRITE)
def test_a_file_as_spreadsheets_write_it_is_a_batch(desk: Desk, how: str) -> None:
    program = desk.program()
    headers = {"Idempotency-Key": "one", "Content-Type": EXCEL if how == "excel" else CSV}
    assert program.post(f"{API}/batches", content=WRITTEN[how], headers=headers).status_code == 202
    taken = program.get(f"{API}/imports").json()["items"]
    assert {(item["xpm_uuid"], item["kind"]) for item in taken} == {(row["xpm_uuid"], row["kind"]) for _, row in ROWS}


def test_a_batch_with_rows_that_do_not_fit_is_refused_whole_with_each_named(desk: Desk) -> None:
    program = desk.program()
    answer = send(program, [row(uuid4()), row("nonsense"), row(uuid4(), entity_type="Trust")])
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["rows.1.xpm_uuid", "rows.2"]
    assert send(program, []).status_code == 422
    assert send(program, [row(uuid4())] * 5001).status_code == 422
    assert program.get(f"{API}/imports").json()["items"] == []


@pytest.mark.parametrize("media_type", ["application/json", CSV])
def test_of_many_bad_rows_no_more_are_read_than_are_reported(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, media_type: str
) -> None:
    """Rows are read in a thread of their own, and the reading ends where what is wrong is certain."""
    read: list[str] = []
    validate = ImportWishes.model_validate

    def counting(fields: Any) -> ImportWishes:
        read.append(threading.current_thread().name)
        return validate(fields)

    monkeypatch.setattr(ImportWishes, "model_validate", counting)
    body = {
        "application/json": '{"rows": [' + ",".join(["{}"] * 5000) + "]}",
        CSV: "xpm_uuid,kind\n" + "x,y\n" * 15_000,
    }
    answer = desk.program().post(
        f"{API}/batches",
        content=body[media_type],
        headers={"Idempotency-Key": "one", "Content-Type": media_type},
    )
    assert (answer.status_code, len(answer.json()["errors"])) == (422, MOST_ERRORS)
    assert len(read) == MOST_ERRORS / 2, "each has two errors"
    assert "web" not in read, "the event loop's thread, which serves everybody"


def test_a_json_that_is_nested_without_end_is_refused(desk: Desk) -> None:
    for path in ("batches", "batches/preflight"):
        answer = desk.program().post(
            f"{API}/{path}",
            content='{"rows": ' + "[" * 100_000,
            headers={"Idempotency-Key": "one", "Content-Type": "application/json"},
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_json")


def test_a_batch_of_the_greatest_size_is_taken_in_one_request(desk: Desk) -> None:
    program = desk.program()
    program.timeout = httpx.Timeout(110)
    answer = send(program, [row(uuid4()) for _ in range(5000)])
    assert (answer.status_code, answer.json()["size"]) == (202, 5000)


def test_the_result_can_be_corrected_and_sent_again(desk: Desk, simulator: SimulatorHandle) -> None:
    program, (one, other, *_) = desk.program(), importable(simulator)
    rows = [row(one.uuid), row(other.uuid, email=one.email), row(uuid4(), name="=cmd|'/c calc'!A1")]
    batch_id = send(program, rows).json()["id"]
    desk.world.run_due()
    address = f"{API}/batches/{batch_id}/result"
    assert [told["state"] for told in table(program.get(address).text)] == ["succeeded", "rejected", "rejected"]
    failed = program.get(address, params={"only_open_or_failed": True})
    assert failed.headers["content-type"].startswith("text/csv")
    taken, unknown = table(failed.text)
    assert (taken["code"], unknown["code"]) == ("email_taken", "xpm_client_unknown")
    assert taken["remedy"]
    assert unknown["name"].startswith("'=")  # no spreadsheet takes it for a formula
    corrected = failed.text.replace(str(one.email), "own@client.example")
    headers = {"Idempotency-Key": "corrected", "Content-Type": "text/csv"}
    again = program.post(f"{API}/batches", content=corrected, headers=headers)
    assert (again.status_code, again.json()["size"]) == (202, 2)
    desk.world.run_due()
    states = {told["email"]: told for told in table(program.get(f"{API}/batches/{again.json()['id']}/result").text)}
    assert states["own@client.example"]["state"] == "succeeded"
    assert states[""]["name"] == unknown["name"]


def test_csv_that_does_not_fit_says_where(desk: Desk) -> None:
    program = desk.program()
    for content, words in (
        ("xpm_uuid,kind,colour\n", "'colour'"),
        ("kind\nindividual\n", "xpm_uuid"),
        (f"xpm_uuid,kind\n{uuid4()},robot\n", "line 2.kind"),
        (f"xpm_uuid,kind\n{uuid4()}\n", "line 2.kind"),
        (f"xpm_uuid,kind\n{uuid4()},entity,more\n", "line 2: column 3"),
        ("xpm_uuid,kind\n", "0"),
        (b"xpm_uuid,kind\n\xd7\xd8", "UTF-8"),
    ):
        answer = program.post(f"{API}/batches/preflight", content=content, headers={"Content-Type": "text/csv"})
        assert answer.status_code == 422, content
        assert words in answer.json()["message"]
    answer = program.post(f"{API}/batches/preflight", content="x", headers={"Content-Type": "text/plain"})
    assert answer.json()["code"] == "bad_media_type"


def test_looking_ahead_tells_what_the_import_then_finds(any_desk: Desk, simulator: SimulatorHandle) -> None:
    """Given records that were seen before, every row that is turned down was foretold with its code, without a call."""
    program, (linked, held, free, twin, *_) = any_desk.program(), importable(simulator)
    rows = [row(linked.uuid), row(held.uuid, email=linked.email), row(free.uuid), row(free.uuid),
            row(twin.uuid, email="no address"), row(uuid4())]  # fmt: skip
    for number, record in enumerate((linked, held, twin)):
        wishes = {"email": "no address"} if record is not linked else {}
        any_desk.world.run_import(record.uuid, request_id=f"seen {number}", **wishes)
    calls = simulator.simulator.counters.calls.total()
    answer = program.post(f"{API}/batches/preflight", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert simulator.simulator.counters.calls.total() == calls
    assert (told["rows"], told["eligible"], told["unseen"]) == (6, 2, 2)
    foretold = {turned["row"]: turned["code"] for turned in told["turned_down"]}
    assert told["by_code"] == {"already_linked": 1, "email_taken": 1, "already_being_imported": 1, "email_invalid": 1}
    batch_id = send(program, rows).json()["id"]
    any_desk.world.run_due()
    found = table(program.get(f"{API}/batches/{batch_id}/result").text)
    became = {number: told["code"] for number, told in enumerate(found) if told["state"] == "rejected"}
    # The second of two rows for one record: by then its first is not being imported any more, but there.
    assert became.pop(3) == "already_linked"
    assert foretold.pop(3) == "already_being_imported"
    assert became == {**foretold, 5: "xpm_client_unknown"}


def test_looking_ahead_needs_a_connection(desk: Desk) -> None:
    answer = desk.program(desk.staff()).post(f"{API}/batches/preflight", json={"rows": [row(uuid4())]})
    assert (answer.status_code, answer.json()["code"]) == (409, "integration_not_configured")


def test_the_time_a_batch_takes_is_what_the_limits_allow() -> None:
    fresh = Budget(per_minute=57, per_day=4750, left_today=None)
    assert seconds_for(57, fresh) == 60
    assert seconds_for(4750, fresh) == 5000
    used_up = Budget(per_minute=57, per_day=4750, left_today=0)
    assert seconds_for(57, used_up) == 86_400 + 60
    assert seconds_for(4750 + 57, used_up) == 2 * 86_400 + 60
