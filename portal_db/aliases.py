"""Aliases of tables in statements, which threads can share."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import FromClause, inspect
from sqlalchemy.orm import aliased  # noqa: TID251 -- this is the one place

from portal_db.tables import Base

R = TypeVar("R", bound=Base)


def alias_of(table: type[R], rows: FromClause | None = None, *, name: str | None = None) -> type[R]:
    """An alias of a table, or of some of its rows, that is ready before a second thread can use it.

    SQLAlchemy finds an alias's columns by an index, which the first search fills. To another thread that searches meanwhile
    what is not there yet is not the alias's: the statement gets the table's own column, and keeps it until the process ends.
    In the fault matrix a worker's claims failed so (SQLAlchemy 2.1.9; its issue 12302 tells of the like).
    """
    alias = aliased(table, rows, name=name)
    own = next(iter(table.__table__.c))
    inspect(alias).selectable.corresponding_column(own)  # fills the index
    return alias
