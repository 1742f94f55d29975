"""What a command says when a server or a setting is not there: one line, an exit code, and never a traceback."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import make_url

from portal_db.database import Database
from tests.servers.postgres import PostgresServer, connection_to, drop_database
from tests.worker.cli.conftest import Cli
from tests.worker.test_failover import read_only
from worker.cli.processes import queues_of

SOMETHING = UUID(int=7)

EVERY_USE_OF_THE_RECORD = [
    ("practice", "add", "Harbour"),
    ("practice", "set", SOMETHING, "--mfa"),
    ("staff", "add", SOMETHING, "Kim", "kim@practice.example"),
    ("operator", "add", "Kim", "kim@practice.example"),
    ("connection", "add", "--practice", SOMETHING, "--staff", SOMETHING, "--tenant-id", "t"),
    ("import", SOMETHING, "--kind", "entity", "--practice", SOMETHING, "--as", SOMETHING),
    ("imports", "list"),
    ("imports", "show", SOMETHING),
    ("imports", "amend", SOMETHING, "--name", "Mia", "--as", "o"),
    ("imports", "cancel", SOMETHING, "--as", "o", "--yes"),
    ("dead", "list"),
    ("dead", "groups"),
    ("dead", "show", SOMETHING),
    ("dead", "requeue", SOMETHING, "--as", "o"),
    ("dead", "dismiss", SOMETHING, "--as", "o", "--reason", "r", "--yes"),
    ("jobs", "list"),
    ("jobs", "explain", SOMETHING),
    ("emails", "list"),
    ("emails", "resend", SOMETHING, "--as", "o", "--yes"),
    ("emails", "mark-delivered", SOMETHING, "--as", "o"),
    ("pause", "everything", "--as", "o", "--reason", "r"),
    ("resume", "everything", "--as", "o"),
    ("pauses", "list"),
    ("worker",),
    ("relay",),
]


@pytest.mark.parametrize("command", EVERY_USE_OF_THE_RECORD, ids=lambda command: " ".join(map(str, command[:2])))
def test_a_database_without_tables(cli: Cli, command: tuple[object, ...]) -> None:
    ran = cli(*command, given="access_token=a\nxero_user_id=b")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == "Error: The database has no tables yet: run `portal-sync db upgrade`.\n"


@pytest.mark.parametrize("command", [("imports", "list"), ("db", "upgrade")])
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://kim:secret@127.0.0.1:1/portal", "postgresql://kim:***@127.0.0.1:1/portal cannot be used: conn"),
        ("sqlite:////proc/nowhere/portal.db", "cannot be used: No such file or directory"),
    ],
)
def test_a_database_that_cannot_be_reached_is_named_without_its_password(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], url: str, words: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    ran = cli(*command)
    assert (ran.code, ran.out) == (3, "")
    assert words in ran.err
    assert "secret" not in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    "command", [("practice", "add", "Harbour"), ("operator", "add", "Kim", "kim@practice.example")]
)
def test_a_command_on_a_read_only_database_says_so(
    cli: Cli, postgres_url: str, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    with read_only(postgres_url):
        ran = cli(*command)
    assert (ran.code, ran.out) == (3, "")
    assert "cannot execute INSERT in a read-only transaction" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_file_that_is_no_database(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, whatever its name says " * 50)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'notes.txt'}")
    for command in (("imports", "list"), ("db", "upgrade")):
        ran = cli(*command)
        assert ran.code == 3
        assert "file is not a database" in ran.err


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_name_gets_no_tables(
    cli: Cli, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    name = f"test_{encoding.lower()}"
    with connection_to(postgres_server) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    try:
        url = postgres_server.url.set(database=name).render_as_string(hide_password=False)
        monkeypatch.setenv("DATABASE_URL", url)
        ran = cli("db", "upgrade")
    finally:
        drop_database(postgres_server, name)
    assert (ran.code, ran.out) == (3, "")
    assert f"The database is in {encoding}, which cannot hold every name" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_role_that_may_not_create_tables_is_told_what_it_lacks(
    cli: Cli, postgres_server: PostgresServer, empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connection_to(postgres_server, make_url(empty_postgres_url).database) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    url = make_url(empty_postgres_url).set(username="guest", password="guest")
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    ran = cli("db", "upgrade")
    with connection_to(postgres_server) as connection:
        connection.execute("DROP ROLE guest")
    assert (ran.code, ran.out) == (3, "")
    assert "GRANT CREATE, USAGE ON SCHEMA public" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_database_of_another_version(cli: Cli, migrated: Database) -> None:
    with migrated.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'ffff'")
    listed, upgraded = cli("imports", "list"), cli("db", "upgrade")
    assert (listed.code, upgraded.code) == (3, 3)
    assert "The database is at revision ffff and this version needs" in listed.err
    assert "a revision that this version does not know" in upgraded.err


@pytest.mark.parametrize("command", ["worker", "relay"])
def test_a_process_that_starts_before_the_migrations_ends_and_says_what_it_needs(
    cli: Cli, migrated: Database, command: str
) -> None:
    """Its supervisor starts it again until they are done."""
    with migrated.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    ran = cli(command)
    assert (ran.code, ran.out) == (3, "")
    assert "The database is at revision 0001 and this version needs" in ran.err
    assert "run `portal-sync db upgrade`" in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value", "command", "words"),
    [
        ("DATABASE_URL", "mysql://x/y", ("imports", "list"), "DATABASE_URL: mysql is not supported"),
        ("DATABASE_URL", "nonsense", ("imports", "list"), "DATABASE_URL does not fit"),
        ("RING_LIMIT", "many", ("imports", "list"), "RING_LIMIT does not fit"),
        ("LOG_LEVEL", "loud", ("relay",), "LOG_LEVEL does not fit"),
        ("TOKEN_KEYS", "", ("worker",), "TOKEN_KEYS is not set"),
        ("TOKEN_KEYS", "abc", ("worker",), "TOKEN_KEYS holds something that is not a Fernet key"),
        ("REDIS_URL", "localhost", ("worker",), "REDIS_URL does not fit"),
    ],
)
@pytest.mark.usefixtures("migrated")
def test_settings_that_do_not_fit_are_named(
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    command: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.setenv(name, value)
    ran = cli(*command)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.usefixtures("migrated")
def test_a_mistake_of_ours_is_one_line_without_the_data_it_was_about(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("kim@practice.example is no number")

    monkeypatch.setattr("handlers.access.practices.add_operator", broken)
    ran = cli("operator", "add", "Kim", "kim@practice.example")
    assert (ran.code, ran.out) == (1, "")
    assert "Something unexpected went wrong: RuntimeError at worker/cli/test_unavailable.py:" in ran.err
    assert "kim@" not in ran.err


def test_the_groups_of_lanes() -> None:
    assert queues_of("interactive") == {"interactive", "import_requests"}
    assert queues_of("background") == {"import", "resync"}
    assert queues_of("email, resync") == {"email", "resync"}
    assert queues_of("all") == {"interactive", "import_requests", "import", "resync", "email", "webhooks"}
