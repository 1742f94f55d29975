"""What needs me: one list for each person, counted in the navigation."""

from __future__ import annotations

from uuid import uuid4

from portal_db.states import ConnectionState, Role
from tests.handlers.given import find, set_connection
from tests.making import importable
from tests.web.desk import Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import connected
from tests.web.pages.reading import Page, reader
from tests.world import is_importable_person
from xpm.simulator.serve import SimulatorHandle

AT = "/needs-me"


def counted(page: Page) -> str:
    """What the navigation says."""
    link = next(item for item in page.root.all("a") if item["href"] == AT)
    return next((badge.text.split()[0] for badge in link.all("span") if badge["class"] == "badge note"), "")


def test_everything_that_needs_a_person_is_in_one_list_and_counted(any_desk: Desk, simulator: SimulatorHandle) -> None:
    desk = any_desk
    world = desk.world
    visitor = connected(desk)
    page = keeps_the_rules(visitor.open(AT))
    assert ("You're all caught up" in page.text, counted(page)) == (True, "")
    # Given a client with items to review, an import that failed, and a batch that is finished
    person = find(simulator, lambda each: is_importable_person(each) and bool(each.relationships))
    client_id = world.run_import(person.uuid, name="Gwen Mitchell").client_id
    failed = world.run_import(uuid4(), name="Nobody There").id
    other = next(each for each in importable(simulator) if each.uuid != person.uuid)
    world.ask_batch([world.request(other.uuid, bring_relationships=False)])
    world.run_due()
    # Then each is listed with its way on
    page = keeps_the_rules(visitor.open(AT))
    links = page.links()
    assert links["Nobody There"] == f"/imports/{failed}"
    assert f"/clients/{client_id}/review" in links.values()
    assert [href for href in links.values() if href.startswith("/batches/")] != ["/batches/new"]
    assert counted(page) == counted(visitor.open("/clients")) == "3"
    # A broken connection counts, and is said on top
    set_connection(world, ConnectionState.BROKEN)
    page = visitor.open(AT)
    assert (counted(page), "Reconnect to import" in page.text) == ("4", True)
    # It is nobody else's
    assert counted(reader(desk, desk.staff(Role.OWNER)).open(AT)) == ""
    # What failed is no longer listed once it was requested again; what finished, after three days
    set_connection(world, ConnectionState.CONNECTED)
    world.pass_time(73 * 3600)
    visitor = connected(desk)
    assert counted(visitor.open(AT)) == "2"
    world.pass_time(12 * 86_400)
    assert counted(connected(desk).open(AT)) == "1"


def test_what_was_only_requested_twice_needs_nobody(desk: Desk, simulator: SimulatorHandle) -> None:
    record = importable(simulator)[0]
    for _ in range(2):
        desk.world.run_import(record.uuid, bring_relationships=False)
    assert counted(connected(desk).open(AT)) == ""
