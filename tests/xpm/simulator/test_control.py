"""Looking behind the simulator and changing what it holds: edits, counters, log, truth file, page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from tests.xpm.simulator.reading import HTTP, call, control, counters, tree, truth
from xpm.simulator import SimulatorConfig, SimulatorHandle, running


def names_in_list(handle: SimulatorHandle, path: str = "client.api/list?detailed=true") -> dict[str, str]:
    return {client["uuid"]: client["name"] for client in tree(call(handle, path, as_json=True))["clients"]}


def test_an_edit_shows_in_every_call_and_in_what_changed_since(fresh: SimulatorHandle) -> None:
    names_in_list(fresh)  # Lists are kept encoded; an edit must reach them.
    before = datetime.now(UTC).replace(microsecond=0, tzinfo=None).isoformat()
    changed, related = truth(fresh)[0], truth(fresh)[1]
    row = {"label": "Pet Of", "related_uuid": related["uuid"], "percentage": "12.5", "start_date": "2026-02-03"}
    edits = {"name": "Renamed & Co", "email": "new@mail.example", "is_archived": True, "relationships": [row]}
    answer = control(fresh, "PUT", f"clients/{changed['uuid']}", edits).json()

    assert names_in_list(fresh)[changed["uuid"]] == "Renamed & Co"
    assert names_in_list(fresh, f"client.api/list?modifiedsince={before}") == {changed["uuid"]: "Renamed & Co"}
    shown = tree(call(fresh, f"client.api/get/{changed['uuid']}"))["Client"]
    assert (shown["Email"], shown["IsArchived"]) == ("new@mail.example", "Yes")
    assert shown["Relationships"][0]["RelatedClient"] == {"UUID": related["uuid"], "Name": related["name"]}
    assert shown["Relationships"][0]["Percentage"] == "12.5"
    assert answer == truth(fresh)[0]
    assert answer["last_name"] == changed["last_name"], "what was not edited stays"


def test_a_new_name_reaches_the_records_that_relate_to_it(fresh: SimulatorHandle) -> None:
    related, holder = next(
        (row["related_uuid"], fact["uuid"])
        for fact in truth(fresh) for row in fact["relationships"]
        if row["related_uuid"] in {other["uuid"] for other in truth(fresh)}
    )  # fmt: skip

    def names_of_relations() -> set[str]:
        clients = tree(call(fresh, "client.api/list?detailed=true", as_json=True))["clients"]
        rows = next(client["relationships"] for client in clients if client["uuid"] == holder)
        return {row["relatedClient"]["name"] for row in rows}

    assert "Quite New" not in names_of_relations()
    control(fresh, "PUT", f"clients/{related}", {"name": "Quite New"})
    assert "Quite New" in names_of_relations()


@pytest.mark.parametrize(
    "body",
    [{"position": 1}, {"name": ""}, {"is_archived": "Yes"}, {"date_of_birth": "soon"}, {"relationships": [1]}, [1]],
)
def test_an_edit_of_the_wrong_shape_changes_nothing(fresh: SimulatorHandle, body: object) -> None:
    before = truth(fresh)
    if isinstance(body, dict):
        body = {"email": "changed@mail.example", **body}
    assert HTTP.put(f"{fresh.url}/_sim/clients/{before[0]['uuid']}", json=body).status_code == 400
    assert truth(fresh) == before


def test_deleting_marks_and_purging_removes(fresh: SimulatorHandle) -> None:
    marked, purged = (fact["uuid"] for fact in truth(fresh)[:2])
    names_in_list(fresh)
    control(fresh, "DELETE", f"clients/{marked}")
    control(fresh, "DELETE", f"clients/{purged}?purge=true")
    assert truth(fresh)[0]["is_deleted"]
    shown = tree(call(fresh, "client.api/list?detailed=true", as_json=True))["clients"]
    assert [client["isDeleted"] for client in shown if client["uuid"] == marked] == ["Yes"]
    assert purged not in names_in_list(fresh)
    assert tree(call(fresh, f"client.api/get/{purged}"))["Status"] == "ERROR"


def test_unknown_clients_cannot_be_edited(still: SimulatorHandle) -> None:
    assert HTTP.put(f"{still.url}/_sim/clients/{uuid4()}", json={}).status_code == 404
    assert HTTP.delete(f"{still.url}/_sim/clients/not-a-uuid").status_code == 404


def test_counters_tell_calls_apart_and_reset(fresh: SimulatorHandle) -> None:
    call(fresh, "staff.api/list")
    call(fresh, "staff.api/list", Authorization="Bearer wrong")
    call(fresh, f"client.api/get/{uuid4()}")
    found = counters(fresh)
    assert found["calls"] == {"staff.api/list": 2, "client.api/get": 1}
    assert found["statuses"] == {"200": 2, "401": 1}
    assert (found["total_calls"], found["greatest_per_minute"], found["greatest_concurrency"]) == (3, 2, 1)
    control(fresh, "POST", "counters/reset")
    assert counters(fresh)["total_calls"] == 0
    assert control(fresh, "GET", "log").json() == []


def test_the_log_names_calls_but_no_tokens_and_no_uuids(fresh: SimulatorHandle) -> None:
    uuid = truth(fresh)[0]["uuid"]
    call(fresh, f"client.api/get/{uuid}")
    answer = control(fresh, "GET", "log")
    entry = answer.json()[0]
    assert entry["template"] == "/practicemanager/3.1/client.api/get/{uuid}"
    assert (entry["method"], entry["status"], entry["tenant_id"]) == ("GET", 200, fresh.config.tenant_id)
    assert uuid not in answer.text
    assert fresh.config.access_token not in answer.text


def test_the_truth_file_is_the_truth(tmp_path: Path) -> None:
    path = tmp_path / "made" / "truth.jsonl"
    with running(SimulatorConfig(clients=50, seed=2, truth_file=path)) as handle:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
        assert lines == truth(handle)
        assert control(handle, "GET", f"truth?tenant={uuid4()}").text == ""
    assert [line["position"] for line in lines] == list(range(50))
    assert lines[0]["tenant_id"] == handle.config.tenant_id


def test_the_quota_can_be_refilled() -> None:
    with running(SimulatorConfig(clients=3)) as handle:
        call(handle, "staff.api/list")
        control(handle, "POST", "quota/refill")
        assert call(handle, "staff.api/list").headers["X-MinLimit-Remaining"] == "59"


def test_a_knob_that_does_not_exist_is_refused(still: SimulatorHandle) -> None:
    for body in ({"volume": 11}, {"unknown_uuid": "teapot"}):
        assert HTTP.put(f"{still.url}/_sim/knobs", json=body).status_code == 400


def test_the_page_shows_the_counters_and_renews_itself(fresh: SimulatorHandle) -> None:
    call(fresh, "staff.api/list")
    page = HTTP.get(fresh.url + "/").text
    assert 'http-equiv="refresh"' in page
    assert "staff.api/list: 1" in page
    assert "60 clients" in page
    assert "<script" not in page
