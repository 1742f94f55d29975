"""The console as a test has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.console.desk import OpsDesk, serving
from tests.world import World


@pytest.fixture
def ops_desk(sqlite_world: World, redis_url: str) -> Iterator[OpsDesk]:
    """The console on SQLite, served; Redis is there."""
    with serving(sqlite_world, redis_url) as made:
        yield made
