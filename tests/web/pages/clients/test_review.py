"""Reviewing a client's new items by the pages: Import, Ignore, Link to existing, and two reviewers at once."""

from __future__ import annotations

from uuid import UUID

import pytest

from handlers.access.caller import Caller
from handlers.relationships import review
from handlers.relationships.review import Chosen
from portal_db.access import people
from portal_db.clients import team
from portal_db.states import FieldSource, Role
from portal_db.types import database_time
from tests.handlers.given import find
from tests.web.desk import Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import connected
from tests.web.pages.reading import Page, reader
from tests.world import is_importable_person
from xpm.simulator.serve import SimulatorHandle


@pytest.fixture
def client_id(desk: Desk, simulator: SimulatorHandle) -> UUID:
    """A client with at least three items that wait."""
    person = find(simulator, lambda each: is_importable_person(each) and len(each.relationships) > 2)
    found = desk.world.run_import(person.uuid).client_id
    assert found is not None
    return found


def known_by_hand(desk: Desk, client_id: UUID, name: str) -> None:
    """Somebody whom staff wrote into the team before XPM told of them."""
    with desk.world.database.write() as tx:
        row = {"id": tx.new_id(), "practice_id": desk.world.practice_id, "client_id": client_id, "name": name}
        row |= {"name_is_override": False, "relationship": "Aunt", "email": None, "xpm_uuid": None}
        team.add(tx, {**row, "source": FieldSource.STAFF, "as_of": database_time(tx.session)})


def items(page: Page) -> list[str]:
    """What the boxes of the items carry: id and version."""
    return [box["value"] for box in page.root.all("input") if box["name"] == "item"]


def test_items_are_imported_linked_and_ignored(desk: Desk, client_id: UUID) -> None:
    visitor, at = connected(desk), f"/clients/{client_id}/review"
    queue = keeps_the_rules(visitor.open(at))
    first, second, third, *_ = items(queue)
    # When one is imported, with another name and an email
    window = keeps_the_rules(visitor.open(f"{at}/{first.split()[0]}/import"))
    path = f"{at}/{first.split()[0]}/import"
    refused = keeps_the_rules(visitor.send(window, path, relationship="", as_co_owner=""))
    assert refused.faults().keys() == {"relationship"}
    own = {"name": "<b>As we</b> call them", "relationship": "Friend", "email": "", "as_co_owner": ""}
    done = keeps_the_rules(visitor.send(window, path, **own))
    # Then it is off the list, and in the team under that name
    assert "Imported and added to the team." in done.text
    assert first not in items(done)
    # When another is linked to somebody whom staff had written down
    known_by_hand(desk, client_id, "Aunt <i>May</i>")
    window = keeps_the_rules(visitor.open(f"{at}/{second.split()[0]}/link"))
    member = next(option["value"] for option in window.root.all("option"))
    assert "Aunt <i>May</i> (Aunt)" in window.text
    nobody = visitor.send(window, f"{at}/{second.split()[0]}/link", team_member_id="nobody")
    assert keeps_the_rules(nobody).faults().keys() == {"team_member_id"}
    linked = visitor.send(window, f"{at}/{second.split()[0]}/link", team_member_id=member)
    assert "now synced with XPM" in linked.text
    # When the last are ignored together
    rest = keeps_the_rules(visitor.post(f"{at}/ignore", {**linked.form(f"{at}/ignore"), "only": third}))
    assert "will reappear at the next import" in rest.text
    for left in items(rest):
        rest = visitor.post(f"{at}/ignore", {**rest.form(f"{at}/ignore"), "item": left})
    assert "Nothing to review" in keeps_the_rules(rest).text
    assert desk.world.mail.mailbox.deliveries() == []  # nobody was invited (b.24)


def test_the_second_of_two_reviewers_is_told_kindly(desk: Desk, client_id: UUID) -> None:
    visitor, at = connected(desk), f"/clients/{client_id}/review"
    packed, other, *_ = items(visitor.open(at))
    item_id, version = packed.split()
    window = visitor.open(f"{at}/{item_id}/import")
    # Given a colleague who is faster
    with desk.world.database.read() as tx:
        staff = people.get_staff(tx, desk.world.staff_id, practice_id=desk.world.practice_id)
    assert staff is not None
    review.ignore_item(desk.world.database, Caller.of(staff), Chosen(UUID(item_id), int(version)))
    # Then the form, the page and the list say so, and go on
    for page in (
        visitor.send(window, f"{at}/{item_id}/import"),
        visitor.open(f"{at}/{item_id}/import"),
        visitor.open(f"{at}/{item_id}/link"),
    ):
        assert (page.path, "A colleague has just reviewed this item." in page.text) == (at, True)
    both = visitor.browser.post(f"{at}/ignore", data={**page.form(f"{at}/ignore"), "item": [packed, other]})
    assert "except for items that a colleague has just reviewed" in both.text


def test_others_do_not_see_the_queue_and_basic_staff_only_look(desk: Desk, client_id: UUID) -> None:
    at = f"/clients/{client_id}/review"
    packed = items(connected(desk).open(at))[0]
    for person in (desk.other_practice(), desk.staff(Role.PARTNER)):
        stranger = reader(desk, person)
        assert stranger.open(at).status == 404
        assert stranger.open(f"{at}/{packed.split()[0]}/import").status == 404
        token = stranger.open("/clients").form("/sign-out")
        stranger.post(f"{at}/ignore", {**token, "only": packed})
    looking = reader(desk, desk.staff(Role.BASIC))
    token = looking.open("/clients").form("/sign-out")
    assert looking.post(f"{at}/ignore", {**token, "only": packed}).status == 403
    assert packed in items(connected(desk).open(at))
