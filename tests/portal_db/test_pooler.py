"""Behind a PgBouncer in transaction mode nothing needs a session, and a direct connection pays nothing for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from psycopg import sql
from sqlalchemy import event, make_url, text

from portal_db import migrate
from portal_db.database import IDLE_SECONDS, LOCK_SECONDS, Database
from tests.racing import at_once, failures
from tests.servers.availability import required
from tests.servers.pgbouncer import PgBouncer, pgbouncer
from tests.servers.postgres import PostgresServer, connection_to, fresh_database

SETTINGS = {
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
    "lock_timeout": f"{LOCK_SECONDS}s",
    "jit": "off",
    "synchronous_commit": "on",
}
SHOW = "SELECT " + ", ".join(f"current_setting('{name}')" for name in SETTINGS)


def settings(url: str) -> tuple[set[tuple[str, ...]], int]:
    """What holds in units of work and while reading, and how many statements more were sent to find out."""
    sent: list[str] = []
    with closing(Database(url)) as database:
        with database.read():
            pass  # what a connection begins with
        event.listen(database.engine, "before_cursor_execute", lambda *told: sent.append(told[2]))
        with database.write() as tx:
            writing = tx.session.execute(text(SHOW)).one()
        with database.single() as tx:
            writing_once = tx.session.execute(text(SHOW)).one()
        with database.read() as tx:
            reading = tx.session.execute(text(SHOW)).one()
    return {tuple(writing), tuple(writing_once), tuple(reading)}, len(sent) - 3


def test_statements_that_are_repeated_do_not_collide(pgbouncer_url: str) -> None:
    """A driver that prepares them does so on one of the server's connections, where another's may be, and next time there is
    another connection. One after the other they share one for certain."""

    def repeat(database: Database) -> None:
        for number in range(30):
            with database.write() as tx:
                assert tx.session.scalar(text("SELECT CAST(:number AS integer)"), {"number": number}) == number

    with ExitStack() as stack:
        processes = [stack.enter_context(closing(Database(pgbouncer_url))) for _ in range(4)]
        for each in processes:
            repeat(each)
        assert failures(at_once(*[lambda each=each: repeat(each) for each in processes])) == []


def test_settings_that_the_pooler_refuses_hold_in_each_transaction(pgbouncer_url: str) -> None:
    assert settings(pgbouncer_url) == ({tuple(SETTINGS.values())}, 3)


@pytest.fixture
def ignoring_url(postgres_server: PostgresServer, postgres_url: str) -> Iterator[str]:
    """A database behind a pooler that was told to ignore the settings of connections."""
    with required(), pgbouncer(postgres_server.url, ignore_startup_parameters="options") as pooler:
        yield pooler.url(postgres_url)


def test_settings_that_the_pooler_ignores_hold_in_each_transaction(ignoring_url: str) -> None:
    assert settings(ignoring_url) == ({tuple(SETTINGS.values())}, 3)


def test_settings_of_the_role_or_the_database_cost_no_statement(
    pgbouncer_server: PgBouncer, postgres_server: PostgresServer, empty_postgres_url: str
) -> None:
    name = sql.Identifier(make_url(empty_postgres_url).database or "")
    with connection_to(postgres_server) as connection:
        for setting, value in SETTINGS.items():
            there = (name, sql.Identifier(setting), sql.Literal(value))
            connection.execute(sql.SQL("ALTER DATABASE {} SET {} = {}").format(*there))
    assert settings(pgbouncer_server.url(empty_postgres_url)) == ({tuple(SETTINGS.values())}, 0)


def test_a_direct_connection_sends_no_statement_more(postgres_url: str) -> None:
    assert settings(postgres_url) == ({tuple(SETTINGS.values())}, 0)


def test_commits_are_durable_whatever_the_database_s_own_setting_is(postgres_server: PostgresServer) -> None:
    """Invariant 3: a commit that a crash takes back would have an email sent twice."""
    with fresh_database(postgres_server) as url:
        name = make_url(url).database
        with closing(Database(url)) as database, database.write() as tx:
            tx.session.execute(text(f'ALTER DATABASE "{name}" SET synchronous_commit = off'))
        assert settings(url) == ({tuple(SETTINGS.values())}, 0)


def test_options_of_the_address_hold_beside_ours(postgres_url: str) -> None:
    url = make_url(postgres_url).update_query_dict({"options": "-csearch_path=somewhere -clock_timeout=9s"})
    with closing(Database(url.render_as_string(hide_password=False))) as database, database.read() as tx:
        assert tx.session.scalar(text("SELECT current_setting('search_path')")) == "somewhere"
        assert tx.session.scalar(text("SELECT current_setting('lock_timeout')")) == SETTINGS["lock_timeout"]


def test_a_database_is_migrated_through_it(pgbouncer_server: PgBouncer, empty_postgres_url: str) -> None:
    with closing(Database(pgbouncer_server.url(empty_postgres_url))) as database:
        assert migrate.upgrade(database) == (None, migrate.newest_revision())
