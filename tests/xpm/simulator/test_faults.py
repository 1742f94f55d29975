"""Faults: each kind does what its name says to the calls it matches, as often as asked, and to no others."""

from __future__ import annotations

import time
from collections.abc import Sequence

import httpx
import pytest

from tests.xpm.simulator.reading import HTTP, call, control, counters, tree, truth
from xpm.simulator import SimulatorHandle
from xpm.simulator.faults import FOREIGN, Faults

PATH = "client.api/list?detailed=true"


def fault(handle: SimulatorHandle, kind: str, **fields: object) -> None:
    control(handle, "POST", "faults", {"kind": kind, "operation": "client.api/list", **fields})


def test_a_500_is_xpms_own_error_in_the_callers_format(fresh: SimulatorHandle) -> None:
    fault(fresh, "status_500", count=2)
    xml, json = call(fresh, PATH), call(fresh, PATH, as_json=True)
    assert (xml.status_code, tree(xml)["Status"]) == (500, "ERROR")
    assert (json.status_code, tree(json)["status"]) == (500, "ERROR")
    assert call(fresh, PATH).status_code == 200


def test_a_503_is_plain_text(fresh: SimulatorHandle) -> None:
    fault(fresh, "status_503")
    answer = call(fresh, PATH)
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/plain")


def test_only_matching_calls_go_wrong(fresh: SimulatorHandle) -> None:
    one, other = (fact["uuid"] for fact in truth(fresh)[:2])
    control(fresh, "POST", "faults", {"kind": "status_500", "operation": "client.api/get", "uuid": one})
    assert call(fresh, "staff.api/list").status_code == 200
    assert call(fresh, f"client.api/get/{other}").status_code == 200
    assert call(fresh, f"client.api/get/{one}").status_code == 500
    assert call(fresh, f"client.api/get/{one}").status_code == 200


def test_a_reset_ends_the_connection_before_any_answer(fresh: SimulatorHandle) -> None:
    fault(fresh, "reset")
    with pytest.raises(httpx.ReadError, match="reset"):
        call(fresh, PATH)
    assert call(fresh, PATH).status_code == 200


def test_a_truncated_answer_breaks_the_framing(fresh: SimulatorHandle) -> None:
    fault(fresh, "truncate")
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        call(fresh, PATH)
    control(fresh, "POST", "faults", {"kind": "truncate", "operation": "staff.api/list"})
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        call(fresh, "staff.api/list")


def test_a_short_body_is_good_http_and_bad_xml(fresh: SimulatorHandle) -> None:
    whole = call(fresh, PATH).text
    fault(fresh, "short_body")
    cut = call(fresh, PATH)
    assert cut.status_code == 200
    assert whole.startswith(cut.text)
    assert 1_000 < len(cut.text) < len(whole)
    assert not cut.text.endswith("</Response>")


def test_latency_comes_before_a_good_answer(fresh: SimulatorHandle) -> None:
    fault(fresh, "latency", seconds=0.3)
    start = time.monotonic()
    assert tree(call(fresh, PATH))["Status"] == "OK"
    assert time.monotonic() - start >= 0.3


def test_a_slow_drip_arrives_whole_but_slowly(fresh: SimulatorHandle) -> None:
    whole = call(fresh, "staff.api/list").content
    control(fresh, "POST", "faults", {"kind": "slow_drip", "operation": "staff.api/list", "seconds": 0.1})
    start = time.monotonic()
    with HTTP.stream("GET", f"{fresh.api_url}/staff.api/list", headers=fresh.headers) as answer:
        pieces = list(answer.iter_raw())
    assert b"".join(pieces) == whole
    assert len(pieces) >= len(whole) // 256
    assert time.monotonic() - start >= 0.1 * (len(whole) // 256)


def test_a_hang_gives_no_answer_at_all(fresh: SimulatorHandle) -> None:
    fault(fresh, "hang", seconds=0.2)
    with pytest.raises(httpx.ReadError):
        call(fresh, PATH)
    entry = control(fresh, "GET", "log").json()[-1]
    assert (entry["operation"], entry["status"]) == ("client.api/list", None)


def test_other_calls_go_on_while_one_hangs(fresh: SimulatorHandle) -> None:
    fault(fresh, "hang", seconds=30)
    with pytest.raises(httpx.ReadTimeout):
        HTTP.get(f"{fresh.api_url}/{PATH}", headers=fresh.headers, timeout=0.2)
    assert call(fresh, PATH).status_code == 200
    assert counters(fresh)["statuses"] == {"200": 1}


@pytest.mark.parametrize(
    ("percent", "odd"), [(0, []), (20, [0, 5, 10]), (30, [0, 4, 7, 10]), (50, range(0, 12, 2)), (100, range(0, 12, 2))]
)
def test_a_share_of_the_calls_but_no_two_in_a_row_is_answered_by_something_else(
    percent: float, odd: Sequence[int]
) -> None:
    faults = Faults()
    faults.odd_percent = percent
    found = [faults.take("client.api/list", None, None) for _ in range(12)]
    assert [number for number, rule in enumerate(found) if rule] == list(odd)
    assert len({rule.kind for rule in found if rule}) == min(len(odd), len(FOREIGN))


def test_rules_can_be_read_and_cleared(fresh: SimulatorHandle) -> None:
    fault(fresh, "status_500", count=9)
    call(fresh, PATH)
    assert [rule["count"] for rule in control(fresh, "GET", "faults").json()] == [8]
    control(fresh, "DELETE", "faults")
    assert call(fresh, PATH).status_code == 200


@pytest.mark.parametrize(
    "body", [{}, {"kind": "earthquake"}, {"kind": "hang", "colour": "red"}, {"kind": "hang", "count": "2"}, ["hang"]]
)
def test_a_rule_that_makes_no_sense_is_refused(still: SimulatorHandle, body: object) -> None:
    assert HTTP.post(f"{still.url}/_sim/faults", json=body).status_code == 400
