"""The migrations make the tables that the code has, and the constraints in them hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Column, Executable, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from portal_db import co_owner_invitations, migrate
from portal_db.access import password_resets, people, security_notices
from portal_db.database import Database
from portal_db.directory import directories, schedules, syncs
from portal_db.states import BulkAction, FieldSource, SyncMode
from portal_db.tables import Base, Client, EntityConnection, Login, Task, TeamMember
from portal_db.types import Choice, db_now
from portal_db.work import bulk_acts
from portal_db.xero import connections
from tests.making import importable, pause
from tests.world import World
from xpm.simulator.serve import SimulatorHandle


def test_the_migrations_make_the_tables_of_the_code(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    before, now = migrate.upgrade(database)
    assert before is None
    assert migrate.differences(database) == []
    assert migrate.upgrade(database) == (now, now)
    database.close()


def test_a_missing_column_is_noticed(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    migrate.upgrade(database)
    with database.write() as tx:
        tx.session.execute(text("ALTER TABLE pauses DROP COLUMN reason"))
    assert migrate.differences(database) != []
    database.close()


def words() -> Iterator[Column[str]]:
    """The columns that hold one of an enumeration's words."""
    for table in Base.metadata.sorted_tables:
        yield from (column for column in table.columns if isinstance(column.type, Choice))


def populate(world: World, simulator: SimulatorHandle) -> Client:
    """At least one row in every table that has such a column; returns the client made."""
    person = importable(simulator)[0]
    world.run_import(person.uuid, send_welcome_email=True)
    pause(world)
    with world.database.write() as tx:
        login = tx.session.scalars(select(Login.id).limit(1)).one()
        operator = {"id": tx.new_id(), "login_id": login, "name": "Olu Ops"}
        people.add_operator(tx, operator)
        row = {"action": BulkAction.REQUEUE, "selection": {}, "scope": "", "reason": "", "asked_by": operator["id"]}
        assert bulk_acts.add(tx, {"id": tx.new_id(), "total": 1, **row}, reserved=False)
        client = tx.session.execute(select(Client)).scalar_one()
        member = {"name": "Lee", "relationship": "Spouse", "source": FieldSource.STAFF, "as_of": db_now()}
        tx.session.execute(
            insert(TeamMember).values(id=tx.new_id(), practice_id=world.practice_id, client_id=client.id, **member)
        )
        relationship = {"label": "Spouse", "label_key": "spouse", "other_name": "Lee", "version": 1, "as_of": db_now()}
        tx.session.execute(delete(Base.metadata.tables["relationships"]))
        tx.session.execute(
            insert(Base.metadata.tables["relationships"]).values(
                id=tx.new_id(), practice_id=world.practice_id, client_id=client.id, other_xpm_uuid=tx.new_id(),
                state="pending", **relationship
            )
        )  # fmt: skip
        made = tx.session.scalars(select(TeamMember.id)).one()
        owner = {"practice_id": world.practice_id, "client_id": client.id, "team_member_id": made}
        acts = {"access": "none", "added_by": world.staff_id, "added_at": db_now()}
        tx.session.execute(insert(EntityConnection).values(**owner, **acts))
        task = {"kind": "to_do", "title": "Sign", "due_date": date(2030, 1, 1), "state": "open", "created_at": db_now()}
        task |= {"sent_by": world.staff_id, "idempotency_key": "one", "fingerprint": ""}
        tx.session.execute(insert(Task).values(id=tx.new_id(), **owner, **task))
        tx.session.execute(
            insert(Base.metadata.tables["reconnect_notices"]).values(
                id=tx.new_id(), connection_id=world.connection_id, number=1, state="pending", created_at=db_now()
            )
        )
        login_id = tx.session.scalars(select(Login.id).limit(1)).one()
        password_resets.add(tx, login_id)
        assert co_owner_invitations.add(tx, login_id)
        of_task = {"task_id": tx.session.scalars(select(Task.id)).one(), "login_id": login_id}
        task_email = {**of_task, "state": "pending", "created_at": db_now()}
        tx.session.execute(insert(Base.metadata.tables["task_emails"]).values(**task_email))
        security_notices.add(tx, {"login_id": login_id, "event": "password_changed"})
        connection = connections.get_one(tx, world.connection_id)
        directory = directories.ensure(tx, connection.xero_login_id, connection.tenant_id)
        assert syncs.add(tx, directory.id, SyncMode.FULL, "a test")
        schedules.add(tx, "full-1", datetime.now(UTC), directory_id=directory.id, mode=SyncMode.FULL)
        tx.session.execute(
            insert(Base.metadata.tables["business_structures"]).values(
                practice_id=world.practice_id, structure_key="charity", structure="Charity", kind="entity",
                entity_type="Other", set_at=db_now()
            )
        )  # fmt: skip
    return client


def is_refused(world: World, statement: Executable) -> bool:
    try:
        with world.database.write() as tx:
            tx.session.execute(statement)
    except IntegrityError:
        return True
    return False


def test_a_column_of_words_holds_no_other(world: World, simulator: SimulatorHandle) -> None:
    populate(world, simulator)
    columns = list(words())
    for column in columns:
        assert world.scalar(f"SELECT count(*) FROM {column.table.name}"), f"no row in {column.table.name}"  # noqa: S608 -- our own tables
    nonsense = {
        str(column): text(f"UPDATE {column.table.name} SET {column.name} = 'nonsense'")  # noqa: S608 -- our own tables
        for column in columns
    }
    assert len(nonsense) > 20
    assert [column for column, statement in nonsense.items() if not is_refused(world, statement)] == []


@pytest.mark.parametrize("kind", ["individual", "entity"])
def test_people_and_entities_have_the_shape_of_their_kind(world: World, simulator: SimulatorHandle, kind: str) -> None:
    client = populate(world, simulator)
    if kind == "entity":
        with world.database.write() as tx:
            tx.session.execute(
                update(Client).values(
                    kind="entity", entity_type="Trust", login_id=None, client_type=None, subscription=None
                )
            )
    wrong: dict[str, list[dict[str, object]]] = {
        "individual": [
            {"login_id": None},
            {"client_type": None},
            {"subscription": None},
            {"entity_type": "Trust"},
            {"kind": "entity"},
        ],
        "entity": [
            {"login_id": client.login_id},
            {"client_type": "Personal"},
            {"subscription": "Pro"},
            {"entity_type": None},
            {"kind": "individual"},
        ],
    }
    accepted = [values for values in wrong[kind] if not is_refused(world, update(Client).values(**values))]
    assert accepted == []
