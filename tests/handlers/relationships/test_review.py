"""Import, Ignore and Link to existing: what each does to the item and to the client's team (b.19 to b.26, b.36)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from handlers.access.caller import Caller
from handlers.clients import link as portal_clients
from handlers.errors import RequestRefused
from handlers.imports import relationships
from handlers.relationships import review, review_queue, undo
from handlers.relationships.direction import Ambiguity, Direction
from handlers.relationships.review import Chosen, Confirmed
from handlers.relationships.review_queue import Item
from portal_db.access import people
from portal_db.clients import clients, history, review_items, team
from portal_db.clients.history import By, Change
from portal_db.clients.review_items import ReviewFilter
from portal_db.states import ChangeSource, FieldSource, LoginKind, ReviewState, Role
from portal_db.tables import ClientChange, Import, Login, TeamMember
from portal_db.types import database_time
from tests.handlers.given import bring, find, is_company, link_entity, record_of, related, set_staff, take_login
from tests.racing import at_once
from tests.world import World, building, connect_practice, is_importable_person
from worker.local.mail_catcher import MailCatcher
from xpm.records import RelationshipRecord
from xpm.simulator.serve import SimulatorHandle


class Office:
    """A client with relationships that XPM told, and a partner who reviews them."""

    def __init__(self, world: World, row: Import) -> None:
        self.world, self.row, self.told = world, row, 0.0

    @property
    def partner(self) -> Caller:
        with self.world.database.read() as tx:
            staff = people.get_staff(tx, self.world.staff_id, practice_id=self.world.practice_id)
        assert staff is not None
        return Caller.of(staff)

    @property
    def client_id(self) -> UUID:
        assert self.row.client_id is not None
        return self.row.client_id

    def tell(self, *rows: RelationshipRecord) -> None:
        """A person imports what XPM now has."""
        self.told += 60
        bring(
            self.world,
            self.row,
            relationships.apply,
            record_of(self.row.xpm_uuid, relationships=rows),
            later=self.told,
        )

    def items(self, *states: ReviewState) -> list[Item]:
        wanted = ReviewFilter(states or (ReviewState.PENDING,), client_id=self.client_id)
        found = review_queue.page(self.world.database, self.partner, wanted, cursor=None, limit=50)
        return list(found.items)[::-1]

    def item(self, told: RelationshipRecord) -> Item:
        """The item of one relationship, in whatever state."""
        found = [item for item in self.items(*ReviewState) if item.row.other_xpm_uuid == told.related_uuid]
        assert len(found) == 1
        return found[0]

    def take(self, item: Item, **given: Any) -> Item:
        confirmed = Confirmed(**{"relationship": item.relationship, **given})
        return review.import_item(self.world.database, self.partner, chosen(item), confirmed)

    def link(self, item: Item, member_id: UUID) -> Item:
        return review.link_item(self.world.database, self.partner, chosen(item), member_id)

    def ignore(self, item: Item) -> Item:
        return review.ignore_item(self.world.database, self.partner, chosen(item))

    def team(self) -> dict[str, TeamMember]:
        with self.world.database.read() as tx:
            rows = tx.session.scalars(select(TeamMember).where(TeamMember.client_id == self.client_id))
            return {row.name: row for row in rows}

    def member(self, name: str, **values: Any) -> UUID:
        """Somebody whom the client has entered."""
        fixed = {"practice_id": self.world.practice_id, "client_id": self.client_id}
        entered = {"name": name, "relationship": "Friend", "source": FieldSource.CLIENT, **values}
        with self.world.database.write() as tx:
            member_id = tx.new_id()
            team.add(tx, {"id": member_id, "as_of": database_time(tx.session), **fixed, **entered})
        return member_id

    def changes(self) -> list[ClientChange]:
        with self.world.database.read() as tx:
            return [entry.change for entry in history.page(tx, self.client_id, after=None, limit=100)]


def chosen(item: Item) -> Chosen:
    return Chosen(item.row.id, item.row.version)


def code(act: Callable[[], object]) -> str:
    with pytest.raises(RequestRefused) as refused:
        act()
    return refused.value.code


@pytest.fixture
def office(sqlite_world: World, simulator: SimulatorHandle) -> Office:
    person = find(simulator, is_importable_person).uuid
    return Office(sqlite_world, sqlite_world.run_import(person, bring_relationships=False))


def test_an_item_is_found_by_the_names_and_the_label_that_xpm_has_now(office: Office) -> None:
    def found(text: str) -> int:
        wanted = ReviewFilter(client_id=office.client_id, text=text)
        return len(review_queue.page(office.world.database, office.partner, wanted, cursor=None, limit=50).items)

    told = related("Wife", name="Bo\u2011Ann Moss")
    office.tell(told)
    assert (found("wife bo-ann moss"), found("bo luk")) == (1, 0)
    office.tell(replace(told, related_name="Bo \u0141uk"))
    assert (found("wife bo-ann moss"), found("bo luk")) == (0, 1)


def test_an_imported_item_appears_in_team_tied_to_its_record(office: Office) -> None:
    told = related("Director", name="Moss Pty Ltd")
    office.tell(told)
    assert office.team() == {}, "nothing appears until it is decided about (b.18)"
    item = office.take(office.item(told), email="moss@example.com")
    [member] = office.team().values()
    assert (item.row.state, item.row.team_member_id) == (ReviewState.IMPORTED, member.id)
    assert (member.name, member.relationship, member.email) == ("Moss Pty Ltd", "Director Of", "moss@example.com")
    assert (member.xpm_uuid, member.source) == (told.related_uuid, FieldSource.XPM)
    assert office.world.scalar("select count(*) from welcome_emails") == 0, "nobody is invited (b.24)"
    assert office.world.scalar("select count(*) from logins where kind = 'client'") == 1


def test_news_of_a_tied_record_reach_the_team_unless_the_name_was_amended(office: Office) -> None:
    """b.21: a later import updates and doubles nothing."""
    told, amended = related("Spouse", name="Bo Moss"), related("Child", name="Al Moss")
    office.tell(told, amended)
    office.take(office.item(told))
    office.take(office.item(amended), name="Alan Moss")
    office.tell(replace(told, related_name="Bo Lee"), replace(amended, related_name="Al Lee"))
    assert office.items() == []
    assert office.team().keys() == {"Bo Lee", "Alan Moss"}


def test_two_relationships_with_one_record_are_one_member(office: Office) -> None:
    """b.22: one source record ties one member of a client at most."""
    company = uuid4()
    office.tell(related("Director", company, "Moss Pty Ltd"), related("Shareholder", company, "Moss Pty Ltd"))
    for item in office.items():
        office.take(item)
    [member] = office.team().values()
    assert sorted(member.relationship.split(", ")) == ["Director Of", "Shareholder Of"]
    assert {item.row.team_member_id for item in office.items(ReviewState.IMPORTED)} == {member.id}


def test_a_relationship_is_required_and_an_email_must_be_one(office: Office) -> None:
    told = related("Spouse")
    office.tell(told)
    item = office.item(told)
    assert code(lambda: office.take(item, relationship=None)) == "relationship_missing"
    assert code(lambda: office.take(item, email="bo at example")) == "email_invalid"
    assert office.team() == {}
    office.take(item)


def test_a_co_owner_needs_an_email_that_nobody_on_the_platform_has(office: Office) -> None:
    """b.23: the index over logins decides; a login is held and nobody is told (b.24)."""
    told = related("Wife", name="Bo Moss")
    office.tell(told)
    item = office.item(told)
    assert item.suggests_co_owner
    take_login(office.world, "taken@example.com", LoginKind.STAFF)
    assert code(lambda: office.take(item, as_co_owner=True)) == "email_missing"
    assert code(lambda: office.take(item, as_co_owner=True, email="Taken@Example.com")) == "email_taken"
    assert office.item(told).row.state is ReviewState.PENDING
    office.take(item, as_co_owner=True, email="Bo@Example.com", relationship=None)
    with office.world.database.read() as tx:
        login = tx.session.scalars(select(Login).where(Login.email_key == "bo@example.com")).one()
        [member] = office.team().values()
        assert team.co_owners(tx, office.client_id).keys() == {member.id}
    assert (login.kind, login.activated_at, member.relationship) == (LoginKind.CLIENT, None, "Wife")
    assert office.world.scalar("select count(*) from welcome_emails") == 0


def test_an_entity_has_no_co_owner(sqlite_world: World, simulator: SimulatorHandle) -> None:
    row = sqlite_world.run_import(find(simulator, is_company).uuid, "entity", bring_relationships=False)
    office = Office(sqlite_world, row)
    told = related("Director")
    office.tell(told)
    item = office.item(told)
    assert not item.suggests_co_owner
    assert code(lambda: office.take(item, as_co_owner=True, email="bo@example.com")) == "not_a_person"


def test_a_linked_member_becomes_what_xpm_says(office: Office) -> None:
    """b.22."""
    told = related("Wife", name="Bo Moss-Lee")
    office.tell(told)
    entered = office.member("Bo", email="bo@example.com")
    item = office.link(office.item(told), entered)
    assert (item.row.state, item.row.team_member_id) == (ReviewState.LINKED, entered)
    [member] = office.team().values()
    assert (member.name, member.relationship, member.email) == ("Bo Moss-Lee", "Wife", "bo@example.com")
    assert (member.xpm_uuid, member.source) == (told.related_uuid, FieldSource.XPM)
    office.tell(told)
    assert office.items() == [], "it is not offered again"


def test_a_member_or_a_record_that_is_tied_is_not_tied_anew(office: Office) -> None:
    company, wife = uuid4(), related("Wife")
    office.tell(wife, related("Director", company), related("Owner", company))
    director, owner = (office.member(name) for name in ("One", "Other"))
    [first, second] = [item for item in office.items() if item.row.other_xpm_uuid == company]
    office.link(first, director)
    assert code(lambda: office.link(second, owner)) == "tied_already", "the record is another member's"
    assert code(lambda: office.link(office.item(wife), director)) == "tied_already", "the member is another record's"
    assert code(lambda: office.link(office.item(wife), uuid4())) == "unknown_member"
    office.link(second, director)
    assert len({item.row.team_member_id for item in office.items(ReviewState.LINKED)}) == 1


def test_an_item_that_was_decided_about_is_not_decided_about_again(office: Office) -> None:
    """b.26."""
    told = related("Spouse")
    office.tell(told)
    before = office.item(told)
    office.ignore(before)
    assert code(lambda: office.take(before)) == "already_reviewed"
    assert code(lambda: office.ignore(office.item(told))) == "already_reviewed"
    office.tell(told)
    office.tell(replace(told, related_name="Somebody Else"))
    stale = replace(before, row=before.row)
    assert code(lambda: office.take(stale)) == "item_changed"
    office.tell()
    assert code(lambda: office.take(stale)) == "item_superseded"


def test_of_two_reviewers_one_wins_and_the_other_is_told(world: World, simulator: SimulatorHandle) -> None:
    row = world.run_import(find(simulator, is_importable_person).uuid, bring_relationships=False)
    office = Office(world, row)
    told = related("Spouse")
    office.tell(told)
    item = office.item(told)

    def try_it(act: Callable[[Item], Item]) -> str:
        try:
            return act(item).row.state
        except RequestRefused as refusal:
            return refusal.code

    ended = at_once(lambda: try_it(office.take), lambda: try_it(office.ignore))
    assert ended.count("already_reviewed") == 1
    state = office.item(told).row.state
    assert state in ended
    assert len(office.team()) == (state is ReviewState.IMPORTED)


def test_a_reviewer_does_not_hold_up_what_a_resync_tells_of_the_client(
    postgres_url: str, simulator: SimulatorHandle, mail_catcher: MailCatcher
) -> None:
    """A re-sync has locked the items that the reviewer waits for: they would wait in a circle, and one be ended."""
    with building(postgres_url, simulator.api_url, simulator.config.access_token, mail_catcher) as world:
        office = Office(world, world.run_import(find(simulator, is_importable_person).uuid, bring_relationships=False))
        told = Change(office.client_id, history.RELATIONSHIP, "state", None, ReviewState.PENDING)
        with world.database.write() as reviewer, world.database.write() as resync:
            review_items.lock_client(reviewer, office.client_id)
            resync.session.execute(text("SET LOCAL lock_timeout = '500ms'"))
            history.note(resync, By(world.practice_id, ChangeSource.RESYNC), [told])
        assert [change.source for change in office.changes()][:1] == [ChangeSource.RESYNC]


@pytest.mark.parametrize("unlinks", ["the reviewer", "a colleague"])
def test_a_member_that_was_unlinked_and_linked_again_is_as_before_after_an_undo(
    world: World, simulator: SimulatorHandle, unlinks: str
) -> None:
    # Given a member who was linked, unlinked and linked again
    row = world.run_import(find(simulator, is_importable_person).uuid, bring_relationships=False)
    office = Office(world, row)
    told = related("Wife", name="Bo Moss-Lee")
    office.tell(told)
    entered = office.member("Bo")
    office.link(office.item(told), entered)
    _, colleague, _ = connect_practice(world.database, world.services.settings, simulator.config.access_token)
    by = office.partner if unlinks == "the reviewer" else replace(office.partner, staff_id=colleague, role=Role.OWNER)
    undo.unlink_member(world.database, by, office.client_id, entered)
    item = office.link(office.item(told), entered)
    # When the reviewer undoes the second link
    undo.undo(world.database, office.partner, [item.row.id])
    # Then the item awaits review again, and the member is as the unlinking had left them
    assert office.item(told).row.state is ReviewState.PENDING
    [member] = office.team().values()
    assert (member.name, member.relationship, member.xpm_uuid) == ("Bo Moss-Lee", "Wife", None)


def test_bulk_ignore_takes_the_chosen_pending_items_and_no_others(office: Office) -> None:
    """b.25."""
    told = [related("Spouse"), related("Director"), related("Child"), related("Parent")]
    office.tell(*told)
    spouse, director, child, _ = (office.item(each) for each in told)
    office.take(spouse)
    stale = Chosen(child.row.id, child.row.version - 1)
    many = [chosen(spouse), chosen(director), stale, Chosen(uuid4(), 1)]
    assert review.ignore_items(office.world.database, office.partner, many) == {director.row.id}
    states = {item.row.label: item.row.state for item in office.items(*ReviewState)}
    assert states == {"Spouse": "imported", "Director": "ignored", "Child": "pending", "Parent": "pending"}


def test_disconnecting_undoes_ties_and_keeps_what_was_imported(office: Office) -> None:
    """b.34, b.36: the items come back for review after a reconnect and an import."""
    wife, company, child = related("Wife", name="Bo"), related("Director", name="Moss Pty Ltd"), related("Child")
    office.tell(wife, company, child)
    office.take(office.item(wife))
    office.ignore(office.item(company))
    portal_clients.disconnect(office.world.database, office.partner, office.client_id)
    assert (
        code(lambda: portal_clients.disconnect(office.world.database, office.partner, office.client_id))
        == "not_connected"
    )
    states = {item.row.label: item.row.state for item in office.items(*ReviewState)}
    assert states == {"Wife": "superseded", "Director": "ignored", "Child": "superseded"}
    [member] = office.team().values()
    assert (member.name, member.xpm_uuid) == ("Bo", None)
    # When it is connected again and imported
    world = office.world
    with world.database.write() as tx:
        link: dict[str, object] = {
            "practice_id": world.practice_id,
            "client_id": office.client_id,
            "connection_id": world.connection_id,
        }
        link |= {"tenant_id": "t", "xpm_uuid": office.row.xpm_uuid, "linked_by": world.staff_id, "id": tx.new_id()}
        assert clients.link(tx, link)
    office.tell(wife, company, child)
    assert {item.row.label for item in office.items()} == {"Wife", "Director", "Child"}


def test_an_item_suggests_the_client_that_its_other_side_is_or_becomes(office: Office) -> None:
    told = related("Director", name="Moss Pty Ltd")
    office.tell(told)
    assert office.item(told).is_client is None
    client_id = link_entity(office.world, told.related_uuid)
    assert office.item(told).is_client is None, "the reviewer may not see that client"
    with office.world.database.write() as tx:
        clients.make_visible(tx, [(client_id, office.world.staff_id)])
    suggested = office.item(told).is_client
    assert suggested is not None
    assert suggested.id == client_id
    page = review_queue.page(office.world.database, office.partner, ReviewFilter(is_client=True), cursor=None, limit=5)
    assert [item.row.id for item in page.items] == [office.item(told).row.id]


def test_what_is_ambiguous_is_offered_and_marked(office: Office) -> None:
    unknown, clear = related("De Facto ??"), related("Director Of")
    office.tell(unknown, clear)
    assert office.item(unknown).ambiguity is Ambiguity.UNKNOWN_LABEL
    assert (office.item(clear).direction, office.item(clear).ambiguity) == (Direction.CLIENT_IS, None)


@pytest.mark.parametrize("label", ["Spouse", "Partner Of", "Director", "De Facto ??"])
def test_a_relationship_to_oneself_is_marked_as_a_slip_and_suggests_nobody(office: Office, label: str) -> None:
    told, other = related(label, other=office.row.xpm_uuid), related("Director Of")
    office.tell(told, other)
    item = office.item(told)
    assert (item.ambiguity, item.is_client, item.suggests_co_owner) == (Ambiguity.TO_ITSELF, None, False)
    assert office.item(other).ambiguity is None
    page = review_queue.page(office.world.database, office.partner, ReviewFilter(is_client=True), cursor=None, limit=5)
    assert page.items == []
    # And it can be put away like any other
    assert office.ignore(item).row.state is ReviewState.IGNORED


def test_only_staff_who_see_the_client_see_its_items(office: Office) -> None:
    told = related("Spouse")
    office.tell(told)
    item = office.item(told)
    colleague = replace(office.partner, staff_id=uuid4())
    stranger = replace(office.partner, practice_id=uuid4(), role=Role.OWNER)
    for caller in (colleague, stranger):
        found = review_queue.page(office.world.database, caller, ReviewFilter(tuple(ReviewState)), cursor=None, limit=5)
        assert found.items == []
        assert code(lambda by=caller: review.ignore_item(office.world.database, by, chosen(item))) == "unknown_item"  # type: ignore[misc]
        assert review.ignore_items(office.world.database, caller, [chosen(item)]) == set()
    set_staff(office.world, role=Role.OWNER)
    assert office.item(told).row.version == item.row.version


def test_the_history_tells_what_a_review_changed(office: Office) -> None:
    told = related("Spouse", name="Bo Moss")
    office.tell(told)
    office.take(office.item(told))
    office.tell(replace(told, related_name="Bo Lee"))
    changes = {(row.source, row.about, row.field, row.before, row.after) for row in office.changes()}
    assert changes >= {
        (ChangeSource.IMPORT, "relationship", "state", None, "pending"),
        (ChangeSource.REVIEWER, "relationship", "state", "pending", "imported"),
        (ChangeSource.REVIEWER, "team_member", "name", None, "Bo Moss"),
        (ChangeSource.REVIEWER, "team_member", "relationship", None, "Spouse"),
        (ChangeSource.IMPORT, "relationship", "other_name", "Bo Moss", "Bo Lee"),
        (ChangeSource.IMPORT, "team_member", "name", "Bo Moss", "Bo Lee"),
    }
    assert {row.staff_id for row in office.changes() if row.source is ChangeSource.REVIEWER} == {office.world.staff_id}
