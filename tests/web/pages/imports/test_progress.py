"""Integration progress, as staff see it (b.28)."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import update

from handlers.access.caller import Caller
from handlers.imports.accept import import_items
from portal_db.access import people
from portal_db.states import Role
from portal_db.tables import Staff
from tests.making import importable, pause
from tests.web.desk import API, Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.reading import Page, reader
from xpm.simulator.serve import SimulatorHandle

AT = "/integration-progress"
HOURS_72 = 72 * 3600


def rows(page: Page) -> dict[str, str]:
    """The actions by the name of what they are about."""
    shown = list(page.root.all("tr"))[1:]
    return {next(row.all("bdi")).text: row.text for row in shown}


def test_it_tells_what_became_of_each_action_and_what_there_is_to_review(
    any_desk: Desk, simulator: SimulatorHandle
) -> None:
    desk, world = any_desk, any_desk.world
    people = importable(simulator)
    related = next(person for person in people if person.relationships)
    # Given an import that brought relationships, and one that was turned down
    done = world.run_import(related.uuid)
    world.run_import(related.uuid)
    page = keeps_the_rules(reader(desk, desk.staff(Role.OWNER)).open(AT))
    # Then both are there, in the one row of their client, with the reason and the way to the review
    assert len(list(page.root.all("tr"))) == 2
    assert page.links()["Add individual"].startswith("/imports/")
    assert "1 earlier" in page.text
    assert "already" in page.text
    assert page.links()[f"Review new items for {related.name} ({len(related.relationships)})"].endswith(
        f"/clients/{done.client_id}/review"
    )
    # When one waits because operations paused it, then it says so
    pause(world, practice_id=world.practice_id)
    waiting = next(person for person in people if person.uuid != related.uuid)
    world.ask(waiting.uuid, name="Amended <i>name</i>")
    follower = reader(desk, desk.staff(Role.OWNER))
    assert "Paused by operations." in rows(follower.open(AT))["Amended <i>name</i>"]
    # And the part that a script fetches is the same
    assert "Paused by operations." in follower.browser.get(f"{AT}/standing").text


def test_only_what_is_in_sight_and_in_the_last_72_hours_is_told(desk: Desk, simulator: SimulatorHandle) -> None:
    world = desk.world
    world.run_import(importable(simulator)[0].uuid)
    # Others of the practice do not see what a colleague asked for, and other practices see nothing
    for person in (desk.staff(Role.MANAGER), desk.other_practice()):
        assert "Nothing in the past 72 hours" in keeps_the_rules(reader(desk, person).open(AT)).text
    world.pass_time(HOURS_72 - 600)
    assert len(list(reader(desk, desk.staff(Role.OWNER)).open(AT).root.all("tr"))) == 2
    world.pass_time(700)
    assert "Nothing in the past 72 hours" in reader(desk, desk.staff(Role.OWNER)).open(AT).text


def test_the_client_of_an_own_import_is_told_only_where_it_is_in_sight(desk: Desk, simulator: SimulatorHandle) -> None:
    """Somebody who saw everything brought items of a colleague's client, and has another role now."""
    world, person = desk.world, importable(simulator)[0]
    client_id = world.run_import(person.uuid, name="Renamed Since").client_id
    asker = desk.staff(Role.OWNER)
    with world.database.read() as tx:
        staff = people.get_staff(tx, asker.staff_id, practice_id=asker.practice_id)
    assert staff is not None
    assert client_id is not None
    import_items(world.database, world.bell, Caller.of(staff), client_id, "key", details=True, relationships=False)
    assert "Renamed Since" in reader(desk, asker).open(AT).text
    with world.database.write() as tx:
        tx.session.execute(update(Staff).where(Staff.id == asker.staff_id).values(role=Role.PARTNER))
    page = reader(desk, asker).open(AT)
    assert len(list(page.root.all("tr"))) == 2
    assert "Renamed Since" not in page.text
    assert str(client_id) not in str(page.links())
    its_own = next(href for href in page.links().values() if href.startswith("/imports/"))
    assert "Renamed Since" not in reader(desk, asker).open(its_own).text


def test_it_says_live_when_something_changes(desk: Desk, simulator: SimulatorHandle) -> None:
    world = desk.world
    follower = reader(desk, desk.staff(Role.OWNER))
    with follower.browser.stream("GET", f"{AT}/events") as stream:
        told = (line for line in stream.iter_lines() if line.startswith("data:"))
        before = next(told)
        world.run_import(importable(simulator)[0].uuid)
        assert next(told) != before


@pytest.mark.parametrize(
    "address", ["page", "part of the page", "part of an import", "part of a batch", "events", "API"]
)
def test_an_open_page_that_follows_work_keeps_no_session_from_timing_out(desk: Desk, address: str) -> None:
    world = desk.world
    [import_id] = world.ask_batch([world.request(uuid4())])
    asks = {
        "page": AT,
        "part of the page": f"{AT}/standing",
        "part of an import": f"/imports/{import_id}/standing",
        "part of a batch": f"/batches/{world.import_row(import_id).batch_id}/standing",
        "events": f"{AT}/events",
        "API": f"{API}/imports/{import_id}/events",
    }
    visitor = reader(desk, desk.staff(Role.OWNER))
    # Given nothing but what the page asks for by itself, for longer than a session may be idle
    for _ in range(7):
        world.pass_time(600)
        with visitor.browser.stream("GET", asks[address], headers={"Accept": "text/event-stream"}) as answer:
            last = answer.status_code
    # Then it has ended; only somebody who opens a page keeps it
    is_used = address == "page"
    assert last == (200 if is_used else 401)
    assert visitor.open("/clients").path == ("/clients" if is_used else "/sign-in")
