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
from tests.web.pages.reading import Page, Reader, reader
from tests.world import is_importable_person
from xpm.simulator.practice.model import Client
from xpm.simulator.serve import SimulatorHandle


@pytest.fixture
def client_id(desk: Desk, simulator: SimulatorHandle) -> UUID:
    """A client with items about at least three people or entities that wait."""
    person = find(simulator, lambda each: is_importable_person(each) and len(related(each)) > 2)
    found = desk.world.run_import(person.uuid).client_id
    assert found is not None
    return found


def related(client: Client) -> set[UUID]:
    return {row.related_uuid for row in client.relationships}


def known_by_hand(desk: Desk, client_id: UUID, name: str) -> UUID:
    """Somebody whom staff wrote into the team before XPM told of them."""
    with desk.world.database.write() as tx:
        member_id: UUID = tx.new_id()
        row = {"id": member_id, "practice_id": desk.world.practice_id, "client_id": client_id, "name": name}
        row |= {"name_is_override": False, "relationship": "Aunt", "email": None, "xpm_uuid": None}
        team.add(tx, {**row, "source": FieldSource.STAFF, "as_of": database_time(tx.session)})
    return member_id


def items(page: Page) -> list[str]:
    """What the boxes of the entries carry: the ids and versions of their items."""
    return [box["value"] for box in page.root.all("input") if box["name"] == "item" and box["type"] == "checkbox"]


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
    path = f"{at}/{second.split()[0]}/link"
    window = keeps_the_rules(visitor.open(path))
    assert "Aunt <i>May</i> ( Aunt )" in window.text
    assert "team_member_id" not in window.form(path), "nobody is chosen beforehand"
    member = next(box["value"] for box in window.root.all("input") if box["name"] == "team_member_id")
    # Then both sides are shown before one replaces the other
    both = keeps_the_rules(visitor.open(path, team_member_id=member))
    assert ("Now in the team" in both.text, "Aunt <i>May</i>" in both.text) == (True, True)
    nobody = visitor.send(both, path, team_member_id="nobody")
    assert keeps_the_rules(nobody).faults().keys() == {"team_member_id"}
    linked = visitor.send(both, path)
    assert "now synced with XPM" in linked.text
    # When the last are ignored together
    rest = keeps_the_rules(visitor.post(f"{at}/ignore", {**linked.form(f"{at}/ignore"), "only": third}))
    assert "will reappear at the next import" in rest.text
    for left in items(rest):
        rest = visitor.post(f"{at}/ignore", {**rest.form(f"{at}/ignore"), "item": left})
    assert "Nothing to review" in keeps_the_rules(rest).text
    assert desk.world.mail.mailbox.deliveries() == []  # nobody was invited (b.24)


@pytest.mark.parametrize(("is_own", "told"), [(False, "A colleague has just"), (True, "You have already")])
def test_a_decision_that_comes_too_late_is_said_to_be_whose_it_is(
    desk: Desk, client_id: UUID, is_own: bool, told: str
) -> None:
    owner = desk.staff(Role.OWNER)
    visitor = connected(desk) if is_own else reader(desk, owner)
    at = f"/clients/{client_id}/review"
    packed, other, *_ = items(visitor.open(at))
    item_id, version = packed.split(",")[0].split()
    window = visitor.open(f"{at}/{item_id}/import")
    # Given somebody who was faster, the visitor or a colleague
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
        assert (page.path, f"{told} reviewed this item." in page.text) == (at, True)
    both = Page.of(visitor.browser.post(f"{at}/ignore", data={**page.form(f"{at}/ignore"), "item": [packed, other]}))
    assert "except for items that had already been reviewed" in both.text
    alone = visitor.post(f"{at}/ignore", {**both.form(f"{at}/ignore"), "only": packed})
    assert f"{told} reviewed this item." in alone.text


def test_the_ticked_are_imported_after_a_preview_and_the_decision_is_undone(desk: Desk, client_id: UUID) -> None:
    visitor, at = connected(desk), f"/clients/{client_id}/review"
    queue = visitor.open(at)
    before = items(queue)
    # When two are ticked, nothing happens before the preview is confirmed
    preview = keeps_the_rules(sent(visitor, queue, f"{at}/ignore", f"{at}/preview", before[:2]))
    assert "A preview; nothing is imported yet." in preview.text
    assert team_size(desk, client_id) == 0
    ticked = items(preview)
    done = keeps_the_rules(sent(visitor, preview, f"{at}/import", f"{at}/import", ticked))
    # Then both are in the team
    assert "Imported and added to the team." in done.text
    assert (items(done), team_size(desk, client_id)) == (before[2:], 2)
    # When that is undone, everything is as before
    undone = keeps_the_rules(undo(visitor, done, at))
    assert "Undone. The item awaits review again." in undone.text
    assert ids(undone) == ids(queue)
    assert {f"item-{each}" for each in ids(undone)} <= {item["id"] for item in undone.root.all("li", "span")}
    assert team_size(desk, client_id) == 0
    # Twice, it is nothing to undo any more
    assert "This can't be undone any more" in undo(visitor, done, at).text


def test_ignoring_and_linking_are_undone(desk: Desk, client_id: UUID) -> None:
    visitor, at = connected(desk), f"/clients/{client_id}/review"
    member = known_by_hand(desk, client_id, "Aunt May")
    queue = visitor.open(at)
    first, second, *_ = items(queue)
    ignored = visitor.post(f"{at}/ignore", {**queue.form(f"{at}/ignore"), "only": first})
    assert ids(undo(visitor, ignored, at)) == ids(queue)
    path = f"{at}/{second.split()[0]}/link"
    linked = visitor.send(visitor.open(path, team_member_id=str(member)), path)
    assert "Aunt May" not in visitor.open(f"/clients/{client_id}").main.text.split("History")[0]
    assert ids(undo(visitor, linked, at)) == ids(queue)
    assert "Aunt May" in visitor.open(f"/clients/{client_id}").main.text.split("History")[0]


def test_what_something_was_built_on_and_a_colleagues_decision_are_not_undone(desk: Desk, client_id: UUID) -> None:
    visitor, at = connected(desk), f"/clients/{client_id}/review"
    queue = visitor.open(at)
    first, second, *_ = (each.split(",")[0] for each in items(queue))
    path = f"{at}/{first.split()[0]}/import"
    imported = visitor.send(visitor.open(path), path, relationship="Wife", email="wife@x.example", as_co_owner="yes")
    assert team_size(desk, client_id) == 1
    assert "This can't be undone any more" in undo(visitor, imported, at).text
    assert team_size(desk, client_id) == 1
    ignored = visitor.post(f"{at}/ignore", {**queue.form(f"{at}/ignore"), "only": second})
    owner = reader(desk, desk.staff(Role.OWNER))
    token = owner.open("/clients").form("/sign-out")
    theirs = owner.post(f"{at}/undo", {**token, "item": ignored.form(f"{at}/undo")["item"]})
    assert "This can't be undone any more" in theirs.text
    assert second.split()[0] not in ids(visitor.open(at))


def test_one_member_is_unlinked_while_the_client_stays_connected(desk: Desk, client_id: UUID) -> None:
    visitor, at = connected(desk), f"/clients/{client_id}/review"
    queue = visitor.open(at)
    first = items(queue)[0].split(",")[0]
    path = f"{at}/{first.split()[0]}/import"
    visitor.send(visitor.open(path), path, relationship="Friend", email="", as_co_owner="")
    client = visitor.open(f"/clients/{client_id}")
    unlink = next(href for text, href in client.links().items() if text.startswith("Unlink"))
    asked = keeps_the_rules(visitor.open(unlink))
    done = keeps_the_rules(visitor.send(asked, unlink))
    assert "Unlinked from XPM." in done.text
    assert first.split()[0] in ids(done)
    assert team_size(desk, client_id) == 1
    after = keeps_the_rules(visitor.open(f"/clients/{client_id}"))
    assert ("Connected to XPM" in after.text, "Synced with XPM" in after.text) == (True, False)
    assert visitor.send(asked, unlink).path == at
    # Nobody else unlinks it
    stranger = reader(desk, desk.other_practice())
    assert stranger.post(unlink, stranger.open("/clients").form("/sign-out")).status == 404


def test_the_practices_queue_has_all_clients_and_is_narrowed(desk: Desk, client_id: UUID) -> None:
    visitor = connected(desk)
    page = keeps_the_rules(visitor.open("/review"))
    assert set(ids(page)) == set(ids(visitor.open(f"/clients/{client_id}/review")))
    assert items(visitor.open("/review", kind="entity")) == []
    assert items(visitor.open("/review", age="7")) == []
    assert "No matching items" in visitor.open("/review", q="nobody is called so").text
    # A decision leads back to it, at the next entry
    first, *_ = items(page)
    following = next(item["value"] for item in page.root.all("input") if item["name"] == "next")
    token = page.form("/sign-out")
    answer = visitor.browser.post(
        "/review/ignore", data={**token, "only": first, "next": following}, follow_redirects=False
    )
    assert answer.headers["location"].startswith("/review?said=review-ignored&undo=")
    assert answer.headers["location"].endswith(f"#item-{following}")
    desk.world.pass_time(8 * 86_400)
    assert len(items(connected(desk).open("/review", age="7"))) == len(items(page)) - 1
    # Others of the practice see what they may see
    assert "Nothing to review" in keeps_the_rules(reader(desk, desk.staff(Role.MANAGER)).open("/review")).text


def test_a_spouse_is_suggested_as_the_hint_says_and_as_co_owner_only_with_an_email(
    desk: Desk, simulator: SimulatorHandle
) -> None:
    person = find(
        simulator,
        lambda each: is_importable_person(each) and any(row.label == "Spouse" for row in each.relationships),
    )
    found = desk.world.run_import(person.uuid).client_id
    spouse = next(row for row in person.relationships if row.label == "Spouse")
    visitor, at = connected(desk), f"/clients/{found}/review"
    queue = visitor.open(at)
    links = [href for text, href in queue.links().items() if text == f"Import {spouse.related_name}"]
    window = keeps_the_rules(visitor.open(links[0]))
    filled = window.form(links[0].partition("?")[0])
    assert filled["relationship"] == "Partner"
    assert ("as_co_owner" in filled) == bool(filled["email"])


def sent(visitor: Reader, page: Page, form: str, action: str, ticked: list[str]) -> Page:
    """Press a button of a form with these boxes ticked."""
    return Page.of(visitor.browser.post(action, data={**page.form(form), "item": ticked}))


def undo(visitor: Reader, page: Page, at: str) -> Page:
    """Press Undo."""
    form = next(item for item in page.root.all("form") if item["action"] == f"{at}/undo")
    chosen = [item["value"] for item in form.all("input") if item["name"] == "item"]
    return Page.of(visitor.browser.post(f"{at}/undo", data={**page.form(f"{at}/undo"), "item": chosen}))


def ids(page: Page) -> list[str]:
    """The ids of the entries' items."""
    return sorted(pair.split()[0] for packed in items(page) for pair in packed.split(","))


def team_size(desk: Desk, client_id: UUID) -> object:
    return desk.world.scalar("SELECT count(*) FROM team_members WHERE client_id = :id", id=client_id.hex)


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
