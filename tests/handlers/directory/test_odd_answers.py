"""A sync is asked for once, and something odd answers: nothing is dead after one attempt, nobody gone, no owner mailed."""

from __future__ import annotations

import pytest

from portal_db.states import ConnectionState, JobState, SyncState
from portal_db.xero import connections
from tests.handlers.directory.given import INCREMENTAL, begin, directory_of, job_of, present, rows, sync_of, synced
from tests.handlers.given import records
from tests.world import TENANT, World
from xpm.client import ATTEMPTS
from xpm.simulator.faults import FOREIGN, FaultRule
from xpm.simulator.serve import SimulatorHandle
from xpm.wire import transport

LIST = "client.api/list"

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def answered_by(simulator: SimulatorHandle, kind: str, count: int = 1, operation: str = LIST) -> None:
    simulator.simulator.faults.add(FaultRule(kind, operation, count=count))  # type: ignore[arg-type]  # a literal


def breaks(world: World) -> tuple[ConnectionState, object]:
    """The connection's state, and how many emails about it were asked for."""
    with world.database.read() as tx:
        state = connections.get_one(tx, world.connection_id).state
    return state, world.scalar("SELECT count(*) FROM reconnect_notices")


@on_postgresql
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_list_answered_once_by_something_else_is_read_within_the_same_attempt(
    own_world: World, own_simulator: SimulatorHandle, kind: str
) -> None:
    answered_by(own_simulator, kind)
    sync = synced(own_world)
    assert (sync.state, sync.added) == (SyncState.SUCCEEDED, 40)
    assert breaks(own_world) == (ConnectionState.CONNECTED, 0)


@on_postgresql
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_list_answered_by_something_else_for_a_while_is_read_later(
    own_world: World, own_simulator: SimulatorHandle, kind: str
) -> None:
    # Given that every try of the first attempt is answered by something in between
    answered_by(own_simulator, kind, ATTEMPTS)
    job = begin(own_world)
    own_world.runner().run(job.id)
    # Then the job waits, and nothing is decided
    waiting = job_of(own_world, job.id)
    assert (waiting.state, waiting.error_code) == (JobState.WAITING, "not_xpm")
    assert breaks(own_world) == (ConnectionState.CONNECTED, 0)
    # And once XPM answers, the sync is done
    own_world.pass_time(2000)
    own_world.run_due()
    assert (sync_of(own_world, job).state, len(present(own_world))) == (SyncState.SUCCEEDED, 40)


def test_a_list_that_falls_silent_is_read_later(
    own_sqlite_world: World, own_simulator: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a list that begins, and of which nothing more arrives
    monkeypatch.setattr(transport, "IDLE_SECONDS", 0.2)
    answered_by(own_simulator, "silence")
    job = begin(own_sqlite_world)
    own_sqlite_world.runner().run(job.id)
    # Then the sync waits, nobody is gone, and the next attempt reads it whole
    waiting = job_of(own_sqlite_world, job.id)
    assert (waiting.state, waiting.error_code) == (JobState.WAITING, "xpm_unreachable")
    own_sqlite_world.pass_time(2000)
    own_sqlite_world.run_due()
    assert (sync_of(own_sqlite_world, job).state, len(present(own_sqlite_world))) == (SyncState.SUCCEEDED, 40)


@on_postgresql
@pytest.mark.parametrize("left", [1, 3, 20, 40])
def test_everything_gone_is_held_however_few_there_were(
    own_world: World, own_simulator: SimulatorHandle, left: int
) -> None:
    # Given a practice of so many clients, fewer than a drop has to count to be sharp
    clients = own_simulator.simulator.tenants[TENANT].practice.clients
    for record in records(own_simulator)[left:]:
        del clients[record.uuid]
    synced(own_world)
    # When XPM's list is empty
    answered_by(own_simulator, "empty_list")
    sync = synced(own_world)
    # Then nobody is gone until a person accepts it
    assert (sync.state, sync.missing, sync.gone) == (SyncState.HELD, left, 0)
    assert len(present(own_world)) == left
    # And the next whole list makes it as it was
    assert synced(own_world).state is SyncState.SUCCEEDED
    assert {row.missing_since for row in rows(own_world).values()} == {None}


@on_postgresql
def test_everybody_replaced_is_held_too(own_world: World, own_simulator: SimulatorHandle) -> None:
    """As when the list is that of another practice."""
    clients = own_simulator.simulator.tenants[TENANT].practice.clients
    known, others = dict(list(clients.items())[:3]), dict(list(clients.items())[3:])
    clients.clear()
    clients.update(known)
    synced(own_world)
    clients.clear()
    clients.update(others)
    sync = synced(own_world)
    assert (sync.state, sync.missing, sync.gone) == (SyncState.HELD, 3, 0)


@on_postgresql
def test_some_gone_of_a_small_practice_are_gone(own_world: World, own_simulator: SimulatorHandle) -> None:
    clients = own_simulator.simulator.tenants[TENANT].practice.clients
    synced(own_world)
    for record in records(own_simulator)[:3]:
        del clients[record.uuid]
    sync = synced(own_world)
    assert (sync.state, sync.gone) == (SyncState.SUCCEEDED, 3)


@on_postgresql
def test_nothing_new_is_not_everything_gone(own_world: World, own_simulator: SimulatorHandle) -> None:
    synced(own_world)
    answered_by(own_simulator, "empty_list")
    sync = synced(own_world, INCREMENTAL)
    assert (sync.state, sync.missing, directory_of(own_world).cursor is not None) == (SyncState.SUCCEEDED, 0, True)
