"""Migrations expand before they contract: the release before works on the new tables, so that it can be gone back to.

Judged by what a migration does to a database, not by how it is written.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, inspect, text
from sqlalchemy.exc import IntegrityError

from portal_db import migrate
from portal_db.database import Database
from portal_db.migrate import TablesInUse
from tests.worker.cli.conftest import Cli

SCRIPTS = ScriptDirectory(str(Path(migrate.__file__).parent / "migrations"))
REVISIONS = [script.revision for script in reversed([*SCRIPTS.walk_revisions()])]

Shape = dict[str, dict[str, Any]]


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    made = Database(empty_database_url)
    yield made
    made.close()


@pytest.fixture
def with_tables(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    yield made
    made.close()


def bring_to(database: Database, revision: str) -> None:
    with database.engine.begin() as connection:
        command.upgrade(migrate._config(connection), revision)


def shape(database: Database) -> Shape:
    """Every table: its columns, and everything that decides what may be written."""
    found = inspect(database.engine)
    columns, keys = found.get_multi_columns(), found.get_multi_pk_constraint()
    uniques, indexes = found.get_multi_unique_constraints(), found.get_multi_indexes()
    pointers, checks = found.get_multi_foreign_keys(), found.get_multi_check_constraints()
    return {
        of[1]: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"] is not None)
                for column in columns[of]
            },
            "rules": sorted(
                [f"key {keys[of]['constrained_columns']}"]
                + [f"unique {each['column_names']}" for each in uniques[of]]
                + [f"unique {each['column_names']}" for each in indexes[of] if each["unique"]]
                + [f"points {each['constrained_columns']}" for each in pointers[of]]
                + [f"check {each['sqltext']}" for each in checks[of]]
            ),
        }
        for of in columns
    }


def breaks(before: Shape, after: Shape) -> list[str]:
    """What of a migration would trip up the code before it, in words."""
    found: list[str] = []
    for table, was in before.items():
        if table not in after:
            found.append(f"{table} is gone")
            continue
        now = after[table]
        found += [f"{table}.{name} is gone" for name in was["columns"].keys() - now["columns"].keys()]
        for name, (kind, nullable, has_default) in now["columns"].items():
            if name not in was["columns"]:
                if not nullable and not has_default:
                    found.append(f"{table}.{name} is new and must be given")
            elif was["columns"][name] != (kind, nullable, has_default):
                found.append(f"{table}.{name} is changed")
        left_empty = {name for name, (_, nullable, _) in now["columns"].items() if nullable} - was["columns"].keys()
        new_rules = [rule for rule in now["rules"] if rule not in was["rules"] and not is_of(rule, left_empty)]
        found += [f"{table} has a new rule: {rule}" for rule in new_rules if not any(map(wider(rule), was["rules"]))]
    return found


def is_of(rule: str, left_empty: set[str]) -> bool:
    """Whether it is a unique key of which the code before leaves a column empty: such rows are never alike."""
    return rule.startswith("unique") and not left_empty.isdisjoint(re.findall(r"'(\w+)'", rule))


def wider(rule: str) -> Callable[[str], bool]:
    """Whether a list of words that a column may hold has all words of an earlier one."""

    def than(earlier: str) -> bool:
        words, before = re.findall(r"'(\w+)'", rule), re.findall(r"'(\w+)'", earlier)
        same_column = re.findall(r"check \W*(\w+)", rule) == re.findall(r"check \W*(\w+)", earlier) != []
        return same_column and bool(before) and set(before) <= set(words)

    return than


def test_each_migration_only_adds_what_the_code_before_it_can_ignore(database: Database) -> None:
    found: dict[str, list[str]] = {}
    bring_to(database, REVISIONS[0])
    before = shape(database)
    for revision in REVISIONS[1:]:
        bring_to(database, revision)
        after = shape(database)
        found[revision] = breaks(before, after)
        before = after
    assert {revision for revision, broken in found.items() if broken} <= set(declared(database)), found


def declared(database: Database) -> list[str]:
    """The revisions that say of themselves that older releases cannot work with them."""
    if "breaking_revisions" not in inspect(database.engine).get_table_names():
        return []
    with database.engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT revision FROM breaking_revisions").scalars())


def test_relationships_told_from_two_sides_become_one_role(database: Database) -> None:
    """0006: what was decided about "Director Of" and "Wife" is still decided, under the role; a twin stays as it was."""
    bring_to(database, "0005")
    ids = {name: uuid4() for name in ("practice", "login", "staff", "client", "other", "twin")}
    with database.engine.begin() as connection:
        tables = MetaData()
        tables.reflect(connection, only=["practices", "logins", "staff", "clients", "relationships"])
        now = datetime(2026, 1, 1, tzinfo=UTC)

        def add(table: str, **values: Any) -> None:
            connection.execute(tables.tables[table].insert().values(**values))

        def stored(name: str) -> Any:
            return ids[name] if connection.dialect.name == "postgresql" else ids[name].hex

        add("practices", id=stored("practice"), name="P", time_zone="UTC", mfa_mandatory=True, created_at=now)
        login = {"kind": "staff", "email": "k@example.com", "email_key": "k@example.com", "created_at": now}
        add("logins", id=stored("login"), **login)
        staff = {"practice_id": stored("practice"), "login_id": stored("login"), "name": "K", "role": "owner"}
        add("staff", id=stored("staff"), created_at=now, **staff)
        client = {"practice_id": stored("practice"), "created_by": stored("staff"), "kind": "entity", "name": "C"}
        add("clients", id=stored("client"), entity_type="Trust", is_new=True, created_at=now, **client)
        for label, other in (("director of", "other"), ("wife", "other"), ("owner", "twin"), ("owner of", "twin")):
            told = {"label": label, "label_key": label, "other_name": "O", "state": "ignored", "version": 1}
            told |= {"practice_id": stored("practice"), "client_id": stored("client"), "as_of": now}
            row_id = uuid4() if connection.dialect.name == "postgresql" else uuid4().hex
            add("relationships", id=row_id, other_xpm_uuid=stored(other), **told)
    bring_to(database, "0006")
    with database.engine.connect() as connection:
        rows = connection.execute(text("SELECT label, label_key FROM relationships")).all()
    assert {row.label: row.label_key for row in rows} == {
        "director of": "director",
        "wife": "spouse",
        "owner": "owner",
        "owner of": "owner of",
    }


def test_names_that_were_there_before_are_found_as_new_ones_are(database: Database) -> None:
    """0014: the folded names of clients and relationships, for more rows than are folded at once."""
    bring_to(database, "0013")
    with database.engine.begin() as connection:
        tables = MetaData()
        tables.reflect(connection, only=["practices", "logins", "staff", "clients", "relationships"])
        now = datetime(2026, 1, 1, tzinfo=UTC)
        ids = [
            each if connection.dialect.name == "postgresql" else each.hex for each in (uuid4() for _ in range(1_004))
        ]
        practice, login, staff, *clients = ids

        def add(table: str, *rows: dict[str, Any]) -> None:
            connection.execute(tables.tables[table].insert(), rows)

        add("practices", {"id": practice, "name": "P", "time_zone": "UTC", "mfa_mandatory": True, "created_at": now})
        email = {"email": "k@example.com", "email_key": "k@example.com"}
        add("logins", {"id": login, "kind": "staff", **email, "created_at": now})
        person = {"practice_id": practice, "login_id": login, "name": "K", "role": "owner", "created_at": now}
        add("staff", {"id": staff, **person})
        fixed: dict[str, Any] = {"practice_id": practice, "created_by": staff, "kind": "entity", "entity_type": "Trust"}
        fixed |= {"name": "O\u2019Quill", "is_new": True, "created_at": now}
        add("clients", *({"id": client_id, **fixed} for client_id in clients))
        told: dict[str, Any] = {
            "label": "Director",
            "label_key": "director",
            "other_name": "Wei\u00dfbach",
            "state": "ignored",
        }
        told |= {"practice_id": practice, "client_id": clients[0], "as_of": now, "version": 1}
        add("relationships", {"id": staff, "other_xpm_uuid": login, **told})
    bring_to(database, "0014")
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT name_key, count(*) FROM clients GROUP BY 1")).all() == [
            ("oquill", 1_001)
        ]
        assert connection.scalars(text("SELECT search_key FROM relationships")).all() == ["weissbach director"]


def indexes_of_jobs(database: Database) -> list[Any]:
    """Their names, columns and conditions."""
    found = inspect(database.engine).get_indexes("jobs")
    return [
        (each["name"], each["column_names"], [str(v) for v in each.get("dialect_options", {}).values()])
        for each in found
    ]


def test_a_lane_is_added_to_the_words_that_a_job_and_a_pause_may_hold(database: Database) -> None:
    """0018: the rows stay, with their indexes; the new lane is taken, and an unknown one refused as before."""
    bring_to(database, "0017")
    before = str(indexes_of_jobs(database))
    insert = "INSERT INTO pauses (id, lane, reason, created_at) VALUES (:id, :lane, 'r', '2026-01-01 00:00:00+00:00')"

    def pause(lane: str) -> None:
        row_id = uuid4() if database.engine.dialect.name == "postgresql" else uuid4().hex
        with database.engine.begin() as connection:
            connection.execute(text(insert), {"id": row_id, "lane": lane})

    pause("email")
    bring_to(database, "0018")
    pause("webhooks")
    with pytest.raises(IntegrityError):
        pause("nonsense")
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT lane FROM pauses ORDER BY lane")).scalars().all() == [
            "email",
            "webhooks",
        ]
        if database.engine.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    found = inspect(database.engine)
    assert str(indexes_of_jobs(database)) == before
    assert all("webhooks" in str(rule["sqltext"]) for table in ("jobs", "pauses")
               for rule in found.get_check_constraints(table) if str(rule["name"]).endswith("lane"))  # fmt: skip


CONTRACTIONS = {
    "a column that must be given": ("ALTER TABLE pauses ADD COLUMN why VARCHAR(9) NOT NULL", "must be given"),
    "a column dropped": ("ALTER TABLE pauses DROP COLUMN reason", "pauses.reason is gone"),
    "a table dropped": ("DROP TABLE pauses", "pauses is gone"),
    "a new uniqueness": ("CREATE UNIQUE INDEX uq_new ON pauses (reason)", "new rule: unique ['reason']"),
    "a word fewer": (
        "ALTER TABLE pauses ADD COLUMN why VARCHAR(9) CHECK (why IN ('a'))",
        "new rule: check",
    ),
    "a column renamed": ("ALTER TABLE pauses RENAME COLUMN reason TO why", "pauses.reason is gone"),
}


@pytest.mark.parametrize("case", CONTRACTIONS)
def test_a_contraction_is_noticed(with_tables: Database, case: str) -> None:
    database = with_tables
    statement, words = CONTRACTIONS[case]
    if "NOT NULL" in statement and database.engine.dialect.name == "sqlite":
        statement = statement.replace("NOT NULL", "NOT NULL DEFAULT 'x'")
        words = ""
    before = shape(database)
    with database.engine.begin() as connection:
        connection.execute(text(statement))
    assert words in " ".join(breaks(before, shape(database)))


def test_the_release_before_finds_all_of_its_columns(database: Database) -> None:
    """Its idea of every table, reflected before the newest migration, names columns that are all still there."""
    bring_to(database, REVISIONS[-2])
    release_before = MetaData()
    release_before.reflect(database.engine)
    bring_to(database, "head")
    with database.engine.connect() as connection:
        for table in release_before.sorted_tables:
            connection.execute(table.select())


def test_of_many_upgrades_at_once_each_ends_well(empty_database_url: str) -> None:
    # When three deploys bring an empty database to this release
    command_line = [sys.executable, "-m", "worker.cli", "db", "upgrade", "--json"]
    environment = {**os.environ, "DATABASE_URL": empty_database_url}
    upgrades = [
        subprocess.Popen(command_line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    ended = [upgrade.communicate(timeout=100) for upgrade in upgrades]
    # Then one did it, and the others found it done
    assert [(upgrade.returncode, err) for upgrade, (_, err) in zip(upgrades, ended, strict=True)] == [(0, b"")] * 3
    told = [json.loads(out) for out, _ in ended]
    assert {each["after"] for each in told} == {REVISIONS[-1]}
    assert sorted(str(each["before"]) for each in told) == [REVISIONS[-1]] * 2 + ["None"]
    database = Database(empty_database_url)
    assert migrate.differences(database) == []
    database.close()


def test_an_upgrade_does_not_queue_up_behind_a_long_transaction(
    empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 1)
    monkeypatch.setattr(migrate, "LOCK_TRIES", 2)
    database = Database(empty_postgres_url)
    bring_to(database, "0001")
    with database.engine.begin() as busy:
        busy.execute(text("LOCK TABLE xpm_links IN ACCESS SHARE MODE"))
        with pytest.raises(TablesInUse):
            migrate.upgrade(database)
        assert migrate.standing(database).current == "0001"
    assert migrate.upgrade(database)[0] == "0001"
    database.close()


def test_the_release_before_starts_on_the_new_tables(cli: Cli, migrated: Database) -> None:
    """As seen from this release: a database that a later one has brought on is worked with."""
    with migrated.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert cli("imports", "list").code == 0
    checked, upgraded = cli("db", "check"), cli("db", "upgrade")
    assert (checked.code, upgraded.code) == (0, 0)
    for ran in (checked, upgraded):
        assert f"A newer version brought it there; this one is at {REVISIONS[-1]}." in " ".join(ran.out.split())
    assert cli("db", "upgrade", "--json").json() == {"before": "9999", "after": "9999"}


def test_a_release_that_a_later_migration_has_left_behind_starts_nothing(cli: Cli, migrated: Database) -> None:
    """A migration that takes something away says from which revision on a release may work with the tables."""
    with migrated.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        connection.exec_driver_sql("INSERT INTO breaking_revisions VALUES ('9998')")
    for command_line in (("imports", "list"), ("worker",), ("relay",), ("db", "upgrade"), ("db", "check")):
        ran = cli(*command_line)
        assert ran.code == 3, command_line
        assert "versions older than revision 9998 cannot work with it" in " ".join(ran.err.split())
    told = cli("db", "check", "--json")
    assert (told.code, told.json()["fits"]) == (3, False)


def test_a_database_that_was_not_upgraded_is_checked_too(cli: Cli, migrated: Database) -> None:
    assert cli("db", "check", "--json").json() == {
        "current": REVISIONS[-1], "newest": REVISIONS[-1], "broken_by": None, "fits": True
    }  # fmt: skip
    with migrated.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    ran = cli("db", "check")
    assert (ran.code, "run `portal-sync db upgrade`" in " ".join(ran.err.split())) == (3, True)
