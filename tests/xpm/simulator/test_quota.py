"""XPM's limits: each one refuses what is beyond it, lets go when its window has passed, and says so in the headers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest

from tests.xpm.simulator.reading import HTTP, call, control, counters
from xpm.simulator import SimulatorConfig, SimulatorHandle, running
from xpm.simulator.knobs import Knobs
from xpm.simulator.quota import Limits, Quota


@dataclass
class Hands:
    """A clock whose hands the test turns, in seconds."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hands() -> Hands:
    return Hands()


def spend(quota: Quota, calls: int, tenant: str = "t") -> None:
    for _ in range(calls):
        assert quota.enter(tenant) is None
        quota.leave(tenant)


def test_the_sixty_first_call_waits_for_the_first_to_leave_the_window(hands: Hands) -> None:
    quota = Quota(Limits(), hands)
    spend(quota, 1)
    hands.now += 20
    spend(quota, 59)
    refusal = quota.enter("t")
    assert refusal is not None
    assert (refusal.problem, refusal.wait) == ("minute", 40)
    hands.now += 39.9
    assert quota.enter("t") is not None
    hands.now += 0.1
    spend(quota, 1)
    assert quota.enter("t") is not None, "only one call had left the window"
    spend(quota, 60, "another tenant")


def test_refused_calls_use_up_nothing(hands: Hands) -> None:
    quota = Quota(Limits(minute=2), hands)
    spend(quota, 2)
    assert all(quota.enter("t") for _ in range(50))
    assert quota.remaining("t").day == 4_998
    hands.now += 60
    spend(quota, 2)


def test_the_day_slides_and_comes_before_the_minute(hands: Hands) -> None:
    quota = Quota(Limits(minute=3, day=3), hands)
    spend(quota, 3)
    refusal = quota.enter("t")
    assert refusal is not None
    assert (refusal.problem, refusal.wait) == ("day", 86_400)
    hands.now += 86_399
    assert quota.enter("t") is not None
    hands.now += 1
    spend(quota, 3)


def test_the_app_minute_counts_all_tenants_together(hands: Hands) -> None:
    quota = Quota(Limits(app_minute=4), hands)
    spend(quota, 2, "one")
    spend(quota, 2, "two")
    refusal = quota.enter("three")
    assert refusal is not None
    assert refusal.problem == "appminute"
    assert quota.remaining("three").app_minute == 0


def test_five_calls_at_once_and_no_more(hands: Hands) -> None:
    quota = Quota(Limits(), hands)
    assert [quota.enter("t") for _ in range(5)] == [None] * 5
    refusal = quota.enter("t")
    assert refusal is not None
    assert refusal.problem == "concurrent"
    quota.leave("t")
    assert quota.enter("t") is None


def test_without_enforcement_calls_are_counted_but_not_refused(hands: Hands) -> None:
    quota = Quota(Limits(minute=2), hands, enforce=False)
    spend(quota, 5)
    assert (quota.remaining("t").minute, quota.remaining("t").day) == (0, 4_995)


@pytest.fixture
def limited(hands: Hands) -> Iterator[SimulatorHandle]:
    """A simulator of small limits whose minute lasts two real seconds on a clock that stands still."""
    limits = Limits(concurrent=2, minute=3, day=5)
    with running(SimulatorConfig(clients=3, limits=limits, time_scale=30, monotonic=hands)) as handle:
        yield handle


def test_every_answer_tells_what_is_left(limited: SimulatorHandle) -> None:
    left = [call(limited, "staff.api/list").headers for _ in range(4)]
    assert [headers["X-MinLimit-Remaining"] for headers in left] == ["2", "1", "0", "0"]
    assert [headers["X-DayLimit-Remaining"] for headers in left] == ["4", "3", "2", "2"]
    assert left[0]["X-AppMinLimit-Remaining"] == "9999"


def test_a_scaled_minute_is_over_when_its_real_seconds_are(limited: SimulatorHandle, hands: Hands) -> None:
    for _ in range(3):
        assert call(limited, "staff.api/list").status_code == 200
    refused = call(limited, "staff.api/list")
    assert refused.status_code == 429
    assert refused.headers["X-Rate-Limit-Problem"] == "minute"
    assert refused.headers["Retry-After"] == "2"
    hands.now += 1.9
    assert call(limited, "staff.api/list").status_code == 429
    hands.now += 0.1
    assert call(limited, "staff.api/list").status_code == 200
    assert counters(limited)["refusals"] == {"minute": 2}
    assert counters(limited)["greatest_per_minute"] == 5, "refused calls were seen too"


def test_a_spent_day_says_when_it_ends(limited: SimulatorHandle, hands: Hands) -> None:
    for _ in range(5):
        assert call(limited, "staff.api/list").status_code == 200
        hands.now += 2
    refused = call(limited, "staff.api/list")
    assert (refused.status_code, refused.headers["X-Rate-Limit-Problem"]) == (429, "day")
    assert refused.headers["Retry-After"] == str(86_400 // 30 - 10)


def test_retry_after_can_be_left_out_by_kind() -> None:
    config = SimulatorConfig(clients=3, limits=Limits(minute=1), knobs=Knobs(omit_retry_after=("minute",)))
    with running(config) as handle:
        call(handle, "staff.api/list")
        refused = call(handle, "staff.api/list")
        assert refused.headers["X-Rate-Limit-Problem"] == "minute"
        assert "Retry-After" not in refused.headers
        control(handle, "PUT", "knobs", {"omit_retry_after": ["concurrent"]})
        assert 1 <= int(call(handle, "staff.api/list").headers["Retry-After"]) <= 60


def test_strangers_use_up_no_quota(limited: SimulatorHandle) -> None:
    for _ in range(4):
        assert call(limited, "staff.api/list", Authorization="Bearer wrong").status_code == 401
    assert call(limited, "staff.api/list").headers["X-MinLimit-Remaining"] == "2"


def test_a_running_call_holds_its_place_until_its_caller_goes_away(limited: SimulatorHandle) -> None:
    control(limited, "POST", "faults", {"kind": "hang", "operation": "client.api/list", "count": 2})
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(_give_up_after, limited, 1.0) for _ in range(2)]
        until(lambda: counters(limited)["in_flight"] == 2)
        refused = call(limited, "staff.api/list")
        assert (refused.status_code, refused.headers["X-Rate-Limit-Problem"]) == (429, "concurrent")
        assert all(future.result() for future in waiting)
    until(lambda: counters(limited)["in_flight"] == 0)
    assert call(limited, "staff.api/list").status_code == 200
    assert counters(limited)["greatest_concurrency"] == 3, "the refused call was there as well"


def _give_up_after(handle: SimulatorHandle, seconds: float) -> bool:
    try:
        HTTP.get(f"{handle.api_url}/client.api/list", headers=handle.headers, timeout=seconds)
    except httpx.ReadTimeout:
        return True
    return False


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until a condition holds, or fail."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)
