"""A limiter at rest on an empty Redis: on a real one, and on a copy of it in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import fakeredis
import pytest
import redis
import structlog.testing

from tests.xpm.quota.desk import Desk
from xpm.quota import Limits, Timing

MakeDesk = Callable[..., Desk]


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    """Outages are logged with their exceptions, which takes structlog's default renderer seconds each."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture(params=["fakeredis", "redis"])
def client(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    if request.param == "fakeredis":
        yield fakeredis.FakeRedis(server=fakeredis.FakeServer())
        return
    with redis.Redis.from_url(request.getfixturevalue("redis_url")) as real:
        yield real


@pytest.fixture
def make_desk(client: redis.Redis) -> Iterator[MakeDesk]:
    """Makes desks whose tenants are known and have used nothing of the minute."""
    made: list[Desk] = []

    def make(*tenants: str, limits: Limits | None = None, timing: Timing | None = None) -> Desk:
        desk = Desk(client, limits or Limits(), timing or Timing(patience_seconds=0.0))
        made.append(desk)
        desk.open(*tenants)
        return desk

    yield make
    for desk in made:
        desk.close()


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    return make_desk()
