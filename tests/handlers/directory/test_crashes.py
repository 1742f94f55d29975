"""Whatever kills a sync, and whatever XPM's answer lacks: the directory is as it was, and the next run completes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from handlers.directory.records import columns_of, read_record
from portal_db.directory import syncs
from portal_db.states import JobState, SyncState
from portal_db.tables import Job
from portal_db.work.jobs import LeaseLost, hold
from tests.handlers.directory.given import FULL, begin, directory_of, job_of, present, rows, sync_of, synced
from tests.handlers.given import change, records
from tests.making import claimed, set_job, take_back
from tests.world import TENANT, World
from xpm.simulator.faults import FaultRule
from xpm.simulator.serve import SimulatorHandle

PROGRAM = str(Path(__file__).with_name("dying_sync.py"))


def run_and_be_killed(world: World, job: Job, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = world.services.settings
    monkeypatch.setenv("TOKEN_KEYS", settings.token_keys[0].get_secret_value())
    run = subprocess.run(
        [sys.executable, PROGRAM, settings.database_url, settings.xpm_api_url, str(job.id), point],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        timeout=120,
    )
    assert run.returncode == -9, run.stderr[-2000:]


@pytest.mark.parametrize("point", ["staging", "staged", "merged"])
def test_a_sync_that_was_killed_is_completed_by_the_next_run(
    own_sqlite_world: World, own_simulator: SimulatorHandle, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = own_sqlite_world
    # Given a directory, and since then one record that is new, one another and one gone
    gone, other, *_ = records(own_simulator)
    clients = own_simulator.simulator.tenants[TENANT].practice.clients
    new = clients.pop(records(own_simulator)[-1].uuid)
    synced(world)
    before = {uuid: row.content_hash for uuid, row in present(world).items()}
    clients[new.uuid] = new
    change(own_simulator, other.uuid, phone="0400 000 000")
    del clients[gone.uuid]
    # When the worker is killed, nothing has changed
    job = begin(world, FULL)
    run_and_be_killed(world, job, point, monkeypatch)
    assert {uuid: row.content_hash for uuid, row in present(world).items()} == before
    # And when its job is taken back and run again, all is there once
    world.pass_time(11)
    take_back(world)
    world.runner().run(job.id)
    sync = sync_of(world, job)
    assert (sync.state, sync.added, sync.changed, sync.gone) == (SyncState.SUCCEEDED, 1, 1, 1)
    assert set(present(world)) == set(clients)
    assert present(world)[other.uuid].content_hash != before[other.uuid]
    assert world.scalar("SELECT count(*) FROM directory_staged") == 0


@pytest.mark.parametrize("kind", ["truncate", "short_body"])
def test_an_answer_that_ends_early_changes_nothing(
    own_sqlite_world: World, own_simulator: SimulatorHandle, kind: str
) -> None:
    world = own_sqlite_world
    synced(world)
    before, cursor = rows(world), directory_of(world).cursor
    change(own_simulator, records(own_simulator)[0].uuid, phone="0400 000 000")
    own_simulator.simulator.faults.add(FaultRule(kind, "client.api/list", count=1))  # type: ignore[arg-type]  # a literal
    job = begin(world)
    world.runner().run(job.id)
    waiting = job_of(world, job.id)
    assert (waiting.state, waiting.error_code) == (JobState.WAITING, "xpm_truncated")
    assert (sync_of(world, job).state, directory_of(world).cursor) == (SyncState.RUNNING, cursor)
    assert {uuid: row.as_of for uuid, row in rows(world).items()} == {uuid: row.as_of for uuid, row in before.items()}
    world.pass_time(2000)
    world.run_due()
    assert (sync_of(world, job).state, sync_of(world, job).changed) == (SyncState.SUCCEEDED, 1)


def test_who_lost_the_lease_stages_nothing_more(own_world: World) -> None:
    job = begin(own_world)
    claimed(own_world, job.id, owner="slow")
    mine = job_of(own_world, job.id)
    with own_world.database.write() as tx:
        hold(tx, mine)
    own_world.pass_time(11)
    take_back(own_world)
    with pytest.raises(LeaseLost), own_world.database.write() as tx:
        hold(tx, mine)


def test_a_sync_whose_job_died_is_failed_and_its_requeue_takes_it_up_again(own_sqlite_world: World) -> None:
    world = own_sqlite_world
    job = begin(world)
    claimed(world, job.id, owner="worker-1")
    with world.database.write() as tx:
        syncs.fail(tx, sync_of(world, job).id, "bug")
    world.pass_time(11)
    take_back(world)
    world.runner().run(job.id)
    assert sync_of(world, job).state is SyncState.SUCCEEDED
    # But one that another sync has overtaken is left
    late = begin(world)
    with world.database.write() as tx:
        syncs.fail(tx, sync_of(world, late).id, "bug")
    newer = begin(world)
    world.runner().run(late.id)
    assert (job_of(world, late.id).state, sync_of(world, late).state) == (JobState.SUCCEEDED, SyncState.FAILED)
    world.runner().run(newer.id)
    assert sync_of(world, newer).state is SyncState.SUCCEEDED


def test_a_sync_whose_job_was_dismissed_does_not_stand_in_the_way(own_sqlite_world: World) -> None:
    world = own_sqlite_world
    job = begin(world)
    set_job(world, job.id, state=JobState.DISMISSED)
    assert synced(world).state is SyncState.SUCCEEDED
    assert (sync_of(world, job).state, sync_of(world, job).reason) == (SyncState.FAILED, "abandoned")


def test_what_an_earlier_attempt_staged_counts_for_nothing(
    own_sqlite_world: World, own_simulator: SimulatorHandle
) -> None:
    world = own_sqlite_world
    synced(world)
    vanished = records(own_simulator)[0]
    job = begin(world)
    with world.database.write() as tx:
        staged = {"xpm_uuid": vanished.uuid, **columns_of(read_record(rows(world)[vanished.uuid].record))}
        syncs.stage(tx, sync_of(world, job).id, [staged])
    del own_simulator.simulator.tenants[TENANT].practice.clients[vanished.uuid]
    world.runner().run(job.id)
    assert (sync_of(world, job).gone, vanished.uuid in present(world)) == (1, False)
