"""Configure > Integrations and Admin settings > Security, as staff see them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from handlers.access.practices import add_practice
from portal_db.states import Role
from portal_db.xero import connections, logins
from tests.web.desk import Desk, serving
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.reading import Page, Reader, reader
from tests.world import TENANT, World, building
from worker.local.mail_catcher import MailCatcher
from xpm.simulator.serve import SimulatorConfig, SimulatorHandle, TenantSpec, running

AT = "/configure/integrations"
OTHER, OTHER_NAME = "second-tenant", "Bay <b>Advisory</b>"


@pytest.fixture
def xero() -> Iterator[SimulatorHandle]:
    """A Xero of the test's own, with two practices."""
    more = (TenantSpec(OTHER, 5, 2, OTHER_NAME),)
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


def sent_back(visitor: Reader) -> str:
    """Set up, go to Xero by the link in the window, allow access; the address of ours that Xero sends the browser to."""
    window = visitor.send(visitor.open(AT), f"{AT}/xpm/consent")
    assert window.heading == "Connect Xero Practice Manager"
    at_xero = httpx.get(window.links()["Continue to XPM"], trust_env=False, follow_redirects=False)
    back = urlsplit(at_xero.headers["location"])
    return f"{back.path}?{back.query}"


def facts(page: Page) -> dict[str, str]:
    return {
        term.text: definition.text for term, definition in zip(page.main.all("dt"), page.main.all("dd"), strict=True)
    }


def test_mfa_comes_first_and_only_its_link_is_there_until_it_is_on(desk: Desk) -> None:
    practice_id = add_practice(desk.world.database, "New", time_zone="Australia/Sydney", mfa_mandatory=False)
    manager, owner = (reader(desk, desk.staff(role, practice_id=practice_id)) for role in (Role.MANAGER, Role.OWNER))
    # Given a practice without mandatory MFA
    page = keeps_the_rules(manager.open(AT))
    assert page.links()["Set up Firm wide mandatory MFA for staff and clients"] == "/admin/security"
    assert "Set up" not in [button.text for button in page.main.all("button")]
    # When a manager looks, they are told who can do it, and cannot do it themselves
    assert "Ask an owner or account admin" in keeps_the_rules(manager.open("/admin/security")).text
    forced = {**manager.open("/clients").form("/sign-out"), "confirm": "yes"}
    assert manager.post("/admin/security/mfa", forced).status == 403
    # When the owner does it, they confirm what cannot be undone
    page = keeps_the_rules(owner.open("/admin/security"))
    unsure = keeps_the_rules(owner.send(page, "/admin/security/mfa"))
    assert unsure.faults().keys() == {"confirm"}
    done = owner.send(page, "/admin/security/mfa", confirm="yes")
    # Then XPM can be set up, and nobody is asked again
    assert "MFA is now mandatory for all staff and clients." in done.text
    assert "Set up" in [button.text for button in keeps_the_rules(manager.open(AT)).main.all("button")]
    assert "confirm" not in keeps_the_rules(owner.open("/admin/security")).answer.text


def test_somebody_sets_xpm_up_chooses_a_practice_and_disconnects(desk: Desk, xero: SimulatorHandle) -> None:
    xero.simulator.knobs = xero.simulator.knobs.changed({"consent_tenants": [TENANT, OTHER]})
    visitor = reader(desk, desk.staff(Role.MANAGER))
    # When Xero lets them into two practices, they choose, and names are names
    choice = keeps_the_rules(visitor.open(sent_back(visitor)))
    assert OTHER_NAME in choice.text
    assert TENANT in choice.text  # it has no name
    done = keeps_the_rules(visitor.send(choice, f"{AT}/xpm/choice", tenant_id=OTHER))
    # Then they see how it stands
    assert "Xero Practice Manager is connected." in done.text
    assert OTHER_NAME in facts(done)["Connected as"]
    assert facts(done)["XPM calls left today"].startswith("Not available")  # no limiter in this test
    # When they disconnect, they are told what that does first
    asked = keeps_the_rules(visitor.open(done.links()["Disconnect"]))
    assert "Everything already imported stays in the portal." in asked.text
    assert "Not set up" in keeps_the_rules(visitor.send(asked, f"{AT}/xpm/disconnect")).text
    assert visitor.open(f"{AT}/xpm/disconnect").path == AT


def test_the_only_practice_needs_no_choice_and_an_answer_is_good_once(desk: Desk) -> None:
    visitor = reader(desk, desk.staff())
    back = sent_back(visitor)
    stolen = reader(desk, desk.staff()).open(back)
    assert (stolen.status, "Start connecting again" in stolen.text) == (409, True)
    assert visitor.open(back).path == AT
    assert "is not yours" in keeps_the_rules(visitor.open(back)).text


def test_a_no_at_xero_says_what_to_do(desk: Desk, xero: SimulatorHandle) -> None:
    xero.simulator.knobs = xero.simulator.knobs.changed({"consent_error": "access_denied"})
    visitor = reader(desk, desk.staff())
    page = keeps_the_rules(visitor.open(sent_back(visitor)))
    assert "Access was not allowed at Xero." in page.text
    assert "Connect third-party add-ons" in page.text


def test_a_broken_connection_says_why_and_how_to_mend_it(desk: Desk) -> None:
    person = desk.staff(Role.PARTNER)
    visitor = reader(desk, person)
    visitor.open(sent_back(visitor))
    with desk.world.database.write() as tx:
        row = connections.live_connection_of(tx, person.staff_id)
        assert row is not None
        login = logins.load(tx, row.xero_login_id).row
        connections.mark_broken(tx, row.id, xero_login_id=login.id, version=login.version, code="grant_refused")
    page = keeps_the_rules(visitor.open(AT))
    assert "Your Xero connection has expired." in page.text
    assert "Reconnect" in [button.text for button in page.main.all("button")]
    assert "Connected" in visitor.open(sent_back(visitor)).text


def test_who_only_looks_cannot_connect(desk: Desk) -> None:
    visitor = reader(desk, desk.staff(Role.BASIC))
    page = keeps_the_rules(visitor.open(AT))
    assert "Staff with the role Basic cannot import clients." in page.text
    assert not list(page.main.all("form"))
    token = visitor.open("/clients").form("/sign-out")
    for path in ("consent", "choice", "disconnect"):
        assert visitor.post(f"{AT}/xpm/{path}", token).status == 403
    assert visitor.open("/integrations/xpm/callback", state="x", code="y").status == 403
