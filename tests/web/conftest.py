"""The web process as a test has it: the real application behind a real server, on the world of a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from handlers.access import mfa, passwords
from tests.web.desk import Desk, serving
from tests.world import World


@pytest.fixture
def desk(sqlite_world: World, redis_url: str) -> Iterator[Desk]:
    """The portal of a practice, served; Redis is there."""
    with serving(sqlite_world, redis_url) as made:
        yield made


@pytest.fixture
def own_desk(own_sqlite_world: World, redis_url: str) -> Iterator[Desk]:
    """`desk`, connected to `own_simulator`."""
    with serving(own_sqlite_world, redis_url) as made:
        yield made


@pytest.fixture
def any_desk(world: World, redis_url: str) -> Iterator[Desk]:
    """`desk`, once on SQLite and once on PostgreSQL: for what our queries decide."""
    with serving(world, redis_url) as made:
        yield made


@pytest.fixture(autouse=True)
def _passwords_are_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of a second of processor time for each password would be half of these tests' time."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture(autouse=True)
def _second_factors_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password suffices. The tests of the second factor have a fixture of the same name that changes nothing."""
    monkeypatch.setattr(mfa, "next_step", lambda tx, staff: None)  # noqa: ARG005 -- the names are the function's
