"""A lost connection, as staff see it: what happens when, the same time everywhere, and how to mend it."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from sqlalchemy import update

from portal_db.states import ConnectionState, Role
from portal_db.tables import XpmConnection
from tests.handlers.given import set_connection
from tests.making import importable
from tests.web.desk import Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import connected, imported
from tests.web.pages.reading import Page, reader
from xpm.simulator.serve import SimulatorHandle

CONSENT = "/configure/integrations/xpm/consent"
BANNER = "Reconnect by (.+?), or the (?:waiting )?import fails"


@pytest.fixture
def waiting(desk: Desk, simulator: SimulatorHandle) -> UUID:
    """An import that waits since two hours for its requester to reconnect."""
    set_connection(desk.world, ConnectionState.BROKEN)
    import_id = desk.world.ask(importable(simulator)[0].uuid)
    desk.world.run_due()
    desk.world.pass_time(2 * 3600)
    return import_id


def buttons(page: Page) -> list[str]:
    return [button.text for button in page.main.all("button")]


def times(page: Page) -> set[str]:
    return set(re.findall(BANNER, page.main.text))


def test_every_page_says_the_same_time_and_offers_to_reconnect(desk: Desk, waiting: UUID) -> None:
    visitor = connected(desk)
    at = {
        path: keeps_the_rules(visitor.open(path))
        for path in ("/clients", "/integration-progress", f"/imports/{waiting}")
    }
    for path, page in at.items():
        assert len(times(page)) == 1, path
        assert "Next attempt" not in page.text, path
        assert "Reconnect" in buttons(page), path
    assert len({next(iter(times(page))) for page in at.values()}) == 1
    # The page and the import have one each
    assert buttons(at[f"/imports/{waiting}"]).count("Reconnect") == 2
    # Where connections are mended there is no second notice of it
    assert times(visitor.open("/configure/integrations")) == set()
    # And the button begins it
    assert visitor.send(at["/clients"], CONSENT).heading == "Connect Xero Practice Manager"


def test_who_cannot_mend_it_is_not_asked_to(desk: Desk, waiting: UUID) -> None:
    visitor = reader(desk, desk.staff(Role.OWNER))
    page = keeps_the_rules(visitor.open(f"/imports/{waiting}"))
    assert ("Reconnect" in buttons(page), "Only the person who requested this import" in page.text) == (False, True)
    assert times(page)
    assert "Reconnect" not in buttons(visitor.open("/integration-progress"))
    assert "Reconnect" not in buttons(visitor.open("/clients"))


def test_a_lost_connection_that_nothing_waits_for_is_said_too(desk: Desk) -> None:
    set_connection(desk.world, ConnectionState.BROKEN)
    assert "Reconnect to import from Xero Practice Manager." in connected(desk).open("/clients").main.text


def test_a_window_that_xpm_cannot_fill_keeps_the_navigation(desk: Desk, simulator: SimulatorHandle) -> None:
    record = importable(simulator)[0]
    visitor = connected(desk)
    set_connection(desk.world, ConnectionState.BROKEN)
    page = keeps_the_rules(visitor.open(f"/clients/add/xpm/{record.uuid}"))
    assert (page.status, "Reconnect" in buttons(page)) == (409, True)
    assert page.links()["Client list"] == "/clients"


def test_a_refused_window_keeps_what_was_typed_while_xpm_cannot_be_read(desk: Desk, simulator: SimulatorHandle) -> None:
    record = importable(simulator)[0]
    visitor, path = connected(desk), f"/clients/add/xpm/{record.uuid}"
    window = visitor.open(path)
    with desk.world.database.write() as tx:
        tx.session.execute(update(XpmConnection).values(state=ConnectionState.BROKEN))
    refused = keeps_the_rules(visitor.send(window, path, name="Typed", email=""))
    assert (refused.form(path)["name"], "Reconnect" in buttons(refused)) == ("Typed", True)
    assert refused.faults().keys() == {"email", "send_welcome_email"}
    assert refused.links()["Client list"] == "/clients"


def test_an_error_keeps_the_navigation_of_who_is_signed_in(desk: Desk, simulator: SimulatorHandle) -> None:
    client_id = imported(desk, importable(simulator)[0].uuid)
    visitor = reader(desk, desk.staff(Role.MANAGER))
    for path in (f"/clients/{client_id}", "/nothing", "/clients/not-an-id"):
        page = keeps_the_rules(visitor.open(path))
        assert (page.status, page.links()["Integration progress"]) == (404, "/integration-progress"), path
