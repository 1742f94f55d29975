"""A sharp drop is held until somebody accepts it, and what cannot be read is never marked as gone."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from handlers.directory import accept_missing
from handlers.directory.lookup import confirmed_at
from handlers.errors import RequestRefused
from portal_db.directory import directories, unreadable
from portal_db.directory.syncs import DropLimits
from portal_db.states import JobState, SyncState
from portal_db.upkeep import erasures
from tests.handlers.directory.given import INCREMENTAL, begin, directory_of, job_of, present, rows, sync_of, synced
from tests.handlers.given import change, records
from tests.handlers.operations.given import operator
from tests.world import TENANT, World
from xpm.simulator.practice.model import Client
from xpm.simulator.serve import SimulatorHandle


def held(world: World) -> list[UUID]:
    """The directories that the inbox and the metric count as held."""
    with world.database.read() as tx:
        return [each.id for each in directories.held(tx)]


def vanish(simulator: SimulatorHandle, count: int) -> Sequence[Client]:
    tenant = simulator.simulator.tenants[TENANT]
    gone = records(simulator)[:count]
    for record in gone:
        del tenant.practice.clients[record.uuid]
    return gone


def spoil(simulator: SimulatorHandle, records: Sequence[Client]) -> None:
    """XPM lists them without a name, which is against its contract."""
    for record in records:
        record.name = ""
    simulator.simulator.tenants[TENANT].encoder.forget(None)


@pytest.mark.parametrize(
    ("missing", "of", "sharp"), [(20, 40, False), (21, 209, True), (21, 210, False), (21, 211, False), (0, 0, False)]
)
def test_a_drop_is_sharp_beyond_both_bounds(missing: int, of: int, sharp: bool) -> None:
    assert DropLimits(10, 20).is_sharp(missing, of) is sharp


def test_a_sharp_drop_is_held_until_it_is_accepted(own_world: World, own_simulator: SimulatorHandle) -> None:
    world = own_world
    synced(world)
    gone = {record.uuid for record in vanish(own_simulator, 25)}
    still = records(own_simulator)[0]
    change(own_simulator, still.uuid, phone="0400 000 000")
    # When most are missing, what is new and changed is taken, and nobody is gone
    sync = synced(world)
    assert (sync.state, sync.reason, sync.missing, sync.gone) == (SyncState.HELD, "sharp_drop", 25, 0)
    assert (len(present(world)), present(world)[still.uuid].record["phone"]) == (40, "0400 000 000")
    assert {confirmed_at(rows(world)[uuid], directory_of(world)) for uuid in gone} == {None}
    assert held(world) == [directory_of(world).id]
    # When it is looked at, those are named who would go
    found = accept_missing.get_held(world.database, directory_of(world).id, limit=30)
    assert {row.xpm_uuid for row in found.missing} == gone
    # When somebody accepts what is not what they were shown, nothing is
    act = operator(world)
    with pytest.raises(RequestRefused, match="changed the list of records"):
        accept_missing.accept_as_gone(world.database, act, directory_of(world).id, count=24)
    assert len(present(world)) == 40
    # When it is accepted, they are gone, once
    assert accept_missing.accept_as_gone(world.database, act, directory_of(world).id, count=25) == 25
    assert set(present(world)) == {record.uuid for record in records(own_simulator)}
    assert held(world) == []
    with pytest.raises(RequestRefused, match="waiting for acceptance"):
        accept_missing.accept_as_gone(world.database, act, directory_of(world).id, count=25)


def test_those_who_are_listed_again_are_held_no_more(own_sqlite_world: World, own_simulator: SimulatorHandle) -> None:
    world = own_sqlite_world
    synced(world)
    back = vanish(own_simulator, 25)
    synced(world)
    clients = own_simulator.simulator.tenants[TENANT].practice.clients
    clients.update({record.uuid: record for record in back[:-1]})
    sync = synced(world)
    assert (sync.state, sync.added, sync.changed, sync.gone) == (SyncState.SUCCEEDED, 0, 0, 1)
    assert set(present(world)) == set(clients)
    assert held(world) == []


def test_a_record_that_cannot_be_read_keeps_its_row_and_is_not_taken_for_news(
    own_world: World, own_simulator: SimulatorHandle
) -> None:
    world = own_world
    synced(world)
    mentioned = {tie.related_uuid for record in records(own_simulator) for tie in record.relationships}
    odd = next(record for record in records(own_simulator) if record.uuid not in mentioned)
    before, name = rows(world)[odd.uuid], odd.name
    spoil(own_simulator, [odd])
    with capture_logs() as logs:
        sync = synced(world)
    assert (sync.state, sync.seen, sync.unread, sync.gone, sync.changed) == (SyncState.SUCCEEDED, 40, 1, 0, 0)
    [line] = [entry for entry in logs if entry["event"] == "directory.unreadable"]
    assert (line["sync"], "name of client" in line["problem"]) == (str(sync.id), True)
    row = present(world)[odd.uuid]
    assert (row.content_hash, confirmed_at(row, directory_of(world))) == (before.content_hash, None)
    # Once it can be read, all is well again
    odd.name = name
    own_simulator.simulator.tenants[TENANT].encoder.forget(None)
    synced(world)
    assert confirmed_at(present(world)[odd.uuid], directory_of(world)) == directory_of(world).cursor


def test_many_unreadable_records_leave_the_others(own_sqlite_world: World, own_simulator: SimulatorHandle) -> None:
    world = own_sqlite_world
    synced(world)
    spoil(own_simulator, records(own_simulator)[:21])
    sync = synced(world)
    assert (sync.state, sync.seen, sync.unread, sync.gone) == (SyncState.SUCCEEDED, 40, 21, 0)
    with world.database.read() as tx:
        assert unreadable.in_directory(tx, directory_of(world), limit=10).records == 21


def test_an_answer_of_which_nothing_can_be_read_changes_nothing(
    own_sqlite_world: World, own_simulator: SimulatorHandle
) -> None:
    world = own_sqlite_world
    synced(world)
    cursor = directory_of(world).cursor
    spoil(own_simulator, records(own_simulator))
    job = begin(world)
    world.runner().run(job.id)
    dead = job_of(world, job.id)
    assert (dead.state, dead.error_code) == (JobState.DEAD, "xpm_contract")
    assert "The first: name of client" in (dead.error_message or "")
    assert (sync_of(world, job).state, sync_of(world, job).reason) == (SyncState.FAILED, "xpm_contract")
    assert (len(present(world)), directory_of(world).cursor) == (40, cursor)


def test_who_asked_to_be_forgotten_stays_out(own_world: World, own_simulator: SimulatorHandle) -> None:
    world = own_world
    mentioned = {tie.related_uuid for record in records(own_simulator) for tie in record.relationships}
    forgotten = next(record for record in records(own_simulator) if record.uuid in mentioned)
    with world.database.write() as tx:
        erasures.note(tx, world.practice_id, forgotten.uuid)
    world.pass_time(1)
    sync = synced(world)
    assert (sync.added, forgotten.uuid in rows(world)) == (39, False)
    assert str(forgotten.uuid) not in str([row.record["relationships"] for row in rows(world).values()])
    assert synced(world, INCREMENTAL).changed == 0


def test_a_list_read_while_somebody_asked_to_be_forgotten_is_read_again(
    own_sqlite_world: World, own_simulator: SimulatorHandle
) -> None:
    world = own_sqlite_world
    forgotten = records(own_simulator)[0]
    with world.database.write() as tx:
        erasures.note(tx, world.practice_id, forgotten.uuid)
    world.pass_time(-5)  # as if it had happened after the list was asked for
    job = begin(world)
    world.runner().run(job.id)
    assert (job_of(world, job.id).state, rows(world)) == (JobState.WAITING, {})
