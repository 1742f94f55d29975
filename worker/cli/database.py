"""Opens the database for a command: settings, the right revision, and messages for what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import redis
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, SQLAlchemyError

from config.logging import set_up_logging
from config.settings import Settings
from config.sources import Sources
from portal_db.database import DATABASE_AWAY, Database
from portal_db.migrate import Standing, standing
from portal_db.states import Lane
from worker.cli.exits import ExitCode, Problem
from worker.cli.output import clean, note
from worker.queue.bell import RedisBell, connect


class DatabaseAway(Problem):
    """The database cannot be reached, or takes no writes: an outage, which passes."""


@dataclass(frozen=True)
class Record:
    """The open database of a command; migrated, unless the command asked otherwise."""

    settings: Settings
    database: Database


@contextmanager
def open_record(*, migrated: bool = True) -> Iterator[Record]:
    """Read the settings and open their database.

    Raises:
        SettingsError: a setting is invalid.
        Problem: the database cannot be used, or (with `migrated`) is not at this version's revision.
    """
    settings = Settings.load()
    set_up_logging(settings.model_copy(update={"log_level": "error"}))
    database = _database(settings)
    try:
        with _explain_database_errors(settings):
            if migrated:
                _require_revision(database)
            yield Record(settings, database)
    finally:
        database.close()


def _database(settings: Settings) -> Database:
    try:
        return Database(settings.database_url)
    except ArgumentError:
        raise Problem(
            "DATABASE_URL does not fit: it must look like sqlite:///path or postgresql://user@host/name.",
            ExitCode.MISUSED,
        ) from None
    except ValueError as error:
        raise Problem(f"{error}.", ExitCode.MISUSED) from None
    except OSError as error:
        raise _unusable(settings, error.strerror or "its folder cannot be created") from None


@contextmanager
def _explain_database_errors(settings: Settings) -> Iterator[None]:
    """Turn errors that mean the database is unavailable into messages. Any other error is a bug and passes through."""
    try:
        yield
    except DATABASE_AWAY as error:
        raise DatabaseAway(_words(settings, _reason(error)), ExitCode.UNAVAILABLE) from None
    except DatabaseError as error:
        if type(error) is not DatabaseError:
            raise
        raise _unusable(settings, _reason(error)) from None  # SQLite: the file is not a database


def _require_revision(database: Database) -> None:
    found = standing(database)
    if not found.fits:
        raise Problem(misfit(found), ExitCode.UNAVAILABLE)


def misfit(found: Standing) -> str:
    """Why this version cannot work with the database, and what to do."""
    if found.current is None:
        return "The database has no tables yet: run `portal-sync db upgrade`."
    if found.is_newer:
        return (
            f"A newer version has migrated the database to revision {found.current}, and versions older than revision"
            f" {found.broken_by} cannot work with it; this one is at {found.newest}. Start the newer version."
        )
    return (
        f"The database is at revision {found.current} and this version needs {found.newest}: run `portal-sync db upgrade`,"
        " or use the version of portal-sync that matches."
    )


def _unusable(settings: Settings, reason: str) -> Problem:
    return Problem(_words(settings, reason), ExitCode.UNAVAILABLE)


def _words(settings: Settings, reason: str) -> str:
    where = make_url(settings.database_url).render_as_string(hide_password=True)
    return f"The database {where} cannot be used: {reason}. Check DATABASE_URL."


def _reason(error: SQLAlchemyError) -> str:
    """The first line of the driver's message."""
    words = str(error.orig if isinstance(error, DBAPIError) and error.orig else error).strip()
    return clean(words.splitlines()[0])[:200].rstrip(".") if words else type(error).__name__


class BestEffortBell:
    """A bell for commands: if Redis is unavailable, they say so and continue, because the work is in the database."""

    def __init__(self, settings: Settings) -> None:
        self._bell = RedisBell(redis_of(settings), settings.redis_namespace, Sources())

    def ring(self, lane: Lane, job_ids: Sequence[UUID]) -> None:
        try:
            self._bell.ring_or_raise(lane, job_ids)
        except redis.RedisError:
            note("Redis does not answer. The import is recorded and starts once Redis is back.")


def redis_of(settings: Settings) -> redis.Redis:
    """A client for REDIS_URL, not connected yet.

    Raises:
        Problem: REDIS_URL is invalid.
    """
    try:
        return connect(settings)
    except ValueError:
        raise Problem(
            "REDIS_URL does not fit: it must look like redis://host:6379/0 or rediss://host:6379/0.", ExitCode.MISUSED
        ) from None
