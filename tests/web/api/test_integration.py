"""The integration over HTTP: connected by consent at Xero, told how it stands, disconnected."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest

from portal_db.states import Role
from tests.handlers.given import link_entity
from tests.handlers.schedule.given import office_of
from tests.handlers.schedule.test_leaving import connected_colleague, leave
from tests.web.desk import API, Desk, serving
from tests.world import TENANT, World, building
from worker.local.mail_catcher import MailCatcher
from xpm.simulator.serve import SimulatorConfig, SimulatorHandle, TenantSpec, running

AT = f"{API}/integrations/xpm"
OTHER = "second-tenant"


@pytest.fixture
def xero() -> Iterator[SimulatorHandle]:
    """A Xero of the test's own, with two practices."""
    more = (TenantSpec(OTHER, 5, 2),)
    with running(SimulatorConfig(clients=5, port=0, enforce_quota=False, more_tenants=more)) as handle:
        yield handle


@pytest.fixture
def office(sqlite_tables: str, xero: SimulatorHandle, mail_catcher: MailCatcher) -> Iterator[World]:
    with building(sqlite_tables, xero.api_url, xero.config.access_token, mail_catcher) as made:
        yield made


@pytest.fixture
def desk(office: World, redis_url: str) -> Iterator[Desk]:
    with serving(office, redis_url) as made:
        yield made


def consented(browser: httpx.Client) -> dict[str, str]:
    """Go to Xero, allow access, and come back with what it put into the address."""
    url = browser.post(f"{AT}/consent").json()["authorize_url"]
    back = httpx.get(url, trust_env=False, follow_redirects=False)
    return {name: values[0] for name, values in parse_qs(urlsplit(back.headers["location"]).query).items()}


def test_with_xero_away_the_answer_says_when_to_try_again(desk: Desk, xero: SimulatorHandle) -> None:
    # Given somebody who comes back from Xero, and Xero does not answer any more
    browser = desk.signed_in(desk.staff())
    back = consented(browser)
    xero.simulator.knobs = xero.simulator.knobs.changed({"identity_status": 503})
    # When their answer is sent
    away = browser.post(f"{AT}/answer", json={"state": back["state"], "code": back["code"]})
    # Then it is refused with a time, as every 503
    assert (away.status_code, away.json()["code"]) == (503, "xero_unavailable")
    assert int(away.headers["retry-after"]) > 0


def test_somebody_connects_chooses_a_practice_and_disconnects(desk: Desk, xero: SimulatorHandle) -> None:
    xero.simulator.knobs = xero.simulator.knobs.changed({"consent_tenants": [TENANT, OTHER]})
    browser = desk.signed_in(desk.staff())
    before = browser.get(AT).json()
    assert (before["can_import"], before["connection"]) == (False, None)
    assert before["problem"]["code"] == "integration_not_configured"
    back = consented(browser)
    choice = browser.post(f"{AT}/answer", json={"state": back["state"], "code": back["code"]}).json()
    assert {tenant["tenant_id"] for tenant in choice["tenants"]} == {TENANT, OTHER}
    chosen = {"consent_id": choice["consent_id"], "tenant_id": OTHER}
    assert browser.post(f"{AT}/choice", json=chosen).json()["connection_id"]
    after = browser.get(AT).json()
    assert (after["can_import"], after["connection"]["state"], after["problem"]) == (True, "connected", None)
    assert browser.delete(AT).status_code == 204
    assert browser.get(AT).json()["connection"] is None
    assert browser.delete(AT).json()["code"] == "already_disconnected"


def test_an_answer_is_good_once_and_for_who_began_only(desk: Desk) -> None:
    one, other = desk.signed_in(desk.staff()), desk.signed_in(desk.staff())
    back = consented(one)
    given = {"state": back["state"], "code": back["code"]}
    stolen = other.post(f"{AT}/answer", json=given)
    assert (stolen.status_code, stolen.json()["code"]) == (409, "consent_expired")
    assert one.post(f"{AT}/answer", json=given).status_code == 200
    assert one.post(f"{AT}/answer", json=given).json()["code"] == "consent_expired"


def test_a_refusal_at_xero_says_what_to_do(desk: Desk) -> None:
    browser = desk.signed_in(desk.staff())
    state = consented(browser)["state"]
    answer = browser.post(f"{AT}/answer", json={"state": state, "error": "access_denied"})
    assert answer.json()["code"] == "access_denied"
    assert answer.json()["remedy"]


def test_without_mfa_for_everybody_nobody_connects(desk: Desk) -> None:
    person = desk.staff()
    with desk.world.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE practices SET mfa_mandatory = 0")
    browser = desk.signed_in(person)
    assert browser.get(AT).json()["problem"]["code"] == "mfa_not_mandatory"
    refused = browser.post(f"{AT}/consent")
    assert (refused.status_code, refused.json()["code"]) == (409, "mfa_not_mandatory")


def test_staff_see_when_what_they_see_was_read_and_what_was_left_behind(desk: Desk) -> None:
    world = desk.world
    office = office_of(world)
    office.until_due()
    office.calls_left = 0
    office.look()
    client_id = link_entity(world, uuid4())
    told = desk.program().get(AT).json()
    full = next(each for each in told["syncs"] if each["mode"] == "full")
    assert (full["last"], full["passed_over"]["code"]) == (None, "short_of_quota")
    assert full["next_at"] > office.now.isoformat()
    assert told["left_behind"] == []
    # When the partner leaves, whoever may see their clients is told, and an owner hands them to a colleague
    colleague = connected_colleague(world, [])
    leave(world)
    owner, partner = desk.program(desk.staff(Role.OWNER)), desk.program(desk.staff())
    [behind] = owner.get(AT).json()["left_behind"]
    assert (behind["count"], [client["id"] for client in behind["clients"]]) == (1, [str(client_id)])
    assert partner.get(AT).json()["left_behind"] == []
    given = {"connection_id": behind["connection_id"], "to_staff_id": str(colleague)}
    assert owner.post(f"{AT}/reassign", json=given).json() == {"moved": [], "left": [str(client_id)]}
    assert partner.post(f"{AT}/reassign", json=given).status_code == 403
    elsewhere = desk.program(desk.other_practice()).post(f"{AT}/reassign", json=given)
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "unknown_connection")
