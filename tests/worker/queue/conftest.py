"""Desks: a world, and a real Redis beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import dramatiq.worker
import pytest

import worker.queue.consumer
from tests.worker.queue.desk import Desk
from tests.world import World


@pytest.fixture
def desk(world: World, redis_url: str) -> Iterator[Desk]:
    """On SQLite and on PostgreSQL."""
    made = Desk.at(world, redis_url)
    yield made
    made.client.close()


@pytest.fixture
def sqlite_desk(sqlite_world: World, redis_url: str) -> Iterator[Desk]:
    """For what does not depend on the database."""
    made = Desk.at(sqlite_world, redis_url)
    yield made
    made.client.close()


@pytest.fixture(autouse=True)
def _consumers_come_back_and_stop_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dramatiq.worker, "CONSUMER_RESTART_DELAY_SECS", 0.05)
    monkeypatch.setattr(worker.queue.consumer, "WAIT_SECONDS", 0.1)


@pytest.fixture
def strict_desk(sqlite_desk: Desk) -> Desk:
    """`sqlite_desk`, whose door takes only what a producer has signed."""
    settings = sqlite_desk.settings.model_copy(update={"unsigned_requests": False})
    return replace(sqlite_desk, services=replace(sqlite_desk.services, settings=settings))
