"""The web process as a test has it: the real application behind a real server, on the world of a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.desk import Desk, serving
from tests.world import World


@pytest.fixture
def desk(sqlite_world: World, redis_url: str) -> Iterator[Desk]:
    """The portal of a practice, served; Redis is there."""
    with serving(sqlite_world, redis_url) as made:
        yield made


@pytest.fixture
def any_desk(world: World, redis_url: str) -> Iterator[Desk]:
    """`desk`, once on SQLite and once on PostgreSQL: for what our queries decide."""
    with serving(world, redis_url) as made:
        yield made
