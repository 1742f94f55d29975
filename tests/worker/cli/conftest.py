"""The command line as a test calls it: in this process by the entry point's own function, on a database of the test's."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
from cryptography.fernet import Fernet

from portal_db.database import Database
from tests.logging_restored import logging_restored
from tests.world import World
from worker.cli import main

NOBODY_LISTENS = "redis://127.0.0.1:1/0"


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.out, self
        return json.loads(self.out)


class Cli(Protocol):
    """Runs a command line with so much on its standard input."""

    def __call__(self, *arguments: object, given: str | bytes = "") -> Ran: ...


@pytest.fixture
def cli(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """The command line on an empty SQLite database, with a key, and with a Redis that is away."""
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("REDIS_URL", NOBODY_LISTENS)
    monkeypatch.setenv("TOKEN_KEYS", Fernet.generate_key().decode())
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: object, given: str | bytes = "") -> Ran:
        content = given if isinstance(given, bytes) else given.encode()
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))
        with redirect_stdout(out), redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
        return Ran(int(code), out.getvalue(), err.getvalue())

    with logging_restored():
        yield run


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets the commands from now on find somebody at a terminal whom they can ask."""
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    return lambda: monkeypatch.setattr("worker.cli.operator.sys", terminal)


@pytest.fixture
def migrated(sqlite_tables: str) -> Iterator[Database]:
    """The database behind `cli`, with its tables."""
    database = Database(sqlite_tables)
    yield database
    database.close()


@pytest.fixture
def office(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A practice with a connected staff member behind `cli`, which is to be asked for first."""
    monkeypatch.setenv("TOKEN_KEYS", sqlite_world.services.settings.token_keys[0].get_secret_value())
    return sqlite_world


@pytest.fixture
def own_office(own_sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """`office`, connected to `own_simulator`."""
    monkeypatch.setenv("TOKEN_KEYS", own_sqlite_world.services.settings.token_keys[0].get_secret_value())
    return own_sqlite_world
