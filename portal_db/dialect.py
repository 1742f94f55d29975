"""Statements that the rest of the record is built from: inserts that may conflict, updates and deletes that report how many
rows they matched, and small look-ups. They work alike on SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, any_, delete, func, literal, select, text, update
from sqlalchemy import true as sql_true
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import InstrumentedAttribute

from portal_db import bulk
from portal_db.bulk import Given
from portal_db.database import Tx
from portal_db.tables import Base
from portal_db.tables.base import KeyOf
from portal_db.types import db_now

T = TypeVar("T")


def upsert(tx: Tx, table: type[Base], row: dict[str, Any] | None = None) -> Any:
    """An INSERT that takes `.on_conflict_do_nothing()` or `.on_conflict_do_update()`.

    Args:
        row: what to insert, SQL expressions included. Without it the statement is executed with a list of rows; rows
            inside the statement would make it compile again each time.
    """
    statement = bulk.insert_for(table.__table__, is_postgresql=tx.is_postgresql)
    return statement.values(row) if row is not None else statement


def among(tx: Tx, column: InstrumentedAttribute[T], values: Collection[Any]) -> ColumnElement[bool]:
    """Whether a column has one of many values: one parameter on PostgreSQL, which reads it faster than a thousand."""
    if tx.is_postgresql:
        return column == any_(literal(list(values), postgresql.ARRAY(column.type)))
    return column.in_(values)


def insert_or_ignore(tx: Tx, table: type[Base], row: dict[str, Any]) -> bool:
    """Insert a row. False when a unique index refuses it: the index decides, so nothing is read first."""
    key = next(iter(table.__table__.primary_key.columns))  # type: ignore[attr-defined]  # it is a table
    return tx.session.scalar(upsert(tx, table, row).on_conflict_do_nothing().returning(key)) is not None


def insert_or_replace(tx: Tx, table: type[Base], row: dict[str, Any], *, changed: Collection[str]) -> None:
    """Insert a row, or overwrite the `changed` columns of the one with the same primary key."""
    statement = upsert(tx, table, row)
    key = list(table.__table__.primary_key.columns)  # type: ignore[attr-defined]  # it is a table
    values = {name: statement.excluded[name] for name in changed}
    tx.session.execute(statement.on_conflict_do_update(index_elements=key, set_=values))


def insert_new(tx: Tx, table: type[Base], rows: Sequence[dict[str, Any]], *, now: tuple[str, ...] = ()) -> set[UUID]:
    """Insert rows that have the same columns, in order, by one statement. Rows that a unique index refuses are left out.

    Args:
        now: columns that get the database's time.

    Returns:
        Ids of the inserted rows.
    """
    if not rows:
        return set()
    return set(bulk.execute(tx, table, _with_keys(table, rows), _insert_new, now).scalars())


def _insert_new(given: Given, now: tuple[str, ...]) -> Any:
    return _insert(given, now).on_conflict_do_nothing().returning(given.table.c.id)


def insert_rows(
    tx: Tx,
    table: type[Base],
    rows: Sequence[dict[str, Any]],
    *,
    now: tuple[str, ...] = (),
    true: tuple[str, ...] = (),
) -> None:
    """Insert rows that have the same columns, by one statement.

    Args:
        now: columns that get the database's time.
        true: columns that get the value true.
    """
    if rows:
        bulk.write(tx, table, _with_keys(table, rows), _insert, now, true)


def _insert(given: Given, now: tuple[str, ...], true: tuple[str, ...] = ()) -> Any:
    return given.insert(given.columns | {name: db_now() for name in now} | {name: sql_true() for name in true})


def _with_keys(table: type[Base], rows: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    keys = _keys(table)
    return [{**row, **{name: key.of(row) for name, key in keys.items()}} for row in rows] if keys else rows


@cache
def _keys(table: type[Base]) -> dict[str, KeyOf]:
    defaults = ((column.name, getattr(column.default, "arg", None)) for column in table.__table__.columns)
    return {name: default for name, default in defaults if isinstance(default, KeyOf)}


def row_of(item: Any) -> dict[str, Any]:
    """The fields of a dataclass whose values are columns; `asdict` would copy each value."""
    return {each.name: getattr(item, each.name) for each in fields(item)}


def update_rows(tx: Tx, table: type[Base], *conditions: ColumnElement[bool], **values: Any) -> int:
    """Update the rows that match and return how many did: 0 from a compare-and-set means that somebody else was first."""
    of_table: Any = table.__table__
    return tx.connection.execute(update(of_table).where(*conditions).values(**values)).rowcount


def update_each(
    tx: Tx, table: type[Base], rows: Mapping[UUID, Mapping[str, Any]], *, now: tuple[str, ...] = ()
) -> None:
    """Write values to rows by their ids: one statement for all, and one round trip. All rows name the same columns.

    Args:
        now: columns that get the database's time.
    """
    if not rows:
        return
    given = [{**row, "id": row_id} for row_id, row in rows.items()]
    bulk.write(tx, table, given, _update, now)


def _update(given: Given, now: tuple[str, ...]) -> Any:
    return given.update({**given.columns, **{name: db_now() for name in now}})


def delete_rows(tx: Tx, table: type[Base], *conditions: ColumnElement[bool]) -> int:
    """Delete the rows that match and return how many did."""
    result: Any = tx.session.execute(delete(table).where(*conditions))
    return int(result.rowcount)


def has_row(tx: Tx, *conditions: ColumnElement[bool]) -> bool:
    """Whether a row of the table that the conditions are about matches them all."""
    return tx.session.scalar(select(literal(1)).where(*conditions).limit(1)) is not None


def count_rows(tx: Tx, *conditions: ColumnElement[bool]) -> int:
    """How many rows of the table that the conditions are about match them all."""
    return tx.session.scalar(select(func.count()).where(*conditions)) or 0


def one_as(tx: Tx, make: Callable[..., T], statement: Select[*tuple[Any, ...]]) -> T | None:
    """The only row of a query, its columns passed to `make`; `None` when there is no row."""
    found = tx.session.execute(statement).one_or_none()
    return make(*found) if found is not None else None


def refresh_statistics(tx: Tx, table: type[Base]) -> None:
    """Let PostgreSQL see now what was written to a table, instead of about a minute later: until then it takes the table
    for nearly empty, and may read all of it to find one row. SQLite chooses indexes without statistics."""
    if tx.is_postgresql:
        # Whoever holds the lock refreshes them just now.
        tx.session.execute(text(f"ANALYZE (SKIP_LOCKED) {table.__tablename__}"))
