"""A database and its transactions: `write()` for units of work, `single()` for those of one statement, `read()` for reading,
`glance()` for reading without a transaction. The same on both engines.

SQLite: WAL, foreign keys on, a busy timeout, and writers that take the write lock at BEGIN, so that none fails half way
because it cannot get it. Commits survive a power cut, unless the address ends in `?synchronous=normal`: that is faster
but survives only killed processes, for demos and tests. PostgreSQL: read committed for writers, with unique indexes and
compare-and-set deciding races; repeatable read for readers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import (  # TimeoutError: all pooled connections are in use
    InterfaceError,
    OperationalError,
    TimeoutError,
)
from sqlalchemy.orm import Session, sessionmaker
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from config.sources import Sources
from portal_db import driver
from portal_db.pooler import TransactionSettings, keeps_settings

SQLITE_BUSY_SECONDS = 30.0
#: Errors of a database that is down, restarting, failed over or too busy: waiting helps. Any other database error is a bug
#: of ours. Where the driver's class says otherwise, the SQLSTATE decides (`_judge_by_sqlstate`).
DATABASE_AWAY = (OperationalError, InterfaceError, TimeoutError)

#: PostgreSQL's code for a transaction that it ended because of a deadlock.
_DEADLOCK = "40P01"
#: PostgreSQL's code for a lock that was not free in time.
_LOCKED = "55P03"
DEADLOCK_TRIES = 4

#: Our transactions wait for nothing but the database, so an idle one belongs to a process that was stopped or lost its
#: network. PostgreSQL ends it before a lease runs out: its locks would block the relay, and so every practice.
IDLE_SECONDS = 8
#: No statement waits longer for a lock. A stopped process has several transactions: one that holds a lock, and others that
#: wait for it. Without this limit each of them would get the lock in turn, and hold it for IDLE_SECONDS more.
LOCK_SECONDS = 5
_SETTINGS = {
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
    "lock_timeout": f"{LOCK_SECONDS}s",
    # Our statements read few rows. In a large database PostgreSQL takes some for so costly that it compiles them first:
    # beside a million finished jobs a look of the relay took 0.57 seconds instead of 0.04.
    "jit": "off",
    # A commit that a crash takes back would have an email sent twice (invariant 3), whatever the server's own setting is.
    "synchronous_commit": "on",
}
#: PostgreSQL takes a table that it has not analysed yet for ten pages, reads all of them for fifty rows, and a connection
#: keeps that plan while the table grows: in a new practice's first batch each set read all clients before it. And it makes
#: a plan anew each time for a list of ids with one in it, since one is cheaper than the ten that it expects: a fifth of its
#: work for an import. So such a statement writes out what a partial index needs.
_BY_INDEX = {"enable_seqscan": "off", "plan_cache_mode": "force_generic_plan"}
#: A host that falls silent closes no connection, and without these a process would wait for it for two hours. After 5 s
#: without a word the system asks the host every 3 s, and gives it up after three questions; or when nothing that was sent is
#: confirmed for 10,000 ms. A server that is merely busy is not given up: its system answers.
_SILENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
#: PostgreSQL's code for a transaction that it ended because it was idle.
_IDLED = "25P03"
#: PostgreSQL's code for a write to a server that takes none: a stand-by, a primary that was demoted, or one set read-only.
_READ_ONLY = "25006"

#: All writes are statements: the session has nothing to flush, reads return what the database has now, and statements do not
#: synchronise loaded rows.
_SESSION: dict[str, Any] = {
    "autoflush": False,
    "expire_on_commit": False,
    "execution_options": {"populate_existing": True, "synchronize_session": False},
}

P = ParamSpec("P")
R = TypeVar("R")


def retry_on_deadlock(function: Callable[P, R]) -> Callable[P, R]:
    """Repeat a function that is one transaction from beginning to end when PostgreSQL ends it because of a deadlock, or of a
    lock that was not free in time."""

    @wraps(function)
    def retried(*args: P.args, **named: P.kwargs) -> R:
        tries = Retrying(
            retry=retry_if_exception(_is_lock_conflict),
            stop=stop_after_attempt(DEADLOCK_TRIES),
            wait=wait_random_exponential(multiplier=0.05, max=1.0),
            reraise=True,
        )
        return tries(function, *args, **named)

    return retried


def _is_lock_conflict(error: BaseException) -> bool:
    return isinstance(error, OperationalError) and sqlstate_of(error) in (_DEADLOCK, _LOCKED)


def sqlstate_of(error: BaseException) -> str | None:
    """PostgreSQL's code for an error of a statement; `None` for any other error."""
    return getattr(getattr(error, "orig", None), "sqlstate", None)


class Tx:
    """One transaction: the session that statements run on, and the sources that row ids come from."""

    def __init__(self, session: Session, sources: Sources) -> None:
        self._session = session
        self._connection: Connection | None = None
        self.sources = sources
        #: `postgresql` or `sqlite`.
        self.dialect = session.get_bind().dialect.name
        #: The statements that `bulk` holds back, a `bulk.Waiting`.
        self.waiting: Any = None

    @property
    def session(self) -> Session:
        """To execute a statement on, after those that wait."""
        self.send_waiting()
        return self._session

    @property
    def connection(self) -> Connection:
        """To execute a statement on that returns no rows of a table's class, after those that wait."""
        self.send_waiting()
        if self._connection is None:
            self._connection = self._session.connection()
        return self._connection

    def send_waiting(self) -> None:
        if self.waiting is not None:
            self.waiting.send()

    @property
    def is_postgresql(self) -> bool:
        return self.dialect == "postgresql"

    def new_id(self) -> UUID:
        return self.sources.new_id()

    def after_commit(self, act: Callable[[], object]) -> None:
        """Call this once the transaction is committed; not at all if it rolls back."""
        event.listen(self._session, "after_commit", lambda _: act(), once=True)

    def get(self, table: type[R], key: Any) -> R | None:
        """The row with this primary key as the database has it now; `Session.get` may return it as it was read earlier."""
        return self.session.get(table, key, populate_existing=True)


class Database:
    """The record's database, shared by a process's threads.

    Args:
        url: `sqlite:///path` (created for its owner alone) or `postgresql://…`, with or without `+psycopg`.
        sources: clock and randomness for ids.
        pool_size: connections kept open; a worker needs one per thread and two more.
        by_index: whether its statements read few rows each, which indexes lead to.
    """

    def __init__(
        self, url: str, sources: Sources | None = None, *, pool_size: int = 10, by_index: bool = False
    ) -> None:
        self.sources = sources or Sources()
        self.engine = _make_engine(url, pool_size, _SETTINGS | _BY_INDEX if by_index else _SETTINGS)
        self._sessions = sessionmaker(self.engine, **_SESSION)
        self._readers = sessionmaker(_for_reading(self.engine), **_SESSION)
        self._glances = sessionmaker(_for_glances(self.engine), **_SESSION)

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """A unit of work: commits at the end, rolls back on any exception."""
        with self._sessions.begin() as session:
            tx = Tx(session, self.sources)
            yield tx
            tx.send_waiting()

    @contextmanager
    def single(self) -> Iterator[Tx]:
        """A unit of work of one statement. PostgreSQL commits it by itself: of three round trips two are saved. Where only a
        transaction can say how to commit, it is one."""
        if self.is_postgresql:
            with self._glances() as session:
                if keeps_settings(session.connection()):
                    yield Tx(session, self.sources)
                    return
        with self.write() as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A read-only transaction that sees one snapshot of the record."""
        with self._readers() as session:
            yield Tx(session, self.sources)
            session.commit()  # after a ROLLBACK the driver drops the statements that it has prepared

    @contextmanager
    def glance(self) -> Iterator[Tx]:
        """Reading by statements each of which sees a moment of its own. PostgreSQL need not be told that a transaction
        begins and ends: of three round trips for one statement, two are saved."""
        with self._glances() as session:
            yield Tx(session, self.sources)

    @contextmanager
    def rehearsal(self) -> Iterator[Database]:
        """A database whose units of work are all part of one transaction, which is rolled back: nothing of them remains, and
        nobody else sees them. For one thread."""
        with self._sessions() as session:
            yield _Rehearsal(self, session)

    @property
    def is_postgresql(self) -> bool:
        return self.engine.dialect.name == "postgresql"

    def open_connections(self, count: int) -> None:
        """Open so many connections before they are needed: the first of many jobs would open them all at the same moment.
        A database that is away is left to who needs it."""
        with suppress(*DATABASE_AWAY), ExitStack() as opened:
            for _ in range(count):
                opened.enter_context(self.engine.connect())

    def close(self) -> None:
        self.engine.dispose()


class _Rehearsal(Database):
    def __init__(self, database: Database, session: Session) -> None:
        self.sources, self.engine = database.sources, database.engine
        self._session = session

    @contextmanager
    def write(self) -> Iterator[Tx]:
        tx = Tx(self._session, self.sources)
        yield tx
        tx.send_waiting()

    single = read = glance = write


def _for_reading(engine: Engine) -> Engine:
    reading = engine.execution_options(portal_read_only=True)
    return reading if engine.dialect.name == "sqlite" else reading.execution_options(isolation_level="REPEATABLE READ")


def _for_glances(engine: Engine) -> Engine:
    if engine.dialect.name == "sqlite":
        return _for_reading(engine)
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _make_engine(url: str, pool_size: int, settings: Mapping[str, str]) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(url, pool_size)
    if parsed.get_backend_name() != "postgresql":
        raise ValueError(f"DATABASE_URL: {parsed.get_backend_name()} is not supported; use sqlite or postgresql")
    driver.look_up_dumpers()
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=10,
        pool_use_lifo=True,  # whoever comes next gets the connection that has prepared most statements
        connect_args={
            "client_encoding": "utf8",
            "cursor_factory": driver.Cursor,
            # These go before what the address names, so that is left out.
            **{name: _SILENCE[name] for name in _SILENCE.keys() - parsed.query},
        },
    )
    TransactionSettings(settings, if_direct={"timezone": "UTC"}).listen(engine)
    event.listen(engine, "connect", driver.send_lists_in_binary)
    event.listen(engine, "handle_error", _judge_by_sqlstate)
    return engine


def _judge_by_sqlstate(context: ExceptionContext) -> OperationalError | None:
    """Turn errors of an outage that the driver reports as programming errors into transient ones: otherwise jobs would
    become dead letters, and requests would be kept as malformed.

    A connection to a server that takes no writes is thrown away with its pool, so that the next one finds the new primary.
    """
    error = context.original_exception
    state = getattr(error, "sqlstate", None)
    if state not in (_IDLED, _READ_ONLY):
        return None
    if state == _READ_ONLY:
        context.is_disconnect = True
    return OperationalError(context.statement, None, error, connection_invalidated=context.is_disconnect)


def _sqlite_engine(url: str, pool_size: int) -> Engine:
    parsed = make_url(url)
    synchronous = str(parsed.query.get("synchronous", "full")).lower()
    if synchronous not in ("full", "normal"):
        raise ValueError("DATABASE_URL: synchronous is full or normal")
    if parsed.database and parsed.database != ":memory:":
        _make_private(Path(parsed.database))
    engine = create_engine(
        parsed.difference_update_query(["synchronous"]),
        pool_size=pool_size,
        max_overflow=10,
        connect_args={"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions on its own
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", f"synchronous={synchronous}"):
            connection.execute(f"PRAGMA {pragma}")
        connection.create_function("lower", 1, _lower, deterministic=True)  # SQLite's own lowers only a to z

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("portal_read_only", False)
        connection.exec_driver_sql("BEGIN DEFERRED" if reading else "BEGIN IMMEDIATE")

    return engine


def _make_private(file: Path) -> None:
    """Make a database's file and its folder, if there are none, for their owner alone; SQLite gives its other files the same
    mode."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value
