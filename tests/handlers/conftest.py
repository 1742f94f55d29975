"""Fixtures of the use cases' tests: an XPM of the test's own, whose records it may change, and worlds connected to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.world import World, building
from worker.embedded.mail import MailCatcher
from xpm.simulator.serve import SimulatorConfig, SimulatorHandle, running


@pytest.fixture
def own_simulator() -> Iterator[SimulatorHandle]:
    """An XPM of 40 clients for one test to change."""
    with running(SimulatorConfig(clients=40, seed=3, port=0, enforce_quota=False)) as handle:
        yield handle


@pytest.fixture
def own_world(database_url: str, own_simulator: SimulatorHandle, mail_catcher: MailCatcher) -> Iterator[World]:
    """`world`, connected to `own_simulator`."""
    with building(database_url, own_simulator.api_url, own_simulator.config.access_token, mail_catcher) as made:
        yield made


@pytest.fixture
def own_sqlite_world(sqlite_url: str, own_simulator: SimulatorHandle, mail_catcher: MailCatcher) -> Iterator[World]:
    """`sqlite_world`, connected to `own_simulator`."""
    with building(sqlite_url, own_simulator.api_url, own_simulator.config.access_token, mail_catcher) as made:
        yield made
