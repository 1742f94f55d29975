"""Counts the statements that a deployment's processes send to PostgreSQL, from the server's own log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg
from sqlalchemy import make_url

from portal_db.states import OPEN_IMPORT_STATES
from tests.servers.postgres import PostgresServer, connection_to

Watcher = psycopg.Connection[tuple[object, ...]]
"""A connection to look through while others are measured: its looks cost little, and do not count."""

_LOGGED = re.compile(r"LOG:  (?:statement|execute [^:]*): (?!BEGIN|COMMIT|ROLLBACK)")


@dataclass
class Statements:
    """How many there were; every row of an executemany is one. `watcher`: a connection whose statements do not count."""

    watcher: Watcher
    count: int = 0

    def open_imports(self, import_ids: list[UUID]) -> int:
        return open_imports(self.watcher, import_ids)


def open_imports(watcher: Watcher, import_ids: list[UUID]) -> int:
    """How many of these imports are not closed yet."""
    states = [state.value for state in OPEN_IMPORT_STATES]
    found = watcher.execute(
        "SELECT count(*) FROM imports WHERE id = ANY(%s) AND state = ANY(%s)", (import_ids, states)
    ).fetchone()
    assert found is not None
    return int(str(found[0]))


@contextmanager
def counted(server: PostgresServer, database_url: str) -> Iterator[Statements]:
    """Count everybody's statements while the block runs, those that begin and end transactions left out."""
    with connection_to(server, make_url(database_url).database) as watcher:
        watcher.execute("SET log_statement = 'none'")
        _log(watcher, "all")
        before = len(_LOGGED.findall(server.log()))
        found = Statements(watcher)
        try:
            yield found
        finally:
            _log(watcher, "none")
        found.count = len(_LOGGED.findall(server.log())) - before


def _log(connection: Watcher, which: str) -> None:
    connection.execute(f"ALTER SYSTEM SET log_statement = '{which}'")
    connection.execute("SELECT pg_reload_conf()")
