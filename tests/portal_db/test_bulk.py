"""Statements about many rows do what the same statements do row by row."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from portal_db import bulk
from portal_db.bulk import one_of
from portal_db.clients import clients
from portal_db.dialect import insert_new, insert_rows, update_each
from portal_db.states import ReviewState
from portal_db.tables import Client, Relationship
from portal_db.types import db_now
from tests.portal_db.test_uniqueness import entity
from tests.servers.statements import executed
from tests.world import World

ODD = 'a "quoted", {braced}, back\\slashed, NULL ü text'


@pytest.fixture
def client_id(world: World) -> UUID:
    with world.database.write() as tx:
        row = entity(tx, world)
        clients.add(tx, row)
    return UUID(str(row["id"]))


def item(world: World, client_id: UUID, number: int, **values: Any) -> dict[str, Any]:
    new_id = world.database.sources.new_id
    return {
        "id": new_id(),
        "practice_id": world.practice_id,
        "client_id": client_id,
        "import_id": None,
        "label": f"Director of {number}",
        "label_key": f"director {number}",
        "other_xpm_uuid": new_id(),
        "other_name": ODD,
        "number_of_shares": None,
        "percentage": None,
        "start_date": None,
        "end_date": None,
        "also_told": None,
        "state": ReviewState.PENDING,
        "version": 1,
        "as_of": world.database.sources.now(),
        **values,
    }


def rows(world: World) -> list[dict[str, Any]]:
    columns = Relationship.__table__.columns
    with world.database.read() as tx:
        found = tx.session.scalars(select(Relationship).order_by(Relationship.label)).all()
        return [{column.key: getattr(each, column.key) for column in columns} for each in found]


@pytest.mark.parametrize("number", [1, 3])
def test_every_type_is_written_as_it_is(world: World, client_id: UUID, number: int) -> None:
    # Given rows with texts, numbers, dates, lists and gaps
    full = {"percentage": Decimal("33.3300"), "start_date": date(1970, 11, 26), "also_told": [{"label": ODD}, {}]}
    given = [item(world, client_id, each, **(full if each == 1 else {})) for each in range(number)]
    # When they are inserted, then they are as given, and are found by their folded texts
    with world.database.write() as tx:
        insert_rows(tx, Relationship, given)
    found = rows(world)
    assert [{name: row[name] for name in given[0]} for row in found] == given
    assert all("braced" in row["search_key"] for row in found)
    # When they are changed, then all are
    with world.database.write() as tx:
        update_each(tx, Relationship, {row["id"]: {**full, "label": f"Was {row['label']}"} for row in given})
    assert [row["label"] for row in rows(world)] == [f"Was Director of {each}" for each in range(number)]
    assert all({name: row[name] for name in full} == full for row in rows(world))


def test_rows_that_an_index_refuses_are_left_out(world: World, client_id: UUID) -> None:
    given = [item(world, client_id, each) for each in range(3)]
    with world.database.write() as tx:
        first = insert_new(tx, Relationship, given[:2])
        again = insert_new(tx, Relationship, given)
    assert (first, again) == ({row["id"] for row in given[:2]}, {given[2]["id"]})


def test_a_time_is_the_database_s(world: World, client_id: UUID) -> None:
    given = [
        {name: value for name, value in item(world, client_id, each).items() if name != "as_of"} for each in (1, 2)
    ]
    with world.database.write() as tx:
        before = tx.session.execute(select(db_now())).scalar_one()
        insert_rows(tx, Relationship, given, now=("as_of",))
    assert all(row["as_of"] >= before for row in rows(world))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_statement_s_text_does_not_depend_on_the_number_of_rows(world: World, client_id: UUID) -> None:
    texts: set[str] = set()
    for number in (2, 7):
        given = [item(world, client_id, each) for each in range(number)]
        with world.database.write() as tx, executed(world.database.engine) as seen:
            insert_rows(tx, Relationship, given)
            update_each(tx, Relationship, {row["id"]: {"version": 2} for row in given})
            found = select(Relationship.id).where(one_of(Relationship.id, "ids"))
            assert len(tx.session.scalars(found, {"ids": [row["id"] for row in given]}).all()) == number
            tx.session.rollback()
        assert len(set(seen)) == 3
        texts |= set(seen)
    assert len(texts) == 3


@pytest.mark.parametrize("number", [1, 3])
def test_statements_are_sent_together(world: World, client_id: UUID, number: int) -> None:
    # Given items to insert, and others to change
    old = [item(world, client_id, each) for each in range(10, 10 + number)]
    new = [item(world, client_id, each) for each in range(number)]
    with world.database.write() as tx:
        insert_rows(tx, Relationship, old)
    # When they are written together with other tables, then each is, and what one table gets keeps its order
    with world.database.write() as tx, executed(world.database.engine) as seen:
        with bulk.together(tx):
            clients.make_visible(tx, [(client_id, world.staff_id)])
            clients.set_names(tx, {client_id: {"name": "Renamed"}})
            insert_rows(tx, Relationship, new)
            update_each(tx, Relationship, {row["id"]: {"version": 7} for row in (*old, *new)})
        sent = [each for each in seen if "set_config" not in each]
        assert len(sent) == 2 or not tx.is_postgresql
    assert [row["version"] for row in rows(world)] == [7] * 2 * number
    with world.database.read() as tx:
        assert clients.get(tx, client_id, practice_id=world.practice_id).name == "Renamed"  # type: ignore[union-attr]
        assert [each.id for each in clients.assignees(tx, client_id)] == [world.staff_id]


@pytest.mark.parametrize("number", [1, 3])
def test_a_statement_whose_result_is_read_takes_along_what_waits(world: World, client_id: UUID, number: int) -> None:
    # Given items of which one is there already
    new = [item(world, client_id, each) for each in range(number)]
    with world.database.write() as tx:
        insert_rows(tx, Relationship, new[:1])
    # When other statements wait, and what is new is read, then all are sent as one, and the answer is the last one's
    with world.database.write() as tx, executed(world.database.engine) as seen:
        with bulk.together(tx):
            clients.make_visible(tx, [(client_id, world.staff_id)])
            clients.set_names(tx, {client_id: {"name": "Renamed"}})
            added = insert_new(tx, Relationship, new)
        sent = [each for each in seen if "set_config" not in each]
        assert len(sent) == 1 or not tx.is_postgresql
        assert added == {row["id"] for row in new[1:]}
    with world.database.read() as tx:
        assert clients.get(tx, client_id, practice_id=world.practice_id).name == "Renamed"  # type: ignore[union-attr]
        assert [each.id for each in clients.assignees(tx, client_id)] == [world.staff_id]


@pytest.mark.parametrize("number", [1, 3])
def test_what_waits_at_the_end_goes_with_the_next_statement(world: World, client_id: UUID, number: int) -> None:
    new = [item(world, client_id, each) for each in range(number)]
    with world.database.write() as tx, executed(world.database.engine) as seen:
        with bulk.together(tx, with_next=True):
            clients.make_visible(tx, [(client_id, world.staff_id)])
            clients.set_names(tx, {client_id: {"name": "Renamed"}})
        insert_rows(tx, Relationship, new)
        sent = [each for each in seen if "set_config" not in each]
        assert len(sent) == 1 or not tx.is_postgresql
        # A statement about one of their tables goes after them
        with bulk.together(tx, with_next=True):
            update_each(tx, Relationship, {row["id"]: {"version": 7} for row in new})
        update_each(tx, Relationship, {row["id"]: {"version": 8} for row in new})
    assert [row["version"] for row in rows(world)] == [8] * number
    with world.database.read() as tx:
        assert clients.get(tx, client_id, practice_id=world.practice_id).name == "Renamed"  # type: ignore[union-attr]
        assert [each.id for each in clients.assignees(tx, client_id)] == [world.staff_id]


def test_a_select_takes_along_what_waits_and_reads_what_was_there_before(world: World, client_id: UUID) -> None:
    names = select(Client.name).where(one_of(Client.id, "ids"))
    with world.database.write() as tx, executed(world.database.engine) as seen:
        with bulk.together(tx, with_next=True):
            clients.set_names(tx, {client_id: {"name": "Renamed"}})
            clients.make_visible(tx, [(client_id, world.staff_id)])
        [found] = bulk.read(tx, names, {"ids": [client_id]}).scalars()
        sent = [each for each in seen if "set_config" not in each]
        assert (len(sent), found != "Renamed") == (1, True) or not tx.is_postgresql
        assert bulk.read(tx, names, {"ids": [client_id]}).scalar_one() == "Renamed"
    with world.database.read() as tx:
        assert [each.id for each in clients.assignees(tx, client_id)] == [world.staff_id]


def test_what_waits_is_written_before_anything_else_is_read(world: World, client_id: UUID) -> None:
    with world.database.write() as tx:
        with bulk.together(tx, with_next=True):
            clients.set_names(tx, {client_id: {"name": "Renamed"}})
        assert tx.session.scalar(select(Client.name).where(Client.id == client_id)) == "Renamed"


def test_what_waits_is_written_before_the_next_wait_together(world: World, client_id: UUID) -> None:
    with world.database.write() as tx:
        with bulk.together(tx, with_next=True):
            clients.set_names(tx, {client_id: {"name": "Renamed"}})
        with suppress(ZeroDivisionError), bulk.together(tx):
            raise ZeroDivisionError
    with world.database.read() as tx:
        assert clients.get(tx, client_id, practice_id=world.practice_id).name == "Renamed"  # type: ignore[union-attr]


def test_what_waits_for_no_other_statement_is_committed(world: World, client_id: UUID) -> None:
    with world.database.write() as tx, bulk.together(tx, with_next=True):
        clients.set_names(tx, {client_id: {"name": "Renamed"}})
    with world.database.read() as tx:
        assert clients.get(tx, client_id, practice_id=world.practice_id).name == "Renamed"  # type: ignore[union-attr]


def test_nothing_is_sent_of_what_failed_together(world: World, client_id: UUID) -> None:
    with world.database.write() as tx:
        with suppress(ZeroDivisionError), bulk.together(tx):
            clients.set_names(tx, {client_id: {"name": "Renamed"}})
            raise ZeroDivisionError
        clients.make_visible(tx, [(client_id, world.staff_id)])
    with world.database.read() as tx:
        assert clients.get(tx, client_id, practice_id=world.practice_id).name != "Renamed"  # type: ignore[union-attr]
        assert clients.assignees(tx, client_id)
