"""Transactions: all or nothing, writers that queue up, looks in one snapshot."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import pytest
from sqlalchemy import event, select, text, update
from sqlalchemy.exc import IntegrityError

from config.settings import Settings
from portal_db.access import people
from portal_db.database import DATABASE_AWAY, Database, Tx, retry_on_deadlock
from portal_db.tables import Practice
from tests.making import add, fails, new_job, note, notes
from tests.racing import at_once, failures
from tests.servers.waiting import wait_until
from tests.world import World

#: What the driver still looks up by its name when a database has been opened.
BY_NAME = """
import psycopg
from portal_db.database import Database
Database("postgresql://kim@127.0.0.1:1/portal")
print(*{key for each in psycopg.adapters._dumpers.values() for key in each if isinstance(key, str)})
"""
ROUNDS = 25
IDLE = "idle_in_transaction_session_timeout"


def test_a_unit_of_work_leaves_nothing_when_it_fails(world: World) -> None:
    def step(tx: Tx) -> None:
        note(tx)
        raise RuntimeError

    fails(world, RuntimeError, step)
    assert notes(world) == 0


def test_a_unit_of_work_commits_at_its_end(world: World) -> None:
    with world.database.write() as tx:
        note(tx)
        assert notes(world) == 0
    assert notes(world) == 1


def test_references_are_enforced(world: World) -> None:
    with pytest.raises(IntegrityError):
        add(world, new_job(world, practice_id=world.staff_id))


def test_writers_that_read_first_queue_up_on_sqlite(sqlite_world: World) -> None:
    """A deferred transaction that reads and then writes fails with "database is locked" as soon as two of them meet."""

    def count_up() -> None:
        for _ in range(ROUNDS):
            with sqlite_world.database.write() as tx:
                practice = people.get_practice(tx, sqlite_world.practice_id)
                assert practice is not None
                number = int(practice.name) + 1
                people.set_practice(tx, sqlite_world.practice_id, {"name": str(number)})

    with sqlite_world.database.write() as tx:
        tx.session.execute(update(Practice).values(name="0"))
    assert failures(at_once(count_up, count_up, count_up)) == []
    assert sqlite_world.scalar("SELECT name FROM practices") == str(3 * ROUNDS)


def test_a_look_sees_one_snapshot(world: World) -> None:
    statement = select(Practice.name)
    with world.database.read() as tx:
        before = tx.session.scalar(statement)
        with world.database.write() as writer:
            people.set_practice(writer, world.practice_id, {"name": "Renamed meanwhile"})
        assert tx.session.scalar(statement) == before
    with world.database.read() as tx:
        assert tx.session.scalar(statement) == "Renamed meanwhile"


def test_a_glance_is_no_transaction_on_postgresql(world: World) -> None:
    statement = select(Practice.name)
    with world.database.glance() as tx:
        before = tx.session.scalar(statement)
        with world.database.write() as writer:
            people.set_practice(writer, world.practice_id, {"name": "Renamed meanwhile"})
        assert tx.session.scalar(statement) == ("Renamed meanwhile" if tx.is_postgresql else before)
    with world.database.read() as tx:  # the same connection has its transactions back
        before = tx.session.scalar(statement)
        with world.database.write() as writer:
            people.set_practice(writer, world.practice_id, {"name": "Renamed again"})
        assert tx.session.scalar(statement) == before


def test_a_single_statement_is_a_unit_of_work(world: World) -> None:
    with world.database.single() as tx:
        people.set_practice(tx, world.practice_id, {"name": "Renamed"})
    with world.database.read() as tx:
        assert tx.session.scalar(select(Practice.name)) == "Renamed"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_single_statement_is_committed_by_postgresql_itself(world: World) -> None:
    with world.database.single() as tx:
        people.set_practice(tx, world.practice_id, {"name": "Renamed"})
        with world.database.read() as reader:
            assert reader.session.scalar(select(Practice.name)) == "Renamed"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_look_leaves_the_statements_that_the_driver_has_prepared(world: World) -> None:
    for _ in range(10):
        with world.database.read() as tx:
            tx.session.scalar(select(Practice.name))
    with world.database.read() as tx:
        assert tx.session.scalar(text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%practices%'"))


def test_a_look_does_not_wait_for_a_writer(world: World) -> None:
    with world.database.write() as writer:
        people.set_practice(writer, world.practice_id, {"name": "Not yet"})
        with world.database.read() as tx:
            assert tx.session.scalar(select(Practice.name)) == "Harbour Accounting"


@pytest.mark.parametrize(
    ("url", "words"),
    [("mysql://localhost/portal", "use sqlite or postgresql"), ("sqlite:///x.db?synchronous=off", "full or normal")],
)
def test_an_address_that_does_not_fit_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Database(url)


def test_a_transaction_that_nobody_goes_on_with_is_ended_before_a_lease_runs_out(postgres_url: str) -> None:
    """Its process was stopped: the locks that it holds must not hold up the relay, and so everybody."""
    database = Database(postgres_url)
    with database.read() as tx:
        seconds = tx.session.scalar(text("SELECT extract(epoch FROM current_setting(:name)::interval)"), {"name": IDLE})
    database.close()
    assert seconds is not None
    assert 0 < seconds < Settings().lease_seconds


def test_a_transaction_that_was_ended_so_is_begun_again_and_no_bug(postgres_url: str) -> None:
    """A job of a machine too busy to go on in time waits and is tried again; a bug would be a dead letter."""
    database = Database(postgres_url)

    def go_on_too_late() -> None:
        with database.write() as tx:
            tx.session.execute(text(f"SET {IDLE} = '1ms'"))
            pid = tx.session.scalar(text("SELECT pg_backend_pid()"))
            wait_until(lambda: not _is_there(database, pid), "PostgreSQL has ended it")
            tx.session.execute(text("SELECT 1"))

    with pytest.raises(DATABASE_AWAY):
        go_on_too_late()
    with database.read() as tx:
        assert tx.session.scalar(text("SELECT 1")) == 1, "the connection is not used again"
    database.close()


def _is_there(database: Database, pid: int | None) -> bool:
    with database.read() as tx:
        found = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
        return bool(tx.session.scalar(found, {"pid": pid}))


def test_a_stopped_process_whose_transactions_wait_for_each_other_ends_them_together(postgres_url: str) -> None:
    """Otherwise each gets the lock in turn, and the worker that goes on waits for the idle time of all of them."""
    database = Database(postgres_url)
    with database.read() as tx:
        waits, idles = (
            tx.session.scalar(text("SELECT extract(epoch FROM current_setting(:name)::interval)"), {"name": name})
            for name in ("lock_timeout", IDLE)
        )
    database.close()
    assert waits is not None
    assert idles is not None
    assert 0 < waits < idles


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_lock_that_was_not_free_in_time_is_asked_for_again(world: World) -> None:
    tries: list[str] = []

    @retry_on_deadlock
    def rename() -> None:
        with world.database.write() as tx:
            tx.session.execute(text("SET LOCAL lock_timeout = '20ms'"))
            tries.append("try")
            if len(tries) == 2:
                other.rollback()
            people.set_practice(tx, world.practice_id, {"name": "Renamed at last"})

    with world.database.engine.connect() as other:
        other.execute(update(Practice).values(name="Not committed"))
        rename()
    assert len(tries) == 2


def test_connections_are_opened_ahead_if_the_database_answers(postgres_url: str) -> None:
    # Given a database that answers, and one that does not
    here, away = Database(postgres_url), Database("postgresql://kim@127.0.0.1:1/portal")
    with closing(here), closing(away):
        made: list[str] = []
        event.listen(here.engine, "connect", lambda *_: made.append("here"))
        event.listen(away.engine, "connect", lambda *_: made.append("away"))
        # When a worker opens its connections
        here.open_connections(3)
        away.open_connections(3)
        # Then they wait to be used
        assert made == ["here"] * 3
        with here.engine.connect(), here.engine.connect(), here.engine.connect():
            assert made == ["here"] * 3


def test_the_driver_knows_our_types_before_there_are_threads() -> None:
    """One thread replaces a name by its type, and another finds neither: "cannot adapt type", which is called a bug."""
    found = subprocess.run([sys.executable, "-c", BY_NAME], capture_output=True, text=True, check=True)
    assert not {"uuid.UUID", "datetime.datetime", "datetime.date", "decimal.Decimal"} & set(found.stdout.split())
