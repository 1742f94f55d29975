"""import_relationships: one review item per relationship, and what a later import does to each (b.18 to b.22, b.27)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, update

from handlers.errors import Rejected
from handlers.imports import relationships
from handlers.relationships import merge
from handlers.relationships.labels import combine_rows, read
from handlers.relationships.merge import RecordUpdate
from portal_db.clients import clients
from portal_db.clients.history import By
from portal_db.states import ChangeSource, FieldSource, ReviewState
from portal_db.tables import Import, Relationship, TeamMember
from portal_db.types import db_now
from tests.handlers.given import bring, find, is_company, items_of, link_to_another_record, record_of, related
from tests.world import World, is_importable_person
from xpm.records import RelationshipRecord
from xpm.simulator.serve import SimulatorHandle


@pytest.fixture
def client(world: World, simulator: SimulatorHandle) -> Import:
    """A client whose relationships the test brings."""
    return world.run_import(find(simulator, is_importable_person).uuid, bring_relationships=False)


def offer(world: World, row: Import, rows: Sequence[RelationshipRecord], *, later: float = 1.0) -> None:
    """XPM has these relationships, `later` seconds after the client was made."""
    record = record_of(row.xpm_uuid, relationships=tuple(rows))
    bring(world, row, relationships.apply, record, later=later)


def states(world: World, row: Import) -> dict[str, ReviewState]:
    return {item.label: item.state for item in items_of(world, row)}


def review(world: World, item: Relationship, state: ReviewState, member: UUID | None = None) -> None:
    """What a reviewer decided."""
    with world.database.write() as tx:
        decided = update(Relationship).where(Relationship.id == item.id)
        tx.session.execute(decided.values(state=state, team_member_id=member, version=Relationship.version + 1))


def member_of(world: World, row: Import, xpm_uuid: UUID, name: str) -> UUID:
    """Somebody in the client's Team who is tied to an XPM record."""
    with world.database.write() as tx:
        values: dict[str, Any] = {
            "id": tx.new_id(),
            "practice_id": row.practice_id,
            "client_id": row.client_id,
            "name": name,
        }
        values |= {"relationship": "Wife", "xpm_uuid": xpm_uuid, "source": FieldSource.XPM, "as_of": db_now(-3600)}
        tx.session.execute(insert(TeamMember).values(**values))
    member: UUID = values["id"]
    return member


@pytest.mark.parametrize("kind", ["individual", "entity"])
def test_each_relationship_in_xpm_becomes_one_pending_item(world: World, simulator: SimulatorHandle, kind: str) -> None:
    """b.18: and nothing appears in Team."""
    fits = is_importable_person if kind == "individual" else is_company
    record = find(simulator, lambda each: fits(each) and len(each.relationships) > 2)
    row = world.run_import(record.uuid, kind)
    items = items_of(world, row)
    told = {(read(each.label).role, each.related_uuid) for each in record.relationships}
    assert {(item.label_key, item.other_xpm_uuid) for item in items} == told
    assert len(items) == len(told)
    assert {item.state for item in items} == {ReviewState.PENDING}
    assert {item.import_id for item in items} == {row.id}
    assert world.scalar("select count(*) from team_members") == 0
    practice = simulator.simulator.practices[simulator.config.tenant_id]
    names = {each.related_uuid: practice.name_of(each) for each in record.relationships}
    assert all(item.other_name == names[item.other_xpm_uuid] for item in items)


def test_what_xpm_tells_of_a_relationship_is_kept(world: World, client: Import) -> None:
    other = uuid4()
    told = related(
        "Shareholder Of",
        other,
        "Müller & Söhne Pty Ltd",
        number_of_shares=120_000,
        start_date=date(2001, 7, 1),
        end_date=date(2013, 6, 30),
    )
    offer(world, client, [told])
    (item,) = items_of(world, client)
    assert (item.label, item.other_xpm_uuid, item.other_name) == ("Shareholder Of", other, "Müller & Söhne Pty Ltd")
    assert (item.number_of_shares, item.percentage) == (120_000, None)
    assert (item.start_date, item.end_date) == (date(2001, 7, 1), date(2013, 6, 30))


@pytest.mark.parametrize("label", ["De Facto ??", "Unit Holder Of", "Freund (alt)", "שותף", "x" * 500])
def test_a_label_that_nobody_knows_is_kept_raw(sqlite_world: World, simulator: SimulatorHandle, label: str) -> None:
    row = sqlite_world.run_import(find(simulator, is_importable_person).uuid, bring_relationships=False)
    offer(sqlite_world, row, [related(label)])
    assert states(sqlite_world, row) == {label: ReviewState.PENDING}


@pytest.mark.parametrize(
    "extreme",
    [
        related("Shareholder", number_of_shares=3_000_000_000),
        related("Shareholder", number_of_shares=10**18 - 1),
        related("Partner", percentage=Decimal("100000")),
        related("Partner", percentage=Decimal("33.333333333333333333")),
        related("Director", name="n" * 20_000),
        related("L" * 2_000),
    ],
    ids=["billions of shares", "most shares", "percentage", "digits", "name", "label"],
)
def test_a_value_as_big_as_xpm_may_send_is_taken(world: World, client: Import, extreme: RelationshipRecord) -> None:
    """One odd row must not keep the others from the reviewers."""
    offer(world, client, [extreme, related("Spouse")])
    assert len(items_of(world, client)) == 2
    shares = [item.number_of_shares for item in items_of(world, client) if item.number_of_shares is not None]
    assert shares == ([extreme.number_of_shares] if extreme.number_of_shares else [])


def test_running_the_same_import_twice_leaves_the_same_state(world: World, client: Import) -> None:
    """b.21: a redelivery, with the same answer of the same time."""
    rows = [related("Spouse"), related("Director Of"), related("Director Of")]
    offer(world, client, rows)
    before = [(item.id, item.label, item.state, item.version) for item in items_of(world, client)]
    offer(world, client, rows)
    assert [(item.id, item.label, item.state, item.version) for item in items_of(world, client)] == before
    assert len(before) == 3


def test_a_new_import_renews_pending_items_in_place(world: World, client: Import) -> None:
    """b.27: no second item stacks on the first."""
    told = related("Director Of", name="Moss Pty Ltd")
    offer(world, client, [told])
    (before,) = items_of(world, client)
    offer(world, client, [replace(told, related_name="Moss Holdings Pty Ltd", uuid=uuid4())], later=60)
    (after,) = items_of(world, client)
    assert (after.id, after.state) == (before.id, ReviewState.PENDING)
    assert after.other_name == "Moss Holdings Pty Ltd"
    assert after.version > before.version, "a reviewer who looks at the old values would not be told"


def test_a_pending_item_that_is_gone_is_superseded(world: World, client: Import) -> None:
    stays, goes = related("Spouse"), related("Director Of")
    offer(world, client, [stays, goes])
    offer(world, client, [stays], later=60)
    assert states(world, client) == {"Spouse": ReviewState.PENDING, "Director Of": ReviewState.SUPERSEDED}
    offer(world, client, [stays, goes], later=120)
    assert states(world, client) == {"Spouse": ReviewState.PENDING, "Director Of": ReviewState.PENDING}


def test_all_are_superseded_once_xpm_has_none(world: World, client: Import) -> None:
    offer(world, client, [related("Spouse"), related("Director Of")])
    offer(world, client, [], later=60)
    assert set(states(world, client).values()) == {ReviewState.SUPERSEDED}


def test_an_ignored_item_comes_back_with_the_next_import_and_not_before(world: World, client: Import) -> None:
    """b.20."""
    told = [related("Spouse")]
    offer(world, client, told)
    review(world, items_of(world, client)[0], ReviewState.IGNORED)
    offer(world, client, told)
    assert states(world, client) == {"Spouse": ReviewState.IGNORED}
    offer(world, client, told, later=60)
    assert states(world, client) == {"Spouse": ReviewState.PENDING}


def test_an_ignored_item_that_is_gone_stays_ignored(world: World, client: Import) -> None:
    offer(world, client, [related("Spouse")])
    review(world, items_of(world, client)[0], ReviewState.IGNORED)
    offer(world, client, [], later=60)
    assert states(world, client) == {"Spouse": ReviewState.IGNORED}


@pytest.mark.parametrize("decided", [ReviewState.LINKED, ReviewState.IMPORTED])
def test_a_tied_item_takes_news_without_review(world: World, client: Import, decided: ReviewState) -> None:
    """b.19, b.21: the item and the team member are brought up to date, and no item is pending."""
    told = related("Wife", name="Bo Moss")
    offer(world, client, [told])
    member = member_of(world, client, told.related_uuid, "Bo Moss")
    review(world, items_of(world, client)[0], decided, member)
    offer(world, client, [replace(told, related_name="Bo Moss-Lee", end_date=date(2025, 1, 1))], later=60)
    (item,) = items_of(world, client)
    assert (item.state, item.team_member_id) == (decided, member)
    assert (item.other_name, item.end_date) == ("Bo Moss-Lee", date(2025, 1, 1))
    assert world.scalar("select name from team_members") == "Bo Moss-Lee"


@pytest.mark.parametrize("decided", [ReviewState.LINKED, ReviewState.IMPORTED])
def test_a_tied_item_outlives_its_relationship(world: World, client: Import, decided: ReviewState) -> None:
    """Only pending items are superseded: what a reviewer took in is the portal's."""
    told = related("Wife")
    offer(world, client, [told])
    member = member_of(world, client, told.related_uuid, "Bo Moss")
    review(world, items_of(world, client)[0], decided, member)
    offer(world, client, [], later=60)
    assert states(world, client) == {"Wife": decided}
    assert world.scalar("select count(*) from team_members") == 1


def test_only_the_same_client_s_member_is_brought_up_to_date(world: World, client: Import) -> None:
    """b.32: by XPM's id within this client; a namesake and other people stay as they are."""
    told = related("Wife", name="Bo Moss-Lee")
    member_of(world, client, uuid4(), "Bo Moss")
    offer(world, client, [told])
    assert world.scalar("select name from team_members") == "Bo Moss"


def test_older_news_changes_nothing(world: World, client: Import) -> None:
    told = related("Wife", name="Bo Moss-Lee")
    gone = related("Director Of")
    offer(world, client, [told, gone], later=30)
    offer(world, client, [told], later=60)
    member_of(world, client, told.related_uuid, "Bo Moss-Lee")
    with world.database.write() as tx:
        tx.session.execute(update(TeamMember).values(as_of=items_of(world, client)[0].as_of))
    before = [(item.label, item.state, item.other_name, item.version) for item in items_of(world, client)]
    offer(world, client, [replace(told, related_name="Bo Before"), gone], later=1)
    assert [(item.label, item.state, item.other_name, item.version) for item in items_of(world, client)] == before
    assert world.scalar("select name from team_members") == "Bo Moss-Lee"


def test_an_import_begun_later_with_an_older_look_at_xpm_changes_no_value(world: World, client: Import) -> None:
    """A re-sync may have read newer news than the directory's word that an import took; ignored items come back (b.20)."""
    assert client.client_id is not None
    told, gone = related("Wife", name="Bo Moss-Lee"), related("Director Of")
    offer(world, client, [told], later=60)
    (item,) = items_of(world, client)
    member_of(world, client, told.related_uuid, "Bo Moss-Lee")
    review(world, item, ReviewState.IGNORED)
    older = combine_rows((replace(told, related_name="Bo Before"), gone))
    by = By(client.practice_id, ChangeSource.IMPORT, import_id=client.id)
    before, after = item.as_of - timedelta(seconds=30), item.as_of + timedelta(seconds=30)
    news = RecordUpdate(client.client_id, client.xpm_uuid, older, before, "an older hash", by, begun_at=after)
    with world.database.write() as tx:
        merge.merge_updates(tx, client.practice_id, [news])
    assert [(row.label, row.other_name) for row in items_of(world, client)] == [("Wife", "Bo Moss-Lee")]
    assert states(world, client) == {"Wife": ReviewState.PENDING}
    assert world.scalar("select name from team_members") == "Bo Moss-Lee"


def test_a_disconnected_client_is_refused(world: World, client: Import) -> None:
    """b.11."""
    assert client.client_id is not None
    with world.database.write() as tx:
        clients.unlink(tx, client.client_id)
    with pytest.raises(Rejected) as refused:
        offer(world, client, [related("Spouse")])
    assert refused.value.code == "not_connected"
    assert items_of(world, client) == []


def test_a_client_linked_to_another_record_meanwhile_is_left_alone(world: World, client: Import) -> None:
    """b.11, b.35."""
    link_to_another_record(world, client)
    with pytest.raises(Rejected) as refused:
        offer(world, client, [related("Spouse")])
    assert refused.value.code == "not_connected"
    assert items_of(world, client) == []


def test_case_and_spacing_make_no_other_relationship(world: World, client: Import) -> None:
    other = uuid4()
    offer(world, client, [related("Director Of", other), related("director  of ", other), related("Settlor", other)])
    assert len(items_of(world, client)) == 2
