"""XPM's four limits, each kept to the call, all together or none, with room left for interactive calls."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest
import redis

from tests.counts import growth
from tests.xpm.quota.conftest import MakeDesk
from tests.xpm.quota.desk import TENANT, Desk
from xpm.errors import QuotaDeferred
from xpm.quota import Limits, Timing

DAY = 86_400.0


def test_the_sixty_first_call_waits_for_the_first_to_leave_the_minute(desk: Desk) -> None:
    desk.spend(1)
    desk.hands.now += 20
    desk.spend(59)
    assert desk.refused() == ("minute", 40)
    desk.hands.now += 39.99
    assert desk.refused() == ("minute", 1), "a deferral is for a second at least"
    desk.hands.now += 0.01
    desk.spend(1)
    assert desk.refused() == ("minute", 20)


def test_permits_and_waits_for_them_are_counted(make_desk: MakeDesk) -> None:
    # Given a limit of one call a minute, a process that waits for minutes and one that does not
    hasty = make_desk(limits=Limits(minute=1))
    patient = replace(hasty, timing=Timing(patience_seconds=120))
    permits = [growth("xpm_permits_total", lane="interactive", result=result) for result in ("given", "deferred")]
    waits = [growth(f"xpm_permit_wait_seconds_{what}", limit="minute") for what in ("count", "sum")]
    # When one call waits for the one before, and another is deferred
    patient.spend(2)
    assert hasty.refused() == ("minute", 60)
    # Then permits are counted by result, and both waits by the limit that was waited for
    assert [each() for each in permits] == [2, 1]
    assert [round(each()) for each in waits] == [2, 120]
    patient.close()


def test_a_call_leaves_the_minute_sixty_seconds_after_its_answer(make_desk: MakeDesk) -> None:
    desk = make_desk(limits=Limits(minute=1))
    permit = desk.hold()
    for _ in range(14):
        desk.hands.now += 3
        desk.limiter.renew()
    permit.release()
    desk.hands.now += 59.9
    assert desk.refused() == ("minute", 1)
    desk.hands.now += 0.1
    desk.spend(1)


def test_a_dead_holders_call_leaves_sixty_seconds_after_its_lease(make_desk: MakeDesk) -> None:
    desk = make_desk(limits=Limits(minute=1))
    desk.hold()
    desk.die()
    assert desk.refused() == ("minute", 70)
    desk.hands.now += 69.9
    assert desk.refused() == ("minute", 1)
    desk.hands.now += 0.1
    desk.spend(1)


def test_five_calls_at_once_over_all_processes(desk: Desk) -> None:
    other = desk.beside()
    held = [one.hold() for one in (desk, other, desk, other, desk)]
    assert desk.refused()[0] == other.refused()[0] == "concurrent"
    held[1].release()
    other.spend(1)
    other.close()


def test_a_permit_given_back_twice_is_given_back_once(desk: Desk) -> None:
    first, _second = desk.hold(), desk.hold()
    first.release()
    first.release()
    assert desk.status().concurrent == 1


def test_a_dead_holders_place_is_free_after_its_lease(desk: Desk) -> None:
    """P22: whatever traffic there is meanwhile."""
    for _ in range(5):
        desk.hold()
    desk.die()
    for _ in range(9):
        desk.hands.now += 1
        assert desk.refused()[0] == "concurrent"
    desk.hands.now += 1
    for _ in range(5):
        desk.hold()


def test_a_living_holders_place_is_kept_by_renewals_until_its_deadline(make_desk: MakeDesk) -> None:
    desk = make_desk(limits=Limits(concurrent=1))
    desk.hold(deadline=31)
    for _ in range(10):
        desk.hands.now += 3
        desk.limiter.renew()
        assert desk.refused()[0] == "concurrent"
    desk.hands.now += 1
    desk.spend(1)


def test_a_lease_is_never_longer_than_the_calls_deadline(make_desk: MakeDesk) -> None:
    desk = make_desk(limits=Limits(concurrent=1))
    desk.hold(deadline=4)
    desk.hands.now += 3
    desk.limiter.renew()
    assert desk.refused()[0] == "concurrent"
    desk.hands.now += 1
    desk.spend(1)


def test_the_day_rolls(make_desk: MakeDesk) -> None:
    desk = make_desk(limits=Limits(day=4))  # one was spent on the probe
    desk.spend(2)
    desk.hands.now += DAY / 2
    desk.spend(1)
    limit, wait = desk.refused()
    assert limit == "day"
    assert DAY / 2 - 60 <= desk.deferral().wait_seconds <= DAY / 2 + 600
    desk.hands.now += DAY / 2 - 61
    assert desk.refused()[0] == "day", f"no call leaves before its day is over; {wait} was told"
    desk.hands.now += 61 + 600
    desk.spend(3)
    assert desk.refused()[0] == "day"


def test_the_wait_of_a_full_day_is_the_time_until_its_first_calls_leave(make_desk: MakeDesk) -> None:
    desk = make_desk(limits=Limits(day=2))
    desk.spend(1)
    desk.hands.now += desk.deferral().wait_seconds
    desk.spend(1)


@pytest.mark.parametrize("client", ["redis"], indirect=True)
def test_a_days_books_stay_small(desk: Desk, client: redis.Redis) -> None:
    for _ in range(310):
        desk.hands.now += 600
        desk.spend(1)
    assert client.hlen(f"test:quota:tenant:{TENANT}:day") <= 291
    assert client.zcard(f"test:quota:tenant:{TENANT}:minute") <= 2


def test_the_app_wide_minute_is_shared_by_all_tenants(make_desk: MakeDesk) -> None:
    desk = make_desk("one", "two", limits=Limits(app_minute=4))
    desk.spend(2, tenant="one")
    desk.hands.now += 10
    desk.spend(2, tenant="two")
    assert desk.refused(tenant="one") == desk.refused(tenant="two") == ("appminute", 50)
    desk.hands.now += 50
    desk.spend(2, tenant="two")


def test_tenants_have_minutes_days_and_calls_of_their_own(make_desk: MakeDesk) -> None:
    desk = make_desk("one", "two", limits=Limits(minute=2, concurrent=1))
    desk.hold(tenant="one")
    desk.spend(2, tenant="two")
    assert desk.refused(tenant="two")[0] == "minute"


def test_a_call_refused_by_one_limit_uses_up_none(make_desk: MakeDesk) -> None:
    desk = make_desk(limits=Limits(minute=3))
    desk.spend(3)
    before = desk.status()
    for _ in range(50):
        desk.refused()
    assert desk.status() == before


def test_the_limit_that_lasts_longest_is_told(make_desk: MakeDesk) -> None:
    desk = make_desk(limits=Limits(minute=2, day=3, concurrent=1))
    desk.spend(2)
    assert desk.refused()[0] == "day"


def test_asking_again_for_a_permit_whose_answer_was_lost_takes_no_second_one(desk: Desk) -> None:
    """As the Redis client does after a timeout (P7)."""
    before = desk.status().day
    first = desk.limiter._ledger.take(TENANT, "job-1/aa", background=False, lease_seconds=10)
    assert desk.limiter._ledger.take(TENANT, "job-1/aa", background=False, lease_seconds=10) == first
    now = desk.status()
    assert (now.concurrent, now.minute, now.app_minute, now.day - before) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(), "minute"),
        (Limits(day=41), "day"),
        (Limits(app_minute=40), "appminute"),
    ],
)
@pytest.mark.parametrize("lane", ["import", "resync", "email", "webhooks"])
def test_background_lanes_stop_short_of_each_limit(make_desk: MakeDesk, limits: Limits, name: str, lane: str) -> None:
    desk = make_desk(limits=limits)
    short = limits.for_background()
    spent = {"minute": short.minute, "day": short.day - 1, "appminute": short.app_minute}[name]
    desk.spend(spent)
    assert desk.refused(lane)[0] == name
    desk.spend({"minute": 3, "day": 3, "appminute": 2}[name])
    assert desk.refused()[0] == name


def test_one_of_the_calls_at_once_is_kept_for_interactive_ones(desk: Desk) -> None:
    for _ in range(4):
        desk.hold("import")
    assert desk.refused("resync")[0] == "concurrent"
    desk.hold("interactive")
    assert desk.refused("interactive")[0] == "concurrent"


@pytest.mark.parametrize("limit", range(1, 30))
def test_small_limits_still_let_background_lanes_work(limit: int) -> None:
    short = Limits(limit, limit, limit, limit).for_background()
    assert 1 <= short.concurrent == short.minute == short.day == short.app_minute <= limit
    assert limit == 1 or short.minute < limit


def test_half_of_a_minute_may_come_at_once_and_the_rest_a_second_apart(desk: Desk) -> None:
    """Facts §6: spacing beat bursts; and an interactive call then finds room opening every second."""
    desk.spend(30, "import")
    began = desk.hands.now
    times: list[float] = []
    while len(times) < 20:
        with suppress(QuotaDeferred):
            desk.spend(1, "import")
            times.append(desk.hands.now - began)
        desk.hands.now += 0.25
    assert times == [float(n + 1) for n in range(20)]
    desk.spend(10, "interactive")


@pytest.mark.parametrize("client", ["redis"], indirect=True)
def test_a_steady_background_uses_nearly_the_whole_minute(desk: Desk) -> None:
    calls = 0
    end = desk.hands.now + 300
    while desk.hands.now < end:
        with desk.asking("import"):
            calls += 1
            desk.hands.now += 0.3
        while desk.limiter.free(TENANT, "import") == 0:
            desk.hands.now += 0.25
    assert calls / 300 >= 0.90


@pytest.mark.parametrize("lane", ["interactive", "import"])
def test_as_many_permits_are_free_as_can_be_taken(desk: Desk, lane: str) -> None:
    for _ in range(40):
        free = desk.limiter.free(TENANT, lane)
        with ExitStack() as stack:
            for _ in range(free):
                stack.enter_context(desk.asking(lane))
            assert desk.limiter.free(TENANT, lane) == 0
            desk.refused(lane)
        desk.hands.now += 0.7


def test_windows_pass_faster_when_told_so(make_desk: MakeDesk) -> None:
    desk = make_desk(limits=Limits(minute=1), timing=Timing(time_scale=60, patience_seconds=0))
    desk.spend(1)
    assert desk.refused() == ("minute", 1)
    desk.hands.now += 1
    desk.spend(1)


def test_keys_hold_tenants_and_jobs_only(desk: Desk, client: redis.Redis) -> None:
    desk.hold()
    keys = {key.decode() for key in client.scan_iter()}
    tenant = f"test:quota:tenant:{TENANT}"
    assert keys == {
        *("test:quota:memory", "test:quota:app:minute"),
        *(tenant, f"{tenant}:calls", f"{tenant}:minute", f"{tenant}:day"),
    }
    assert [str(holder)[:8] for holder in client.zrange(f"{tenant}:calls", 0, -1)] == ["b'job-1/"]
    assert {key for key in keys if client.ttl(key) == -1} == {"test:quota:memory"}, "all others go by themselves"


def test_a_limit_below_one_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="below one call"):
        Limits(day=0)
    with pytest.raises(ValueError, match="outlast two renewals"):
        Timing(lease_seconds=5, renew_seconds=3)
