"""A sync leaves the directory as XPM is: what is new, another and gone, by one call, and nothing else is touched."""

from __future__ import annotations

from handlers.directory_syncs import begin_sync
from handlers.sights import read_sight
from portal_db.states import JobState, SyncState
from tests.directory.given import FULL, INCREMENTAL, begin, directory_of, job_of, present, rows, sync_of, synced
from tests.handlers.given import change, records
from tests.world import TENANT, World
from xpm.simulator.serve import SimulatorHandle


def purge(simulator: SimulatorHandle, count: int) -> set[str]:
    """Let so many records vanish from XPM; their names."""
    tenant = simulator.simulator.tenants[TENANT]
    gone = records(simulator)[:count]
    for record in gone:
        del tenant.practice.clients[record.uuid]
        tenant.encoder.forget(record.uuid)
    return {record.name for record in gone}


def test_a_full_sync_fills_the_directory_by_one_call(own_world: World, own_simulator: SimulatorHandle) -> None:
    own_simulator.simulator.counters.reset()
    sync = synced(own_world)
    assert (sync.state, sync.added, sync.changed, sync.gone) == (SyncState.SUCCEEDED, 40, 0, 0)
    assert own_simulator.simulator.counters.as_json()["total_calls"] == 1
    names = {uuid: read_sight(row.record).name for uuid, row in present(own_world).items()}
    assert names == {record.uuid: record.name for record in records(own_simulator)}
    assert own_world.scalar("SELECT count(*) FROM directory_staged") == 0
    directory = directory_of(own_world)
    assert directory.cursor is not None
    assert directory.cursor == directory.last_full_at


def test_a_sync_of_nothing_new_touches_no_record(own_world: World) -> None:
    synced(own_world)
    before = rows(own_world)
    sync = synced(own_world, FULL)
    assert (sync.seen, sync.added, sync.changed, sync.gone) == (40, 0, 0, 0)
    assert {uuid: row.as_of for uuid, row in rows(own_world).items()} == {
        uuid: row.as_of for uuid, row in before.items()
    }


def test_an_incremental_sync_brings_what_was_changed_since(own_world: World, own_simulator: SimulatorHandle) -> None:
    synced(own_world)
    before = rows(own_world)
    changed, *others = records(own_simulator)
    change(own_simulator, changed.uuid, email="new@example.com")
    sync = synced(own_world, INCREMENTAL)
    assert (sync.added, sync.changed, sync.gone) == (0, 1, 0)
    after = rows(own_world)
    assert read_sight(after[changed.uuid].record).email == "new@example.com"
    assert all(after[other.uuid].as_of == before[other.uuid].as_of for other in others)


def test_one_sync_of_a_directory_runs_at_a_time(own_world: World) -> None:
    job = begin(own_world)
    directory = directory_of(own_world)
    with own_world.database.write() as tx:
        assert begin_sync(tx, directory.id, FULL, asked_by="a test") is None
    own_world.run_due()
    assert job_of(own_world, job.id).state is JobState.SUCCEEDED
    assert sync_of(own_world, job).state is SyncState.SUCCEEDED


def test_who_vanishes_from_a_full_answer_is_gone_and_comes_back_when_listed_again(
    own_world: World, own_simulator: SimulatorHandle
) -> None:
    synced(own_world)
    kept = dict(own_simulator.simulator.tenants[TENANT].practice.clients)
    purge(own_simulator, 3)
    assert synced(own_world, INCREMENTAL).gone == 0
    assert synced(own_world).gone == 3
    assert len(present(own_world)) == 37
    own_simulator.simulator.tenants[TENANT].practice.clients.update(kept)
    sync = synced(own_world)
    assert (sync.added, sync.changed) == (3, 0)
    assert len(present(own_world)) == 40
