"""Brings a database to the newest revision, and says whether it is there."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from portal_db.database import Database
from portal_db.tables import Base

_SCRIPTS = Path(__file__).parent / "migrations"

#: A migration that cannot have a lock by then lets go of all it has and begins again, so often: work queues up behind one
#: that waits, and gets through in between.
LOCK_SECONDS = 10
LOCK_TRIES = 6
#: PostgreSQL's codes for no lock in time, and for a deadlock.
_NO_LOCK = ("55P03", "40P01")


class TablesInUse(Exception):
    """Some transaction held a table for too long; nothing was changed."""


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    return config


def upgrade(database: Database) -> tuple[str | None, str]:
    """Run every migration the database has not seen, in one transaction.

    Of two at once, one does it: the other waits (SQLite), or trips over what the first has made, rolls back and looks
    again (PostgreSQL).

    Returns:
        The revision it was at (`None` for an empty database) and the one it is at now.

    Raises:
        TablesInUse: some transaction held a table for too long; nothing was changed.
        alembic.util.CommandError: the database is at a revision that this version does not know.
    """
    lock_tries = 0
    while True:
        before, newest = revisions(database)
        if before == newest:
            return before, newest
        try:
            return _upgrade(database)
        except (DBAPIError, CommandError) as error:
            if revisions(database)[0] != before:
                continue
            if getattr(getattr(error, "orig", None), "sqlstate", None) not in _NO_LOCK:
                raise
            lock_tries += 1
            if lock_tries >= LOCK_TRIES:
                raise TablesInUse from error


def _upgrade(database: Database) -> tuple[str | None, str]:
    with database.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        before = MigrationContext.configure(connection).get_current_revision()
        command.upgrade(_config(connection), "head")
        return before, newest_revision()


def revisions(database: Database) -> tuple[str | None, str]:
    """The revision the database is at (`None` for an empty database) and the newest one, without changing anything."""
    with database.engine.connect().execution_options(portal_read_only=True) as connection:
        return MigrationContext.configure(connection).get_current_revision(), newest_revision()


@cache
def newest_revision() -> str:
    """The revision that this version's tables have."""
    head = ScriptDirectory(str(_SCRIPTS)).get_current_head()
    assert head is not None, "the package holds no migration"  # noqa: S101 -- a broken package, not a runtime state
    return head


def differences(database: Database) -> list[object]:
    """How the tables in the code differ from those in the database; empty when a migration was written for each change."""
    with database.engine.connect() as connection:
        return list(
            compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata)
        )
