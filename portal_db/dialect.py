"""The one statement both engines spell alike but SQLAlchemy does not: INSERT … ON CONFLICT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.dialects import postgresql, sqlite

from portal_db.database import Tx
from portal_db.tables import Base


def upsert(tx: Tx, table: type[Base], row: dict[str, Any] | None = None) -> Any:
    """An INSERT that takes `.on_conflict_do_nothing()` or `.on_conflict_do_update()`.

    Args:
        row: what to insert, SQL expressions included. Without it the statement is executed with a list of rows: put into
            the statement, they would have it compiled anew each time.
    """
    dialect = sqlite if tx.session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table.__table__)
    return statement.values(row) if row is not None else statement


def insert_or_ignore(tx: Tx, table: type[Base], row: dict[str, Any]) -> Any:
    """An INSERT that a unique index may refuse: the index decides, nobody looks first."""
    return upsert(tx, table, row).on_conflict_do_nothing()


def insert_new(tx: Tx, table: type[Base], rows: Sequence[dict[str, Any]], **same: Any) -> set[UUID]:
    """Insert rows of the same columns in their order, by one statement; those that a unique index refuses are left out.

    Args:
        same: SQL expressions for columns that the rows do not name.

    Returns:
        Ids of the rows that were inserted.
    """
    if not rows:
        return set()
    columns = table.__table__.c
    statement = upsert(tx, table).values(**same).on_conflict_do_nothing().returning(columns.id)
    return set(tx.session.scalars(statement, rows))
