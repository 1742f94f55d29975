"""People whom nobody imported are not kept without need: not after a disconnect, not unused, not long gone from XPM."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from handlers.operations.housekeeping import UNIMPORTED, keep_house
from portal_db.tables import Directory
from portal_db.types import db_now
from portal_db.xero import connections
from tests.handlers.directory.given import directory_of, present, rows, synced
from tests.handlers.given import find, records
from tests.world import TENANT, World, is_importable_person
from xpm.simulator.practice.model import Client
from xpm.simulator.serve import SimulatorHandle

HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture
def imported(own_world: World, own_simulator: SimulatorHandle) -> Client:
    """A full directory, of which one person was imported."""
    synced(own_world)
    person = find(own_simulator, is_importable_person)
    own_world.run_import(person.uuid)
    return person


def purged(world: World, *, dry_run: bool = False) -> int:
    return keep_house(world.database, world.services.settings, dry_run=dry_run)[UNIMPORTED]


def cut(world: World) -> None:
    with world.database.write() as tx:
        assert connections.disconnect(tx, world.connection_id)


def note_use(world: World) -> None:
    with world.database.write() as tx:
        tx.session.execute(update(Directory).values(last_used_at=db_now()))


def test_a_day_after_the_last_connection_was_cut(own_world: World, imported: Client) -> None:
    cut(own_world)
    own_world.pass_time(23 * HOUR)
    assert purged(own_world) == 0
    own_world.pass_time(HOUR)
    assert purged(own_world, dry_run=True) == 39
    assert len(rows(own_world)) == 40
    assert purged(own_world) == 39
    assert list(rows(own_world)) == [imported.uuid]
    assert directory_of(own_world).cursor is None
    assert purged(own_world) == 0


def test_after_thirty_days_without_use(own_world: World, imported: Client) -> None:
    own_world.pass_time(29 * DAY)
    assert purged(own_world) == 0
    own_world.pass_time(DAY)
    assert purged(own_world) == 39
    assert (list(rows(own_world)), directory_of(own_world).cursor) == ([imported.uuid], None)


def test_thirty_days_after_xpm_listed_them_for_the_last_time(
    own_sqlite_world: World, own_simulator: SimulatorHandle
) -> None:
    world = own_sqlite_world
    synced(world)
    clients = own_simulator.simulator.tenants[TENANT].practice.clients
    del clients[records(own_simulator)[0].uuid]
    synced(world)
    world.pass_time(29 * DAY)
    note_use(world)
    assert purged(world) == 0
    world.pass_time(DAY)
    assert (purged(world), len(rows(world)), len(present(world))) == (1, 39, 39)
    assert directory_of(world).cursor is not None
