"""What is quicker than psycopg's own way does the same as that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.types.array import ListBinaryDumper
from sqlalchemy import Integer, String, column, select, text

from portal_db import driver
from portal_db.database import Database
from tests.servers.postgres import PostgresServer, connection_to

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
LISTS: dict[str, Any] = {"uuid": st.uuids(), "text": TEXTS, "integer": st.integers(-(2**31), 2**31 - 1)}


@pytest.fixture(scope="module")
def connection(postgres_server: PostgresServer) -> Iterator[psycopg.Connection[Any]]:
    with connection_to(postgres_server) as made:
        driver.send_lists_in_binary(made, None)
        yield made


@given(st.sampled_from(sorted(LISTS)).flatmap(lambda name: st.tuples(st.just(name), some(LISTS[name]))))
@example(("uuid", [None, UUID(int=1)]))
@example(("text", ["", None, "ü", "NULL"]))
@example(("text", [None, None]))
def test_a_list_arrives_as_it_is_and_as_psycopg_sends_it(
    connection: psycopg.Connection[Any], typed: tuple[str, list[Any]]
) -> None:
    type_, values = typed
    statement = f"SELECT %s::{type_}[], %s::{type_}[] IS NULL"
    with connection.cursor() as as_psycopg_does:
        as_psycopg_does.adapters.register_dumper(list, ListBinaryDumper)
        theirs = as_psycopg_does.execute(statement, [values, values]).fetchone()
    assert connection.execute(statement, [values, values]).fetchone() == theirs == (values, False)


def some(values: Any) -> Any:
    return st.lists(st.none() | values, max_size=5)


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    with closing(Database(postgres_url)) as made:
        yield made


def test_a_result_s_columns_are_described_for_who_looks(database: Database) -> None:
    with database.read() as tx:
        cursor = tx.connection.connection.cursor()
        cursor.execute("SELECT 1 AS number, 'a' AS letter")
        assert [each[0] for each in cursor.description or ()] == ["number", "letter"]
        assert len(cursor.description or ()) == 2
        assert (cursor.description or ())[1][0] == "letter"
        cursor.execute("SET LOCAL lock_timeout = '1s'")
        assert cursor.description is None


def test_the_columns_of_a_statement_are_described_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    described: list[driver.Cursor] = []
    describe = driver.Cursor.describe

    def note(cursor: driver.Cursor) -> Sequence[Any]:
        described.append(cursor)
        return describe(cursor)

    statement = select(column("number", Integer), column("letter", String)).select_from(
        text("(VALUES (1, 'a')) AS given (number, letter)")
    )
    with database.read() as tx:
        assert tx.connection.exec_driver_sql("SELECT 1").all() == [(1,)], "connected"
        monkeypatch.setattr(driver.Cursor, "describe", note)
        assert tx.connection.execute(statement).all() == [(1, "a")]
        assert len(described) == 1, "the first time, SQLAlchemy looks"
        described.clear()
        for _ in range(3):
            assert tx.connection.execute(statement).all() == [(1, "a")]
    assert described == []
