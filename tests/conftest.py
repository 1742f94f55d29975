"""Fixtures every test may use; the servers come from `tests.servers`, the portal around them from `tests.world`."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest

from tests.world import World, building
from worker.local.mail_catcher import MailCatcher
from xpm.simulator.serve import SimulatorConfig, SimulatorHandle, running

pytest_plugins = ["tests.servers.fixtures"]


def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: three processes more than cores, since most of the fault matrix's time is waiting for leases."""
    return len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)) + 3


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A test is named the same in each process: long or binary content, often made for the run, is not in its name."""
    too_long = isinstance(val, bytes) or (isinstance(val, str) and len(val) > 100)
    return argname if too_long else None


def pytest_collection() -> None:
    """What is imported and collected stays: nobody looks for garbage in it."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def simulator() -> Iterator[SimulatorHandle]:
    """An XPM of 60 clients whose quota is not enforced, shared by the tests of a process: change no record in it."""
    with running(SimulatorConfig(clients=60, seed=7, port=0, enforce_quota=False)) as handle:
        yield handle


@pytest.fixture
def world(database_url: str, simulator: SimulatorHandle, mail_catcher: MailCatcher) -> Iterator[World]:
    """A practice, a staff member and a connection on a fresh database; jobs run when the test says so."""
    with building(database_url, simulator.api_url, simulator.config.access_token, mail_catcher) as made:
        yield made


@pytest.fixture
def sqlite_world(sqlite_tables: str, simulator: SimulatorHandle, mail_catcher: MailCatcher) -> Iterator[World]:
    """`world`, on SQLite only: for what does not depend on the database."""
    with building(sqlite_tables, simulator.api_url, simulator.config.access_token, mail_catcher) as made:
        yield made


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
def own_sqlite_world(sqlite_tables: str, own_simulator: SimulatorHandle, mail_catcher: MailCatcher) -> Iterator[World]:
    """`sqlite_world`, connected to `own_simulator`."""
    with building(sqlite_tables, own_simulator.api_url, own_simulator.config.access_token, mail_catcher) as made:
        yield made
