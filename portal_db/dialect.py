"""Statements that the rest of the record is built from: inserts that may conflict, updates and deletes that report how many
rows they matched, and small look-ups. They work alike on SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, literal, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from portal_db.database import Tx
from portal_db.tables import Base

T = TypeVar("T")


def upsert(tx: Tx, table: type[Base], row: dict[str, Any] | None = None) -> Any:
    """An INSERT that takes `.on_conflict_do_nothing()` or `.on_conflict_do_update()`.

    Args:
        row: what to insert, SQL expressions included. Without it the statement is executed with a list of rows; rows
            inside the statement would make it compile again each time.
    """
    dialect = sqlite if tx.session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table.__table__)
    return statement.values(row) if row is not None else statement


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


def insert_new(tx: Tx, table: type[Base], rows: Sequence[dict[str, Any]], **same: Any) -> set[UUID]:
    """Insert rows that have the same columns, in order, by one statement. Rows that a unique index refuses are left out.

    Args:
        same: SQL expressions for columns that the rows do not name.

    Returns:
        Ids of the inserted rows.
    """
    if not rows:
        return set()
    columns = table.__table__.c
    statement = upsert(tx, table).values(**same).on_conflict_do_nothing().returning(columns.id)
    return set(tx.session.scalars(statement, rows))


def update_rows(tx: Tx, table: type[Base], *conditions: ColumnElement[bool], **values: Any) -> int:
    """Update the rows that match and return how many did: 0 from a compare-and-set means that somebody else was first."""
    result: Any = tx.session.execute(update(table).where(*conditions).values(**values))
    return int(result.rowcount)


def update_each(tx: Tx, table: type[Base], rows: Mapping[UUID, Mapping[str, Any]], **same: Any) -> None:
    """Write values to rows by their ids: one statement for all, and one round trip. All rows name the same columns.

    Args:
        same: SQL expressions for columns that get the same value in every row.
    """
    if not rows:
        return
    columns = table.__table__.c
    names = tuple(next(iter(rows.values())))
    values = {name: bindparam(f"new_{name}", type_=columns[name].type) for name in names}
    statement = update(table.__table__).where(columns.id == bindparam("row_id")).values(**values, **same)  # type: ignore[arg-type]  # it is a table
    binds = [{"row_id": row_id, **{f"new_{name}": row[name] for name in names}} for row_id, row in rows.items()]
    tx.session.connection().execute(statement, binds if len(binds) > 1 else binds[0])


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
    if tx.session.get_bind().dialect.name == "postgresql":
        # Whoever holds the lock refreshes them just now.
        tx.session.execute(text(f"ANALYZE (SKIP_LOCKED) {table.__tablename__}"))
