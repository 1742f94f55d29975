"""Migrating a database to the newest revision, and reading which revision it is at and who may work with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from portal_db.database import Database, sqlstate_of
from portal_db.tables import Base, BreakingRevision

_SCRIPTS = Path(__file__).parent / "migrations"

#: How long a migration waits for a lock before it rolls back, and how often it tries. Other work queues up behind a
#: migration that waits, and proceeds between two tries.
LOCK_SECONDS = 10
LOCK_TRIES = 6
#: PostgreSQL's codes for a lock timeout and for a deadlock.
_NO_LOCK = ("55P03", "40P01")


#: PostgreSQL's code for a role that lacks a right.
_NOT_ALLOWED = "42501"


@dataclass(frozen=True)
class Standing:
    """A database and this release: the database's revision (`None` for an empty database), the newest that this release
    knows, and the first beyond it that took away what this release uses."""

    current: str | None
    newest: str
    broken_by: str | None = None

    @property
    def is_newer(self) -> bool:
        """A newer release has migrated the database."""
        return self.current is not None and self.current.isdigit() and self.current > self.newest

    @property
    def fits(self) -> bool:
        """Whether this release works with the database. A newer revision only adds to what this release uses, so that a
        deploy needs no stop; unless its migration says otherwise."""
        return self.current == self.newest or (self.is_newer and self.broken_by is None)


class TooNew(Exception):
    """A newer release has migrated the database in a way that this one cannot work with."""


class TablesInUse(Exception):
    """Another transaction locked a table for too long; nothing was changed."""


class WrongEncoding(Exception):
    """The database cannot hold every name: it was created with this encoding, which cannot be changed."""


class NotAllowed(Exception):
    """The role may not create tables in the schema; nothing was changed."""


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    return config


def upgrade(database: Database) -> tuple[str | None, str]:
    """Run every migration the database has not seen, in one transaction.

    Of two that run at once, one migrates. The other waits (SQLite), or fails on what the first has created, rolls back and
    checks again (PostgreSQL).

    Returns:
        The revision before (`None` for an empty database) and the revision now: that of a newer release, which stays, if
        this one can work with it.

    Raises:
        WrongEncoding: an empty PostgreSQL database that is not in UTF8.
        NotAllowed: the role may not create tables.
        TablesInUse: another transaction locked a table for too long; nothing was changed.
        TooNew: a newer release has migrated the database, and this one cannot work with it.
        alembic.util.CommandError: the database is at a revision that this version does not know.
    """
    lock_tries = 0
    while True:
        found = standing(database)
        before = found.current
        if before is not None and found.fits:
            return before, before
        if found.is_newer:
            raise TooNew
        if before is None:
            _require_utf8(database)
        try:
            return _upgrade(database)
        except (DBAPIError, CommandError) as error:
            if standing(database).current != before:
                continue
            state = sqlstate_of(error)
            if state == _NOT_ALLOWED:
                raise NotAllowed from error
            if state not in _NO_LOCK:
                raise
            lock_tries += 1
            if lock_tries >= LOCK_TRIES:
                raise TablesInUse from error


def _require_utf8(database: Database) -> None:
    with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
            if encoding != "UTF8":
                raise WrongEncoding(encoding)


def _upgrade(database: Database) -> tuple[str | None, str]:
    with database.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        before = MigrationContext.configure(connection).get_current_revision()
        command.upgrade(_config(connection), "head")
        return before, newest_revision()


def standing(database: Database) -> Standing:
    """How the database and this release stand to each other; nothing is changed."""
    with database.engine.connect().execution_options(portal_read_only=True) as connection:
        found = Standing(MigrationContext.configure(connection).get_current_revision(), newest_revision())
        if not found.is_newer:
            return found
        breaking = select(func.min(BreakingRevision.revision)).where(BreakingRevision.revision > found.newest)
        return replace(found, broken_by=connection.scalar(breaking))


@cache
def newest_revision() -> str:
    """The revision that matches this version's tables."""
    head = ScriptDirectory(str(_SCRIPTS)).get_current_head()
    assert head is not None, "the package holds no migration"  # noqa: S101 -- a broken package, not a runtime state
    return head


def differences(database: Database) -> list[object]:
    """How the tables in the code differ from the database's; empty when every change has its migration."""
    with database.engine.connect() as connection:
        return list(
            compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata)
        )
