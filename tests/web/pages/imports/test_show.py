"""An import's page: what came of it, in staff's own words, and what to do first."""

from __future__ import annotations

from uuid import UUID, uuid4

from handlers.access.caller import Caller, Scope
from handlers.clients import link
from handlers.outages import OPENS_AFTER, XPM
from portal_db.states import Role
from portal_db.work import outages
from tests.handlers.directory.given import synced
from tests.handlers.given import disconnect, find, make_odd, run_only
from tests.web.desk import Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import connected, imported
from tests.web.pages.reading import Page, Reader
from tests.world import is_importable_person
from xpm.simulator.serve import SimulatorHandle


def title(page: Page) -> str:
    return next(page.root.all("title")).text


def with_items(desk: Desk, simulator: SimulatorHandle, bring_relationships: bool = True) -> UUID:
    """A client whose record has relationships."""
    person = find(simulator, lambda each: is_importable_person(each) and len(each.relationships) > 1)
    return imported(desk, person.uuid, name="Gwen Mitchell", bring_relationships=bring_relationships)


def caller_of(desk: Desk) -> Caller:
    return Caller(desk.world.practice_id, desk.world.staff_id, "Kim", Role.PARTNER, frozenset(Scope))


def import_items(visitor: Reader, client_id: UUID) -> Page:
    """Ask for the client's items; the page of that import."""
    path = f"/clients/{client_id}/import-items"
    return visitor.send(visitor.open(path), path)


def test_the_first_thing_to_do_is_to_review_what_an_import_brought(desk: Desk, simulator: SimulatorHandle) -> None:
    client_id = with_items(desk, simulator, bring_relationships=False)
    visitor = connected(desk)
    going = import_items(visitor, client_id)
    assert title(going).startswith("Accepted: Gwen Mitchell")
    desk.world.run_due()
    done = keeps_the_rules(visitor.open(going.path))
    assert title(done).startswith("Succeeded: Gwen Mitchell")
    first = next(item for item in done.main.all("a") if "primary" in item["class"])
    assert (first.text.startswith("Review new items ("), first["href"]) == (True, f"/clients/{client_id}/review")


def test_an_import_that_brought_nothing_is_not_partly_succeeded(desk: Desk, simulator: SimulatorHandle) -> None:
    client_id = with_items(desk, simulator)
    visitor = connected(desk)
    going = import_items(visitor, client_id)
    # Given that every step is turned down: the client is disconnected before any of them runs
    link.disconnect(desk.world.database, caller_of(desk), client_id)
    desk.world.run_due()
    for path in (going.path, f"/clients/{client_id}", "/integration-progress"):
        page = keeps_the_rules(visitor.open(path))
        assert ("Not imported" in page.main.text, "Partly succeeded" in page.text) == (True, False), path


def test_items_are_not_asked_for_without_a_connection_of_ones_own(desk: Desk, simulator: SimulatorHandle) -> None:
    client_id = with_items(desk, simulator)
    visitor, path = connected(desk), f"/clients/{client_id}/import-items"
    form = visitor.open(path)
    disconnect(desk.world)
    before = desk.world.scalar("SELECT count(*) FROM imports")
    for page in (visitor.open(path), visitor.send(form, path)):
        assert "You can't import right now" in keeps_the_rules(page).text
        assert not [each for each in page.main.all("form") if each["action"] == path]
    assert desk.world.scalar("SELECT count(*) FROM imports") == before


def test_what_was_left_out_is_named_and_never_shown(own_desk: Desk, own_simulator: SimulatorHandle) -> None:
    visitor, record = connected(own_desk), find(own_simulator, is_importable_person)
    make_odd(own_simulator, record, dateOfBirth="sometime in May", relationships="see notes")
    row = own_desk.world.run_import(record.uuid)
    page = keeps_the_rules(visitor.open(f"/imports/{row.id}"))
    assert "Left out: date of birth, relationships. XPM has them in a form that can't be read." in page.text
    assert "May" not in page.text
    # When it is corrected in XPM, read and imported again, nothing is left out
    make_odd(own_simulator, record)
    synced(own_desk.world)
    assert row.client_id is not None
    again = import_items(visitor, row.client_id)
    own_desk.world.run_due()
    assert "Left out" not in visitor.open(again.path).text


def test_a_second_request_for_a_record_leads_to_the_first(desk: Desk, simulator: SimulatorHandle) -> None:
    record = find(simulator, is_importable_person)
    first, second = desk.world.ask(record.uuid, name="Gwen Mitchell"), desk.world.ask(record.uuid)
    run_only(desk.world, second, "validate_import")
    visitor = connected(desk)
    page = keeps_the_rules(visitor.open(f"/imports/{second}"))
    assert page.heading == "Already being imported"
    assert page.links()["View that import"] == f"/imports/{first}"
    # One that comes later finds the client
    desk.world.run_due()
    third = desk.world.run_import(record.uuid).id
    page = keeps_the_rules(visitor.open(f"/imports/{third}"))
    assert (page.heading, page.links()["View that import"]) == ("Already a client", f"/imports/{first}")
    progress = visitor.open("/integration-progress")
    assert ("Succeeded" in progress.main.text, "Not imported" in progress.text) == (True, False)


def test_a_colleagues_import_of_the_same_record_is_not_shown(desk: Desk, simulator: SimulatorHandle) -> None:
    record = find(simulator, is_importable_person)
    desk.world.ask(record.uuid, requested_by=desk.staff(Role.MANAGER).staff_id)
    second = desk.world.ask(record.uuid)
    run_only(desk.world, second, "validate_import")
    page = keeps_the_rules(connected(desk).open(f"/imports/{second}"))
    assert (page.heading, "View that import" in page.links()) == ("Already being imported", False)


def test_who_waits_for_more_than_a_minute_is_told_their_place_and_about_how_long(
    any_desk: Desk, simulator: SimulatorHandle
) -> None:
    desk = any_desk
    imported(desk, find(simulator, is_importable_person).uuid)
    others = [desk.world.ask(uuid4()) for _ in range(3)]
    visitor = connected(desk)
    assert "Waiting to start" in visitor.open(f"/imports/{others[2]}").text
    desk.world.pass_time(70)
    assert "We are behind; yours is number 3, about " in visitor.open(f"/imports/{others[2]}").text
    # Nothing was finished lately: there is no telling how long
    desk.world.pass_time(400)
    assert "We are behind; yours is number 1." in visitor.open(f"/imports/{others[0]}").text


def test_who_asks_while_xpm_is_away_is_told_so_at_once_and_until_when(
    any_desk: Desk, simulator: SimulatorHandle
) -> None:
    world, person = any_desk.world, find(simulator, is_importable_person)
    # Given an outage of XPM, whose next probe is a minute away
    with world.database.write() as tx:
        for _ in range(OPENS_AFTER):
            outages.count_failure(tx, XPM.name, reason="cannot be reached", holder="", of_all=True)
        outages.plan_probe(tx, XPM.name, XPM.code, seconds=60)
    # When somebody asks for one client, and a worker takes it
    program = any_desk.program()
    asked = program.post(
        "/api/v1/imports", json={"xpm_uuid": str(person.uuid), "kind": "individual"}, headers={"Idempotency-Key": "k-1"}
    ).json()
    world.run_due()
    # Then the API and the page say what it waits for, and until when
    told = program.get(f"/api/v1/imports/{asked['id']}").json()
    assert (told["state"], told["is_open"]) == ("waiting", True)
    assert told["waits_for"].startswith("Waiting for XPM, which cannot be reached, until ")
    assert told["until"]
    assert (
        "Waiting for XPM, which cannot be reached, until " in connected(any_desk).open(f"/imports/{asked['id']}").text
    )
    # When XPM answers the probe, then it goes on by itself
    world.pass_time(61)
    world.run_due()
    assert program.get(f"/api/v1/imports/{asked['id']}").json()["state"] == "succeeded"
