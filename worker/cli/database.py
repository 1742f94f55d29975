"""Opens the database for a command: settings, the right revision, and messages for what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

import redis
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError

from config.exposure import require_safe
from config.logging import set_up_logging
from config.settings import Settings
from config.sources import Sources
from portal_db.database import DATABASE_AWAY, Database
from portal_db.migrate import Standing, standing
from portal_db.states import Lane
from worker.cli.exits import ExitCode, Problem
from worker.cli.output import clean, note
from worker.health import record as health
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
        SettingsError: a setting is invalid, or exposes something to others.
        Problem: the database cannot be used, or (with `migrated`) is not at this version's revision.
    """
    settings = Settings.load()
    require_safe(settings)
    set_up_logging(settings.model_copy(update={"log_level": "error"}))
    database = database_of(settings)
    try:
        with _explain_database_errors(settings):
            if migrated:
                _require_revision(database)
            yield Record(settings, database)
    finally:
        database.close()


def database_of(settings: Settings) -> Database:
    """The database of DATABASE_URL, not connected yet.

    Raises:
        Problem: DATABASE_URL is invalid.
    """
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
        raise DatabaseAway(_words(settings, clean(health.reason_of(error))), ExitCode.UNAVAILABLE) from None
    except DatabaseError as error:
        if type(error) is not DatabaseError:
            raise
        raise _unusable(settings, clean(health.reason_of(error))) from None  # SQLite: the file is not a database


def _require_revision(database: Database) -> None:
    found = standing(database)
    if not found.fits:
        raise misfit(found)


def misfit(found: Standing) -> Problem:
    """Why this version cannot work with the database, and what to do."""
    return Problem(": ".join(health.misfit(found)) + ".", ExitCode.UNAVAILABLE)


def _unusable(settings: Settings, reason: str) -> Problem:
    return Problem(_words(settings, reason), ExitCode.UNAVAILABLE)


def _words(settings: Settings, reason: str) -> str:
    where = make_url(settings.database_url).render_as_string(hide_password=True)
    return f"The database {where} cannot be used: {reason}. Check DATABASE_URL."


class BestEffortBell:
    """A bell for commands: if Redis is unavailable, they say so and continue, because the work is in the database."""

    def __init__(self, settings: Settings) -> None:
        self._bell = RedisBell(redis_of(settings), settings.redis_namespace, Sources())

    def ring(self, lane: Lane, job_ids: Sequence[UUID]) -> None:
        try:
            self._bell.ring_or_raise(lane, job_ids)
        except redis.RedisError:
            note("Redis does not answer. The import is recorded and starts once Redis is back.")

    def wake_relay(self) -> None:
        with suppress(redis.RedisError):  # the relay looks within a second anyway
            self._bell.wake_relay_or_raise()


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
