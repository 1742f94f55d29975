"""What an import takes the directory's word for, and when it asks XPM itself."""

from __future__ import annotations

import pytest

from handlers.access.caller import Caller, Scope
from handlers.imports import accept as portal_clients
from handlers.imports import preflight
from handlers.imports.amend import amend
from handlers.imports.preflight import Budget
from portal_db.states import ImportState, Role
from tests.handlers.directory.given import FULL, INCREMENTAL, rows, synced
from tests.handlers.given import change, fields_of, find, items_of
from tests.handlers.operations.given import operator
from tests.world import World, is_importable_person
from xpm.simulator.practice.model import Client
from xpm.simulator.serve import SimulatorHandle

MINUTE = 60.0


@pytest.fixture
def person(own_simulator: SimulatorHandle) -> Client:
    return find(own_simulator, is_importable_person)


def calls(simulator: SimulatorHandle) -> int:
    return simulator.simulator.counters.calls["client.api/get"]


def test_an_import_needs_no_call_of_its_own_soon_after_a_sync(
    own_world: World, own_simulator: SimulatorHandle, person: Client
) -> None:
    synced(own_world)
    own_world.pass_time(19 * MINUTE)
    row = own_world.run_import(person.uuid)
    assert (row.state, calls(own_simulator)) == (ImportState.SUCCEEDED, 0)


def test_long_after_it_asks_once_and_keeps_what_it_saw(
    own_sqlite_world: World, own_simulator: SimulatorHandle, person: Client
) -> None:
    synced(own_sqlite_world)
    before = rows(own_sqlite_world)[person.uuid]
    own_sqlite_world.pass_time(21 * MINUTE)
    change(own_simulator, person.uuid, phone="0400 000 000")
    assert own_sqlite_world.run_import(person.uuid).state is ImportState.SUCCEEDED
    assert calls(own_simulator) == 1
    after = rows(own_sqlite_world)[person.uuid]
    assert (after.record["phone"], after.content_hash == before.content_hash) == ("0400 000 000", False)


def test_a_sync_vouches_for_rows_that_it_left_alone(
    own_sqlite_world: World, own_simulator: SimulatorHandle, person: Client
) -> None:
    synced(own_sqlite_world)
    own_sqlite_world.pass_time(60 * MINUTE)
    synced(own_sqlite_world, INCREMENTAL)
    assert own_sqlite_world.run_import(person.uuid).state is ImportState.SUCCEEDED
    assert calls(own_simulator) == 0


def test_after_a_refusal_xpm_is_asked_so_that_a_correction_there_is_seen(
    own_sqlite_world: World, own_simulator: SimulatorHandle, person: Client
) -> None:
    change(own_simulator, person.uuid, email=None)
    synced(own_sqlite_world)
    assert own_sqlite_world.run_import(person.uuid).outcome_code == "email_missing"
    change(own_simulator, person.uuid, email="corrected@client.example")
    assert own_sqlite_world.run_import(person.uuid).state is ImportState.SUCCEEDED
    assert calls(own_simulator) == 1


def test_bringing_more_to_a_client_who_is_there_always_asks(
    own_sqlite_world: World, own_simulator: SimulatorHandle, person: Client
) -> None:
    world = own_sqlite_world
    synced(world)
    row = world.run_import(person.uuid)
    assert (row.client_id is not None, calls(own_simulator)) == (True, 0)
    change(own_simulator, person.uuid, phone="0400 000 000")
    assert row.client_id is not None
    caller = Caller(world.practice_id, world.staff_id, "Kim", Role.PARTNER, frozenset(Scope))
    portal_clients.import_items(
        world.database, world.bell, caller, row.client_id, "more", details=True, relationships=False
    )
    world.run_due()
    assert (fields_of(world, row)["phone"].value, calls(own_simulator)) == ("0400 000 000", 1)


def test_an_incremental_sync_does_not_stand_in_for_asking_about_relationships(
    own_sqlite_world: World, own_simulator: SimulatorHandle, person: Client
) -> None:
    # Given a client with a new relationship in XPM, which does not count as a change of theirs there
    world = own_sqlite_world
    synced(world)
    row = world.run_import(person.uuid)
    modified, other = person.modified, find(own_simulator, lambda record: record.uuid != person.uuid)
    change(own_simulator, person.uuid, relationships=[{"label": "Business Angel", "related_uuid": str(other.uuid)}])
    person.modified = modified
    # When an incremental sync comes between the request for their items and its jobs
    caller = Caller(world.practice_id, world.staff_id, "Kim", Role.PARTNER, frozenset(Scope))
    assert row.client_id is not None
    portal_clients.import_items(
        world.database, world.bell, caller, row.client_id, "more", details=True, relationships=True
    )
    synced(world, INCREMENTAL)
    world.run_due()
    # Then XPM is called, once
    assert "Business Angel" in {item.label for item in items_of(world, row)}
    assert calls(own_simulator) == 1


def test_an_amended_import_asks_anew(own_sqlite_world: World, own_simulator: SimulatorHandle, person: Client) -> None:
    change(own_simulator, person.uuid, email=None)
    synced(own_sqlite_world)
    row = own_sqlite_world.run_import(person.uuid)
    act = operator(own_sqlite_world)
    amend(own_sqlite_world.database, act, row.id, {"email": "own@client.example"})
    own_sqlite_world.run_due()
    assert own_sqlite_world.import_row(row.id).state is ImportState.SUCCEEDED
    assert calls(own_simulator) == 1


def test_a_record_that_is_gone_is_not_taken_from_the_directory(
    own_sqlite_world: World, own_simulator: SimulatorHandle, person: Client
) -> None:
    synced(own_sqlite_world)
    tenant = next(iter(own_simulator.simulator.tenants.values()))
    del tenant.practice.clients[person.uuid]
    tenant.encoder.forget(person.uuid)
    synced(own_sqlite_world, FULL)
    assert own_sqlite_world.run_import(person.uuid).outcome_code == "xpm_client_unknown"


def test_the_look_ahead_counts_the_rows_that_will_ask_xpm(
    own_sqlite_world: World, own_simulator: SimulatorHandle, person: Client
) -> None:
    world = own_sqlite_world
    caller = Caller(world.practice_id, world.staff_id, "Kim", Role.PARTNER, frozenset(Scope))

    def forecast_calls() -> int:
        wanted = [world.request(record.uuid) for record in (person, other)]
        return preflight.forecast(world.database, caller, wanted, Budget(60, 5000, None)).calls

    other = find(own_simulator, lambda record: is_importable_person(record) and record.uuid != person.uuid)
    change(own_simulator, other.uuid, email=None)
    assert forecast_calls() == 2
    synced(world)
    assert forecast_calls() == 0
    assert world.run_import(other.uuid).outcome_code == "email_missing"
    assert forecast_calls() == 1
    world.pass_time(21 * MINUTE)
    assert forecast_calls() == 2
