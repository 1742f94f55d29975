"""A database and its transactions: `write()` for units of work, `read()` for looks. One way in on both engines.

SQLite: WAL, foreign keys on, a busy timeout, and writers that say so at BEGIN, so that no transaction fails half way for
want of the write lock. Commits survive a power cut, unless the address ends in `?synchronous=normal`: that is faster and
survives killed processes only, for demos and tests. PostgreSQL: read committed for writers, where what must not race is
decided by unique indexes and compare-and-set; looks are repeatable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError  # the pool's, when all connections are in use
from sqlalchemy.orm import Session, sessionmaker
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from config.sources import Sources

SQLITE_BUSY_SECONDS = 30.0
#: What a database raises that is away, restarting or too busy: waiting helps. Whatever else it raises is our mistake.
DATABASE_AWAY = (OperationalError, InterfaceError, TimeoutError)

#: PostgreSQL's code for the one of two transactions waiting for each other that it ended.
_DEADLOCK = "40P01"
DEADLOCK_TRIES = 4

#: No transaction of ours waits for anything but the database, so one that idles is of a process that was stopped or cut
#: off. PostgreSQL ends it before a lease runs out: its locks would hold up the relay, and so everybody.
IDLE_SECONDS = 8
_STUCK = f"-c idle_in_transaction_session_timeout={IDLE_SECONDS}s"
#: Its code for a transaction that it ended so.
_IDLED = "25P03"


#: All our writes are statements: nothing waits in the session to be flushed, what is read is what the database has now, and
#: no statement looks for loaded rows to bring in line.
_SESSION: dict[str, Any] = {
    "autoflush": False,
    "expire_on_commit": False,
    "execution_options": {"populate_existing": True, "synchronize_session": False},
}

P = ParamSpec("P")
R = TypeVar("R")


def retry_on_deadlock(function: Callable[P, R]) -> Callable[P, R]:
    """For what is one transaction from beginning to end: whoever loses a deadlock has changed nothing, and begins again."""

    @wraps(function)
    def again(*args: P.args, **named: P.kwargs) -> R:
        tries = Retrying(
            retry=retry_if_exception(_is_deadlock),
            stop=stop_after_attempt(DEADLOCK_TRIES),
            wait=wait_random_exponential(multiplier=0.05, max=1.0),
            reraise=True,
        )
        return tries(function, *args, **named)

    return again


def _is_deadlock(error: BaseException) -> bool:
    return isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", None) == _DEADLOCK


class Tx:
    """One transaction: the session statements run on, and the sources that rows' ids come from."""

    def __init__(self, session: Session, sources: Sources) -> None:
        self.session = session
        self.sources = sources

    def new_id(self) -> UUID:
        return self.sources.new_id()


class Database:
    """The record's database, shared by a process's threads.

    Args:
        url: `sqlite:///path` (its folder is made) or `postgresql+psycopg://…`; `postgresql://` is mended.
        sources: clock and randomness for ids.
        pool_size: connections kept; a worker wants one per thread and two more.
    """

    def __init__(self, url: str, sources: Sources | None = None, *, pool_size: int = 10) -> None:
        self.sources = sources or Sources()
        self.engine = _make_engine(url, pool_size)
        self._sessions = sessionmaker(self.engine, **_SESSION)
        self._readers = sessionmaker(_for_looks(self.engine), **_SESSION)

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """A unit of work: commits at the end, rolls back on any exception."""
        with self._sessions.begin() as session:
            yield Tx(session, self.sources)

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A look at the record, in one snapshot; nothing is written."""
        with self._readers() as session:
            yield Tx(session, self.sources)

    def close(self) -> None:
        self.engine.dispose()


def _for_looks(engine: Engine) -> Engine:
    if engine.dialect.name == "sqlite":
        return engine.execution_options(portal_read_only=True)
    return engine.execution_options(isolation_level="REPEATABLE READ")


def _make_engine(url: str, pool_size: int) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(url, pool_size)
    if parsed.get_backend_name() != "postgresql":
        raise ValueError(f"DATABASE_URL: {parsed.get_backend_name()} is not supported; use sqlite or postgresql")
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=10,
        connect_args={"options": f"-c timezone=UTC {_STUCK}", "connect_timeout": 5},
    )

    @event.listens_for(engine, "handle_error")
    def _idled(context: ExceptionContext) -> OperationalError | None:
        """The driver calls it our mistake, which a job would die of. It is that of a machine too busy for us."""
        error = context.original_exception
        if getattr(error, "sqlstate", None) != _IDLED:
            return None
        return OperationalError(context.statement, None, error, connection_invalidated=context.is_disconnect)

    return engine


def _sqlite_engine(url: str, pool_size: int) -> Engine:
    parsed = make_url(url)
    synchronous = str(parsed.query.get("synchronous", "full")).lower()
    if synchronous not in ("full", "normal"):
        raise ValueError("DATABASE_URL: synchronous is full or normal")
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        parsed.difference_update_query(["synchronous"]),
        pool_size=pool_size,
        max_overflow=10,
        connect_args={"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions behind our back
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", f"synchronous={synchronous}"):
            connection.execute(f"PRAGMA {pragma}")
        connection.create_function("lower", 1, _lower, deterministic=True)  # SQLite's own knows the letters a to z only

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("portal_read_only", False)
        connection.exec_driver_sql("BEGIN DEFERRED" if reading else "BEGIN IMMEDIATE")

    return engine


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value
