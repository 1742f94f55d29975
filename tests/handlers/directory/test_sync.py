"""A sync leaves the directory as XPM is: what is new, another and gone, by one call, and nothing else is touched."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from handlers.directory.records import columns_of, read_record
from handlers.directory.sync import begin_sync, sync_now
from handlers.errors import RequestRefused
from portal_db.directory import directories as upstream
from portal_db.states import ConnectionState, JobState, SyncState
from portal_db.types import database_time
from portal_db.xero import connections
from tests.handlers.directory.given import (
    FULL,
    INCREMENTAL,
    begin,
    directory_of,
    job_of,
    present,
    rows,
    sync_of,
    synced,
)
from tests.handlers.given import change, records, set_connection
from tests.servers.statements import executed
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
    names = {uuid: read_record(row.record).name for uuid, row in present(own_world).items()}
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
    assert read_record(after[changed.uuid].record).email == "new@example.com"
    assert all(after[other.uuid].as_of == before[other.uuid].as_of for other in others)


def test_one_sync_of_a_directory_runs_at_a_time(own_world: World) -> None:
    job = begin(own_world)
    directory = directory_of(own_world)
    with own_world.database.write() as tx:
        assert begin_sync(tx, directory.id, FULL, asked_by="a test") is None
    # And a second one that is asked for meanwhile is told until when
    with pytest.raises(RequestRefused, match=r"It ends, or is tried again, by \d\d:\d\d:\d\d"):
        sync_now(own_world.database, directory.id, FULL)
    own_world.run_due()
    assert job_of(own_world, job.id).state is JobState.SUCCEEDED
    assert sync_of(own_world, job).state is SyncState.SUCCEEDED


def test_a_directory_that_nobody_can_read_is_not_synced(own_sqlite_world: World) -> None:
    world = own_sqlite_world
    job = begin(world)
    set_connection(world, ConnectionState.BROKEN)
    # A sync under way is turned down, since a reconnect begins another one
    world.runner().run(job.id)
    assert (job_of(world, job.id).state, sync_of(world, job).reason) == (JobState.REJECTED, "not_connected")
    # And none is begun
    with pytest.raises(RequestRefused) as refused:
        begin(world)
    assert refused.value.code == "not_connected"
    assert world.scalar("SELECT count(*) FROM directory_syncs") == 1


def test_who_vanishes_from_a_full_answer_is_gone_and_comes_back_when_listed_again(
    own_world: World, own_simulator: SimulatorHandle
) -> None:
    synced(own_world)
    kept = dict(own_simulator.simulator.tenants[TENANT].practice.clients)
    purge(own_simulator, 3)
    incremental = synced(own_world, INCREMENTAL)
    assert (incremental.state, incremental.gone) == (SyncState.SUCCEEDED, 0)
    assert synced(own_world).gone == 3
    assert len(present(own_world)) == 37
    own_simulator.simulator.tenants[TENANT].practice.clients.update(kept)
    sync = synced(own_world)
    assert (sync.added, sync.changed) == (3, 0)
    assert len(present(own_world)) == 40


def test_an_older_sight_of_a_record_that_a_sync_left_alone_changes_nothing(
    own_world: World, own_simulator: SimulatorHandle
) -> None:
    synced(own_world)
    record = records(own_simulator)[0].uuid
    before = rows(own_world)[record]
    own_world.pass_time(60)
    synced(own_world, INCREMENTAL)  # which vouches for the row, and does not touch it
    with own_world.database.write() as tx:
        through = connections.get_one(tx, own_world.connection_id)
        late = columns_of(replace(read_record(before.record), phone="an answer from 30 seconds ago"))
        as_of = database_time(tx.session) - timedelta(seconds=30)
        upstream.keep_directory_record(tx, through, record, late, as_of)
    assert rows(own_world)[record].content_hash == before.content_hash


def test_a_row_that_was_seen_after_the_sync_had_asked_stays(own_world: World, own_simulator: SimulatorHandle) -> None:
    synced(own_world)
    record = records(own_simulator)[0].uuid
    newer = columns_of(replace(read_record(rows(own_world)[record].record), phone="newer"))
    with own_world.database.write() as tx:
        through = connections.get_one(tx, own_world.connection_id)
        as_of = database_time(tx.session) + timedelta(seconds=600)
        upstream.keep_directory_record(tx, through, record, newer, as_of)
    assert synced(own_world).changed == 0
    assert rows(own_world)[record].record["phone"] == "newer"


def test_statements_do_not_grow_with_the_directory_or_the_answer(
    own_sqlite_world: World, own_simulator: SimulatorHandle
) -> None:
    synced(own_sqlite_world)
    found = []
    for changed in (1, 30):
        for record in records(own_simulator)[:changed]:
            change(own_simulator, record.uuid, phone=f"{changed} {record.uuid.hex[:6]}")
        job = begin(own_sqlite_world, INCREMENTAL)
        with executed(own_sqlite_world.database.engine) as statements:
            own_sqlite_world.runner().run(job.id)
        assert sync_of(own_sqlite_world, job).changed == changed
        # How often it is read whether XPM is away goes by the clock.
        found.append([each for each in statements if "FROM outages" not in each and not each.startswith("BEGIN")])
    assert found[0] == found[1]
    assert len(found[0]) < 36
