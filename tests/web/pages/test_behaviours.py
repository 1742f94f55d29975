"""Behaviours of an import as staff see them from outside, on the pages alone; docs/pages.md lists all of them."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from portal_db.states import ConnectionState, Role
from tests.handlers.directory.given import synced
from tests.handlers.given import change, find, set_connection
from tests.making import importable
from tests.web.desk import Desk, serving
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import connected, imported
from tests.web.pages.reading import Page, reader
from tests.world import World, is_importable_person
from xpm.simulator.serve import SimulatorHandle


@pytest.fixture
def own_desk(own_sqlite_world: World, redis_url: str) -> Iterator[Desk]:
    """`desk`, with an XPM of its own to change."""
    with serving(own_sqlite_world, redis_url) as made:
        yield made


def batch_page(desk: Desk, import_ids: tuple[UUID, ...]) -> Page:
    """The page of a batch, once it is done."""
    desk.world.run_due()
    return keeps_the_rules(connected(desk).open(f"/batches/{desk.world.import_row(import_ids[0]).batch_id}"))


def test_of_two_records_with_one_email_in_a_batch_the_first_is_imported(desk: Desk, simulator: SimulatorHandle) -> None:
    """b.10"""
    world, people = desk.world, importable(simulator)[:3]
    rows = [world.request(each.uuid, name=f"Person {at}", email="one@x.example") for at, each in enumerate(people[:2])]
    page = batch_page(desk, world.ask_batch([*rows, world.request(people[2].uuid, name="Person 2")]))
    assert "1 not imported" in page.text
    trouble = next(item.text for item in page.main.all("section") if item["aria-labelledby"] == "trouble")
    assert ("Person 1" in trouble, "already in use in the portal" in trouble) == (True, True)
    listed = connected(desk).open("/clients").text
    assert [f"Person {at}" in listed for at in range(3)] == [True, False, True]


def test_a_colleagues_connection_is_of_no_use_to_anybody_else(desk: Desk, simulator: SimulatorHandle) -> None:
    """b.13"""
    record = importable(simulator)[0]
    client_id = imported(desk, record.uuid, name="Gwen Mitchell")
    colleague = reader(desk, desk.staff(Role.OWNER))
    assert "XPM is not connected" in keeps_the_rules(colleague.open("/clients/add/xpm")).text
    found = keeps_the_rules(colleague.open("/search", q=record.name, integration="xpm"))
    assert not [text for text in found.links() if text.startswith("Import ")]
    assert "You can't import right now" in colleague.open(f"/clients/{client_id}/import-items").text
    window = colleague.open(f"/clients/add/xpm/{importable(simulator)[1].uuid}")
    assert "XPM is not connected" in window.text


def test_what_is_older_than_72_hours_leaves_the_list_and_stays_to_be_reviewed(
    desk: Desk, simulator: SimulatorHandle
) -> None:
    """b.28"""
    person = find(simulator, lambda each: is_importable_person(each) and bool(each.relationships))
    client_id = imported(desk, person.uuid, name="Gwen Mitchell")
    desk.world.pass_time(71 * 3600)
    assert "Gwen Mitchell" in connected(desk).open("/integration-progress").text
    desk.world.pass_time(2 * 3600)
    visitor = connected(desk)
    assert "Nothing in the past 72 hours" in visitor.open("/integration-progress").text
    assert "Nothing to review" not in visitor.open(f"/clients/{client_id}/review").text
    assert "Gwen Mitchell" in visitor.open("/review").text


def test_one_client_that_fails_holds_up_no_other_and_says_why(desk: Desk, simulator: SimulatorHandle) -> None:
    """b.30"""
    world, person = desk.world, importable(simulator)[0]
    rows = [world.request(uuid4(), name="Gone From XPM"), world.request(person.uuid, name="Gwen Mitchell")]
    page = batch_page(desk, world.ask_batch(rows))
    assert ("2 of 2 done" in page.text, "1 not imported" in page.text) == (True, True)
    trouble = next(item.text for item in page.main.all("section") if item["aria-labelledby"] == "trouble")
    assert ("Gone From XPM" in trouble, "Gwen Mitchell" in trouble) == (True, False)
    assert "Gwen Mitchell" in connected(desk).open("/clients").text


def test_a_client_is_its_record_whatever_that_is_called(own_desk: Desk, own_simulator: SimulatorHandle) -> None:
    """b.32"""
    desk, (first, second, *_) = own_desk, importable(own_simulator)
    client_id, names = imported(desk, first.uuid), (first.name, second.name)
    # When two records swap their names, and the first has another email
    change(own_simulator, first.uuid, name=names[1], first_name=None, last_name=None, email="other@x.example")
    change(own_simulator, second.uuid, name=names[0], first_name=None, last_name=None)
    synced(desk.world)
    visitor, path = connected(desk), f"/clients/{client_id}/import-items"
    visitor.send(visitor.open(path), path)
    desk.world.run_due()
    # Then the client follows its record, and the other record is still to be imported
    assert visitor.open(f"/clients/{client_id}").heading == names[1]
    found = visitor.open("/search", q=names[0], integration="xpm")
    assert f"Import {names[0]}" in found.links()


def test_an_import_that_nobody_reconnects_for_fails_after_72_hours(desk: Desk, simulator: SimulatorHandle) -> None:
    """b.14: the row ends failed, with the way to go on."""
    set_connection(desk.world, ConnectionState.BROKEN)
    import_id = desk.world.ask(importable(simulator)[0].uuid, name="Gwen Mitchell")
    desk.world.run_due()
    desk.world.pass_time(71 * 3600)
    desk.world.run_due()
    assert "or the import fails" in connected(desk).open(f"/imports/{import_id}").main.text
    desk.world.pass_time(2 * 3600)
    desk.world.run_due()
    visitor = connected(desk)
    page = keeps_the_rules(visitor.open(f"/imports/{import_id}"))
    assert (page.heading, "Reconnect XPM under Configure" in page.text) == ("Failed", True)
    assert "Gwen Mitchell" in visitor.open("/needs-me").main.text
