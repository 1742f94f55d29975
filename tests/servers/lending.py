"""One PostgreSQL database with the record's tables, lent to test after test and emptied in between.

To make and drop one costs a third of a second of processor time, for its three hundred files; to empty one, a twentieth.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from portal_db.tables import Base
from tests.servers.postgres import PostgresServer, connection_to, create_database, drop_database

_CUT_OFF = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s"
_EMPTY = "; ".join(f'DELETE FROM "{table.name}"' for table in reversed(Base.metadata.sorted_tables))  # noqa: S608 -- our own names

#: Differs once anything about the tables was changed: PostgreSQL writes a catalog's row anew with each change.
_SHAPE = " UNION ALL ".join(
    f"SELECT count(*), sum(xmin::text::bigint)::text FROM {catalog}"  # noqa: S608 -- names of catalogs
    for catalog in ("pg_attribute", "pg_constraint", "pg_index", "pg_trigger", "alembic_version")
)


@dataclass
class Lender:
    """Lends copies of a template, in the first place the one that came back last.

    Each time a database has a new name, and whoever was connected is cut off: what an earlier test left running cannot
    write into a later one. A test that changed the tables gets its database dropped.
    """

    server: PostgresServer
    template: str
    _free: str | None = None
    _shapes: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def lend(self) -> Iterator[str]:
        """The URL of an empty database, for as long as the block runs."""
        name, self._free = self._free or self._new(), None
        try:
            yield self.server.url.set(database=name).render_as_string(hide_password=False)
        finally:
            self._take_back(name)

    def close(self) -> None:
        """Drop what is not lent out."""
        if self._free is not None:
            drop_database(self.server, self._free)
            self._free = None

    def _new(self) -> str:
        name = create_database(self.server, self.template)
        with connection_to(self.server, name) as connection:
            self._shapes[name] = _shape(connection)
            assert _rows(connection) == 0, "the migrations insert rows, which emptying would lose"
        return name

    def _take_back(self, name: str) -> None:
        shape = self._shapes.pop(name)
        renamed = self._renamed(name)
        with connection_to(self.server, renamed) as connection:
            is_as_made = _shape(connection) == shape
            if is_as_made and self._free is None:
                connection.execute(_EMPTY)
                self._free, self._shapes[renamed] = renamed, shape
        if self._free != renamed:
            drop_database(self.server, renamed)

    def _renamed(self, name: str) -> str:
        renamed = f"test_{secrets.token_hex(6)}"
        old, new = sql.Identifier(name), sql.Identifier(renamed)
        with connection_to(self.server) as connection:
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(old))
            connection.execute(_CUT_OFF, [name])
            connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(old, new))
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(new))
        return renamed


def _shape(connection: psycopg.Connection[Any]) -> list[Any]:
    return connection.execute(_SHAPE).fetchall()


def _rows(connection: psycopg.Connection[Any]) -> int:
    """How many rows there are in all of the record's tables."""
    counts = " + ".join(f'(SELECT count(*) FROM "{table.name}")' for table in Base.metadata.sorted_tables)  # noqa: S608 -- our own names
    found = connection.execute(f"SELECT {counts}").fetchone()
    assert found is not None
    return int(found[0])
