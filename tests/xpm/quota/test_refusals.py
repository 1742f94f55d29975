"""A 429 parks its tenant for all workers at once: for as long as it says, or as is usual for its limit."""

from __future__ import annotations

import json
from uuid import UUID

import httpx
import pytest

from tests.xpm.quota.conftest import MakeDesk
from tests.xpm.quota.desk import FRESH, TENANT, Desk
from tests.xpm.simulator.reading import call, counters
from xpm.client import Access, XpmApi
from xpm.errors import QuotaDeferred, QuotaLimit, XpmRateLimited
from xpm.quota import Limits
from xpm.simulator import SimulatorConfig, running
from xpm.simulator.knobs import Knobs
from xpm.simulator.quota import Limits as SimulatedLimits

CLIENT = UUID(int=1)
SPELLINGS: list[tuple[QuotaLimit, str, float]] = [
    ("minute", "minute", 60),
    ("minute", "Minute limit", 60),
    ("minute", "MINUTE", 60),
    ("day", "day", 3600),
    ("day", "DayLimit", 3600),
    ("concurrent", "concurrent", 2),
    ("concurrent", "Concurrency", 2),
    ("appminute", "appminute", 60),
    ("appminute", "App-Minute Limit", 60),
    ("unknown", "", 30),
    ("unknown", "something new", 30),
]


def answered(desk: Desk, *answers: httpx.Response, tenant: str = TENANT) -> None:
    """Calls through the client, answered in this order; a success is a client's record."""
    script = list(answers)
    transport = httpx.MockTransport(lambda _request: script.pop(0))
    api = XpmApi("https://xpm.test", desk.limiter, transport=transport, monotonic=desk.hands)
    while script:
        api.get(Access(tenant, "token"), CLIENT, lane="import", deadline_seconds=30)


def success() -> httpx.Response:
    body = json.dumps({"status": "OK", "client": {"uuid": str(CLIENT), "name": "Acme"}})
    return httpx.Response(200, text=body, headers={"content-type": "application/json", **FRESH})


def refusal(problem: str, retry_after: str | None = None, **headers: str) -> httpx.Response:
    given = {"X-Rate-Limit-Problem": problem, **{name.replace("_", "-"): value for name, value in headers.items()}}
    if retry_after is not None:
        given["Retry-After"] = retry_after
    return httpx.Response(429, headers=given)


@pytest.mark.parametrize("retry_after", ["27", None])
@pytest.mark.parametrize(("limit", "spelled", "usual"), SPELLINGS)
def test_every_kind_in_every_spelling_parks_every_worker(
    make_desk: MakeDesk, limit: QuotaLimit, spelled: str, usual: float, retry_after: str | None
) -> None:
    desk = make_desk(TENANT, "tenant-2")
    other = desk.beside()
    with pytest.raises(XpmRateLimited):
        answered(desk, refusal(spelled, retry_after))
    wait = 27 if retry_after else usual
    for lane in ("interactive", "import"):
        assert other.refused(lane) == (limit, wait)
        assert other.limiter.free(TENANT, lane) == 0
    if limit == "appminute":
        assert other.refused(tenant="tenant-2") == (limit, wait)
    else:
        other.spend(1, tenant="tenant-2")
    assert (other.status().parked_by, other.status().parked_seconds) == (
        (None, 0) if limit == "appminute" else (limit, wait)
    )
    other.hands.now += wait
    other.spend(1)
    other.close()


def test_a_days_retry_after_is_kept_however_long(desk: Desk) -> None:
    with pytest.raises(XpmRateLimited):
        answered(desk, refusal("day", "66975", X_DayLimit_Remaining="0", X_MinLimit_Remaining="60"))
    assert desk.refused() == ("day", 66975)
    desk.hands.now += 66975
    desk.spend(1)


def test_a_refusal_says_itself_when_it_ends(desk: Desk) -> None:
    """Its headers say that nothing remains; filling the books with that would park for a minute in place of two seconds."""
    with pytest.raises(XpmRateLimited):
        answered(desk, refusal("minute", "2", X_MinLimit_Remaining="0", X_DayLimit_Remaining="0"))
    assert desk.refused() == ("minute", 2)
    desk.hands.now += 2
    desk.spend(1)


def test_a_shorter_refusal_does_not_end_a_longer_one(desk: Desk) -> None:
    first, second = desk.hold(), desk.hold()
    for permit, error in ((first, XpmRateLimited("day", 500)), (second, XpmRateLimited("minute", 5))):
        desk.limiter._park(TENANT, error)
        permit.release()
    assert desk.refused() == ("day", 500)


def test_after_a_refusal_one_call_goes_first(desk: Desk) -> None:
    """Our books were wrong, so its answer must correct them before others follow."""
    with pytest.raises(XpmRateLimited):
        answered(desk, refusal("minute", "30"))
    desk.hands.now += 30
    permit = desk.hold()
    assert desk.refused()[0] == "recovering"
    assert desk.limiter.free(TENANT, "import") == 0
    permit.calibrate({"x-minlimit-remaining": "12"})
    assert desk.status().minute == 48
    desk.hold()


def test_after_too_many_at_once_nobody_goes_first(desk: Desk) -> None:
    with pytest.raises(XpmRateLimited):
        answered(desk, refusal("concurrent"))
    desk.hands.now += 2
    for _ in range(5):
        desk.hold()


def test_a_refusal_is_not_tried_again(desk: Desk) -> None:
    with pytest.raises(XpmRateLimited):
        answered(desk, refusal("concurrent", "0"), success())


def test_other_errors_park_nobody(desk: Desk) -> None:
    answered(desk, httpx.Response(503, headers={"Retry-After": "0"}), success())
    desk.spend(1)


@pytest.mark.parametrize("omitted", [(), ("minute", "day", "concurrent", "appminute")])
@pytest.mark.parametrize("kind", ["minute", "day", "appminute"])
def test_the_simulators_refusals_are_understood(make_desk: MakeDesk, kind: str, omitted: tuple[str, ...]) -> None:
    """Somebody else has used the limit up before our first call: refused once, and not asked again until it ends."""
    full = {"minute": 60, "day": 5000, "appminute": 10_000} | {kind: 1}
    limits = SimulatedLimits(minute=full["minute"], day=full["day"], app_minute=full["appminute"])
    desk = make_desk(SimulatorConfig().tenant_id)
    config = SimulatorConfig(clients=3, limits=limits, knobs=Knobs(omit_retry_after=omitted), monotonic=desk.hands)
    with running(config) as simulator:
        call(simulator, "staff.api/list")
        desk.hands.now += 20
        api = XpmApi(simulator.api_url, desk.limiter, monotonic=desk.hands)
        access = Access(config.tenant_id, config.access_token)
        uuid = next(iter(simulator.simulator.practices[config.tenant_id].clients))
        for error in (XpmRateLimited, QuotaDeferred, QuotaDeferred):
            with pytest.raises(error):
                api.get(access, uuid, lane="import", deadline_seconds=30)
        usual = {"minute": 60, "appminute": 60, "day": 3600}[kind]
        said = {"minute": 40, "appminute": 40, "day": 86_380}[kind]
        assert desk.refused(tenant=config.tenant_id) == (kind, usual if omitted else said)
        assert counters(simulator)["refusals"] == {kind: 1}
        desk.hands.now += 86_400
        api.get(access, uuid, lane="import", deadline_seconds=30)
        api.close()


def test_limits_the_simulator_tells_of_are_never_hit(make_desk: MakeDesk) -> None:
    """Its limits are smaller than what we were told; its headers say so, and nothing is refused."""
    config = SimulatorConfig(clients=3, limits=SimulatedLimits(minute=7, day=19, app_minute=9_000))
    desk = make_desk(config.tenant_id, limits=Limits())
    config.monotonic = desk.hands
    with running(config) as simulator:
        api = XpmApi(simulator.api_url, desk.limiter, monotonic=desk.hands)
        access = Access(config.tenant_id, config.access_token)
        uuid = next(iter(simulator.simulator.practices[config.tenant_id].clients))
        got = 0
        for _ in range(40):
            try:
                api.get(access, uuid, lane="interactive", deadline_seconds=30)
                got += 1
            except QuotaDeferred as deferred:
                desk.hands.now += min(deferred.wait_seconds, 600)
        assert got == 19
        assert counters(simulator)["refusals"] == {}
        api.close()
