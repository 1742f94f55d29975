"""The one statement both engines spell alike but SQLAlchemy does not: INSERT … ON CONFLICT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite

from portal_db.database import Tx
from portal_db.tables import Base


def upsert(tx: Tx, table: type[Base], rows: Sequence[dict[str, Any]]) -> Any:
    """An INSERT of `rows` that takes `.on_conflict_do_nothing()` or `.on_conflict_do_update()`."""
    dialect = sqlite if tx.session.get_bind().dialect.name == "sqlite" else postgresql
    # One row is given as a row: a list of rows, even of one, would be compiled anew each time.
    values: Any = rows[0] if len(rows) == 1 else list(rows)
    return dialect.insert(table).values(values).execution_options(synchronize_session=False)


def insert_or_ignore(tx: Tx, table: type[Base], rows: Sequence[dict[str, Any]]) -> Any:
    """An INSERT that leaves out every row a unique index refuses: the index decides, nobody looks first."""
    return upsert(tx, table, rows).on_conflict_do_nothing()
