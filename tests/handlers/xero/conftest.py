"""A Xero of the test's own, with two practices in it, and a partner who has connected the first one by consent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from handlers.integration.connect import ConnectingStaff
from handlers.jobs.kinds import JobKind
from portal_db.xero import connections
from tests.handlers.xero.office import OTHER_TENANT, Office, connected
from tests.making import pause
from tests.world import World, building
from worker.local.mail_catcher import MailCatcher
from xpm.simulator.serve import SimulatorConfig, SimulatorHandle, TenantSpec, running


@pytest.fixture
def xero() -> Iterator[SimulatorHandle]:
    more = (TenantSpec(OTHER_TENANT, 3, 2, "Second Practice"),)
    with running(SimulatorConfig(clients=150, seed=7, enforce_quota=False, more_tenants=more)) as handle:
        yield handle


def made(database_url: str, xero: SimulatorHandle, mail: MailCatcher) -> Iterator[World]:
    with building(database_url, xero.api_url, xero.config.access_token, mail) as world:
        with world.database.write() as tx:
            connections.disconnect(tx, world.connection_id)  # the one that is good for ever
        pause(world, kind=JobKind.SYNC_DIRECTORY)  # what it finds out about the connection, an import finds out here
        yield world


@pytest.fixture
def unconnected(sqlite_tables: str, xero: SimulatorHandle, mail_catcher: MailCatcher) -> Iterator[World]:
    """A practice whose partner has not connected XPM; on SQLite."""
    yield from made(sqlite_tables, xero, mail_catcher)


@pytest.fixture
def office(unconnected: World, xero: SimulatorHandle) -> Office:
    """A partner who has connected; on SQLite."""
    return at_work(unconnected, xero)


@pytest.fixture
def both_offices(database_url: str, xero: SimulatorHandle, mail_catcher: MailCatcher) -> Iterator[Office]:
    """`office`, on each database."""
    for world in made(database_url, xero, mail_catcher):
        yield at_work(world, xero)


def at_work(world: World, xero: SimulatorHandle) -> Office:
    partner = ConnectingStaff(world.practice_id, world.staff_id)
    return Office(world, xero, partner, connected(world, partner).connection_id)
