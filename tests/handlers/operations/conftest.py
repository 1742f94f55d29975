"""A desk (a world with a real Redis) whose queues are seen as reconcile sees them."""

from __future__ import annotations

import pytest

from portal_db.work import leaders
from tests.worker.cli.conftest import cli, migrated
from tests.worker.queue.conftest import desk, sqlite_desk
from tests.worker.queue.desk import Desk
from worker.queue.inspect import RedisQueues

__all__ = ["cli", "desk", "migrated", "sqlite_desk"]


def queues_of(desk: Desk) -> RedisQueues:
    return RedisQueues(desk.client, desk.bell, desk.settings.redis_namespace)


def lead(desk: Desk, owner: str = "relay-elsewhere") -> None:
    with desk.world.database.write() as tx:
        assert leaders.hold(tx, leaders.RELAY, owner, 3600)


@pytest.fixture
def led(desk: Desk) -> Desk:
    """A desk for which some relay leads."""
    lead(desk)
    return desk
