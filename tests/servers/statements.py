"""Statements that were compiled for one database serve the next: each test makes engines of its own, and SQLAlchemy takes as
long to compile a statement as to run it a few times. In a process with one database that is so without further ado."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event, text

from portal_db.database import Tx


class _Compiled(dict[Any, Any]):
    """SQLAlchemy's cache, whose keys begin with the engine's dialect: here with its name, which is the same for all."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_any_engine(key), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__(_of_any_engine(key), compiled)


def _of_any_engine(key: Any) -> Any:
    dialect, *rest = key
    return (dialect.name, *rest)


def share_compiled_statements() -> None:
    """From now on, all engines of this process use one cache."""
    compiled = _Compiled()

    @event.listens_for(Engine, "engine_connect")
    def _use(connection: Connection) -> None:
        connection.execution_options(compiled_cache=compiled)


@contextmanager
def executed(engine: Engine) -> Iterator[list[str]]:
    """The texts of the statements that this thread executes meanwhile, one for each execution. The heartbeat of a job that
    takes long on a busy machine, a thread of its own, is not among them."""
    found: list[str] = []
    this_thread = threading.get_ident()

    def note(*arguments: Any) -> None:
        if threading.get_ident() == this_thread:
            found.append(arguments[2])

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


@contextmanager
def committed(engine: Engine) -> Iterator[list[Connection]]:
    """The commits of this thread's units of work meanwhile, without those of who only reads."""
    found: list[Connection] = []
    this_thread = threading.get_ident()

    def note(connection: Connection) -> None:
        reads = connection.get_execution_options().get("portal_read_only", False)
        if threading.get_ident() == this_thread and not reads:
            found.append(connection)

    event.listen(engine, "commit", note)
    try:
        yield found
    finally:
        event.remove(engine, "commit", note)


def waits_for_a_lock(tx: Tx) -> bool:
    """Whether somebody waits for one of PostgreSQL's locks."""
    return bool(tx.session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
