"""Simulators for the tests: one that tests only read, and a fresh one for those that change it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from xpm.simulator import SimulatorConfig, SimulatorHandle, running


@pytest.fixture(scope="session")
def still() -> Iterator[SimulatorHandle]:
    """A practice of 60 without quota, which no test may change."""
    with running(SimulatorConfig(clients=60, seed=4, enforce_quota=False)) as handle:
        yield handle


@pytest.fixture
def fresh() -> Iterator[SimulatorHandle]:
    """A practice of 60 without quota, for one test to do with as it likes."""
    with running(SimulatorConfig(clients=60, seed=4, enforce_quota=False)) as handle:
        yield handle
