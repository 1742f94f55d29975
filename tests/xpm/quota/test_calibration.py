"""XPM's headers correct our books: down, when it counted more calls than we know of, and never up."""

from __future__ import annotations

import pytest

from tests.xpm.quota.conftest import MakeDesk
from tests.xpm.quota.desk import TENANT, Desk
from xpm.quota import Limits


def told(desk: Desk, **remaining: object) -> None:
    """One call, whose answer says what remains."""
    with desk.asking() as permit:
        permit.calibrate({f"x-{name}-remaining": str(value) for name, value in remaining.items()})


def test_calls_that_only_xpm_counted_use_up_the_minute_from_now_on(desk: Desk) -> None:
    told(desk, minlimit=10)
    assert desk.status().minute == 50
    desk.hands.now += 59.9
    assert desk.status().minute == 50
    desk.hands.now += 0.1
    assert desk.status().minute == 0


def test_they_use_up_the_day(make_desk: MakeDesk) -> None:
    desk = make_desk(limits=Limits(day=1000))
    told(desk, daylimit=3)
    assert desk.status().day == 997
    desk.spend(3)
    assert desk.refused()[0] == "day"
    desk.hands.now += desk.deferral().wait_seconds
    desk.spend(1)


def test_what_is_left_of_the_day_for_background_work(make_desk: MakeDesk) -> None:
    desk = make_desk(limits=Limits(day=1000))
    told(desk, daylimit=500)
    assert desk.limiter.day_left(TENANT) == 450
    told(desk, daylimit=3)
    assert desk.limiter.day_left(TENANT) == 0
    assert desk.limiter.day_left("tenant of whom nothing is known") is None


def test_they_use_up_the_app_wide_minute_for_all_tenants(make_desk: MakeDesk) -> None:
    desk = make_desk("tenant-1", "tenant-2")
    told(desk, appminlimit=0)
    assert desk.status("tenant-2").app_minute == 10_000
    assert desk.refused(tenant="tenant-2") == ("appminute", 60)


def test_books_are_never_corrected_up(desk: Desk) -> None:
    desk.spend(20)
    before = desk.status()
    told(desk, minlimit=59, daylimit=4999, appminlimit=9999)
    after = desk.status()
    assert (after.minute, after.day, after.app_minute) == (before.minute + 1, before.day + 1, before.app_minute + 1)


def test_the_same_news_twice_is_counted_once(desk: Desk) -> None:
    told(desk, minlimit=40, daylimit=4000)
    told(desk, minlimit=39, daylimit=3999)
    assert (desk.status().minute, desk.status().day) == (21, 1001)


def test_more_news_of_the_same_answer_is_counted_as_well(desk: Desk) -> None:
    permit = desk.hold()
    permit.calibrate({"x-minlimit-remaining": "50"})
    permit.calibrate({"x-minlimit-remaining": "30"})
    assert desk.status().minute == 30


def test_a_slow_answer_counts_nothing_twice_that_left_while_it_came(desk: Desk) -> None:
    """XPM said 30 remain while the first 29 calls still counted; they have left since."""
    desk.spend(29)
    desk.hands.now += 59
    permit = desk.hold()
    desk.hands.now += 2
    permit.calibrate({"x-minlimit-remaining": "30"})
    assert desk.status().minute == 1


@pytest.mark.parametrize("nonsense", ["", "many", "-1", "1e3", "٣", "5.5", "99999999999999999999"])
def test_nonsense_changes_nothing(desk: Desk, nonsense: str) -> None:
    told(desk, minlimit=nonsense, daylimit=nonsense, appminlimit=nonsense)
    assert (desk.status().minute, desk.status().app_minute) == (1, 1)


def test_an_answer_without_headers_changes_nothing(desk: Desk) -> None:
    told(desk)
    assert desk.status().minute == 1
