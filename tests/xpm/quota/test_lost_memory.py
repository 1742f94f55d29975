"""Redis lost its memory: nobody calls until all holders are known again, then one probe refills the books."""

from __future__ import annotations

import pytest

from tests.xpm.quota.conftest import MakeDesk
from tests.xpm.quota.desk import FRESH, NO_PATIENCE, TENANT, Desk
from xpm.errors import XpmRateLimited
from xpm.quota import Limits

TWO_RENEWALS = 6.0


def flushed(desk: Desk) -> None:
    desk.client.flushall()


@pytest.mark.parametrize("lane", ["interactive", "import"])
def test_nobody_gets_a_permit_for_two_renewals(desk: Desk, lane: str) -> None:
    flushed(desk)
    assert desk.refused(lane, tenant="some other") == ("recovering", TWO_RENEWALS)
    desk.hands.now += 5.9
    assert desk.refused(lane)[0] == "recovering"
    assert desk.limiter.free(TENANT, lane) == 0
    assert desk.status().closed_seconds == pytest.approx(0.1, abs=0.001)
    desk.hands.now += 0.1
    assert desk.limiter.free(TENANT, lane) == 1
    desk.hold(lane)


def test_a_new_redis_is_a_redis_that_lost_its_memory(client: object) -> None:
    desk = Desk(client)  # type: ignore[arg-type]  # the fixture's type is not imported here
    assert desk.refused() == ("recovering", TWO_RENEWALS)
    desk.close()


def test_who_starts_redis_and_all_its_users_waits_for_nobody_and_still_probes_first(client: object) -> None:
    # Given a new Redis, which whoever started it has opened
    desk = Desk(client)  # type: ignore[arg-type]  # the fixture's type is not imported here
    desk.limiter.open()
    # Then one call may go at once, and no other before XPM has said what is used
    assert desk.limiter.free(TENANT, "interactive") == 1
    permit = desk.hold()
    assert desk.refused()[0] == "recovering"
    permit.calibrate(FRESH)
    desk.hold()
    desk.close()


def test_holders_register_again_with_their_next_renewal(desk: Desk) -> None:
    for _ in range(3):
        desk.hold()
    flushed(desk)
    desk.limiter.renew()
    assert (desk.status().concurrent, desk.status().minute, desk.status().app_minute) == (3, 3, 3)
    desk.hands.now += TWO_RENEWALS
    desk.hold()
    assert desk.status().concurrent == 4


@pytest.mark.parametrize("first", ["renew", "release", "calibrate", "park"])
def test_whoever_comes_first_notices(desk: Desk, first: str) -> None:
    permit = desk.hold()
    flushed(desk)
    match first:
        case "renew":
            desk.limiter.renew()
        case "release":
            permit.release()
        case "calibrate":
            permit.calibrate(FRESH)
        case _:
            desk.limiter._park(TENANT, XpmRateLimited("concurrent", 1))
    desk.hands.now += 2
    assert desk.refused() == ("recovering", 4)


def test_a_call_that_ends_meanwhile_is_in_the_minute_again(desk: Desk) -> None:
    permit = desk.hold()
    flushed(desk)
    permit.release()
    assert (desk.status().concurrent, desk.status().minute) == (0, 1)


def test_then_exactly_one_probe_a_tenant_whose_answer_refills_the_books(make_desk: MakeDesk) -> None:
    desk = make_desk(TENANT, "tenant-2")
    other = desk.beside()
    flushed(desk)
    desk.refused()
    desk.hands.now += TWO_RENEWALS
    probe = desk.hold()
    for one in (desk, other):
        for lane in ("interactive", "import"):
            assert one.refused(lane)[0] == "recovering"
    other.hold(tenant="tenant-2")
    assert other.refused(tenant="tenant-2")[0] == "recovering"
    probe.calibrate({"x-minlimit-remaining": "7", "x-daylimit-remaining": "4000", "x-appminlimit-remaining": "9000"})
    now = desk.status()
    assert (now.known, now.minute, now.day, now.app_minute) == (True, 53, 1000, 1000)
    probe.release()
    other.spend(7)
    assert other.refused()[0] == "minute"
    other.close()


def test_holders_that_registered_again_are_not_counted_twice(desk: Desk) -> None:
    for _ in range(2):
        desk.hold()
    flushed(desk)
    desk.limiter.renew()
    desk.hands.now += TWO_RENEWALS
    probe = desk.hold()
    probe.calibrate({"x-minlimit-remaining": "57"})
    assert desk.status().minute == 3


def test_old_answers_refill_the_books_but_are_no_probe(desk: Desk) -> None:
    old = desk.hold()
    flushed(desk)
    old.calibrate({"x-minlimit-remaining": "20"})
    assert desk.status().minute == 40
    desk.hands.now += TWO_RENEWALS
    desk.hold()
    assert desk.refused()[0] == "recovering"


@pytest.mark.parametrize("end", ["release", "die"])
def test_a_probe_that_brings_no_news_is_followed_by_another(desk: Desk, end: str) -> None:
    flushed(desk)
    desk.refused()
    desk.hands.now += TWO_RENEWALS
    probe = desk.hold()
    if end == "release":
        probe.release()
    else:
        desk.die()
        desk.hands.now += 9
        assert desk.refused()[0] == "recovering"
        desk.hands.now += 1
    second = desk.hold()
    assert desk.refused()[0] == "recovering"
    second.calibrate(FRESH)
    desk.hold()


def test_a_tenant_whose_books_are_gone_is_probed_alone(desk: Desk) -> None:
    for key in desk.client.keys(f"test:quota:tenant:{TENANT}*"):
        desk.client.delete(key)
    desk.hold()
    assert desk.refused()[0] == "recovering"


@pytest.mark.parametrize("days", [0.9, 2])
def test_a_tenant_without_a_call_for_a_day_has_used_nothing(desk: Desk, days: float) -> None:
    """Given a first call whose answer takes long, such as a full list: others go on beside it, if the ledger is older."""
    new = "tenant-2"
    desk.hands.now += days * 24 * 3600
    desk.hold("resync", new)
    if days < 1:
        assert desk.refused(tenant=new)[0] == "recovering"
        return
    desk.hold(tenant=new)
    # Until XPM says that our count was wrong
    desk.limiter._park(new, XpmRateLimited("minute", 1))
    desk.hands.now += 1
    desk.hold(tenant=new)
    assert desk.refused(tenant=new)[0] == "recovering"


def test_a_clock_that_jumped_back_closes_for_two_renewals_and_no_longer(desk: Desk) -> None:
    """As after a failover to a server whose clock is behind."""
    desk.hands.now -= 5000
    assert desk.refused() == ("recovering", TWO_RENEWALS)


def test_a_flush_in_the_middle_of_a_busy_minute_lets_no_call_too_many_through(client: object) -> None:
    desk = Desk(client, Limits(minute=10), NO_PATIENCE)  # type: ignore[arg-type]  # as above
    desk.open()
    desk.spend(9)
    flushed(desk)
    desk.refused()
    desk.hands.now += TWO_RENEWALS
    with desk.asking() as probe:
        probe.calibrate({"x-minlimit-remaining": "0"})
    assert desk.refused()[0] == "minute"
    desk.close()
