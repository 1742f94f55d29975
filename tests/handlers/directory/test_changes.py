"""What may become of a client in XPM between two syncs, and clocks that disagree about when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from handlers.directory.records import read_record
from portal_db.states import SyncState
from tests.handlers.directory.given import FULL, INCREMENTAL, present, rows, synced
from tests.handlers.given import change, records
from tests.world import TENANT, World
from xpm.simulator.serve import SimulatorHandle

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
ANEW = UUID(int=77)


@on_postgresql
def test_renamed_deleted_merged_and_created_anew(own_world: World, own_simulator: SimulatorHandle) -> None:
    tenant = own_simulator.simulator.tenants[TENANT]
    synced(own_world)
    renamed, deleted, merged, anew = records(own_simulator)[:4]
    # Given one client renamed, one deleted, one merged into another, and one removed and created anew under its name
    change(own_simulator, renamed.uuid, name="Bloggs & Daughters Pty Ltd")
    change(own_simulator, deleted.uuid, is_deleted=True)
    del tenant.practice.clients[merged.uuid], tenant.practice.clients[anew.uuid]
    tenant.practice.clients[ANEW] = replace(anew, uuid=ANEW)
    tenant.encoder.forget(None)
    # When the directory is synced in full
    sync = synced(own_world, FULL)
    # Then each is what it is: names are no keys
    assert (sync.state, sync.added, sync.gone) == (SyncState.SUCCEEDED, 1, 2)
    now = present(own_world)
    assert read_record(now[renamed.uuid].record).name == "Bloggs & Daughters Pty Ltd"
    assert now[deleted.uuid].is_deleted
    assert {merged.uuid, anew.uuid}.isdisjoint(now)
    assert read_record(now[ANEW].record).name == anew.name
    assert {rows(own_world)[uuid].gone_at is None for uuid in (merged.uuid, anew.uuid)} == {False}


@on_postgresql
@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_ten_minutes_off_loses_no_change(
    own_world: World, own_simulator: SimulatorHandle, minutes: int
) -> None:
    synced(own_world)
    record = records(own_simulator)[0]
    change(own_simulator, record.uuid, phone="0400 000 000")
    record.modified += timedelta(minutes=minutes)  # as XPM's clock has it
    sync = synced(own_world, INCREMENTAL)
    assert sync.changed == 1
    assert present(own_world)[record.uuid].record["phone"] == "0400 000 000"
