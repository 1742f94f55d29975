"""A practice's own words for business structures decide what a record may become; others keep the general rules."""

from __future__ import annotations

from uuid import uuid4

import pytest

from handlers.directory import structures
from handlers.errors import RequestRefused
from portal_db.states import ClientKind, EntityType, ImportState
from tests.handlers.directory.given import synced
from tests.handlers.given import change, find, is_active, records
from tests.world import World, is_importable_person
from xpm.simulator.serve import SimulatorHandle

ENTITY, INDIVIDUAL = ClientKind.ENTITY, ClientKind.INDIVIDUAL


def explain(world: World, word: str, kind: ClientKind, entity_type: EntityType | None = None) -> None:
    structures.explain(world.database, world.practice_id, word, kind, entity_type)


def test_what_staff_say_decides_and_what_they_take_back_does_not(
    own_world: World, own_simulator: SimulatorHandle
) -> None:
    charity = find(own_simulator, is_active)
    change(own_simulator, charity.uuid, business_structure="Charité  DGR")
    explain(own_world, " charite dgr", ENTITY, EntityType.OTHER)
    assert own_world.run_import(charity.uuid, "individual").outcome_code == "wrong_kind"
    explain(own_world, "CHARITÉ DGR", ENTITY, EntityType.TRUST)
    row = own_world.run_import(charity.uuid, "entity")
    assert row.state is ImportState.SUCCEEDED
    assert own_world.scalar("SELECT entity_type FROM clients") == "Trust"
    structures.forget(own_world.database, own_world.practice_id, "Charité DGR")
    with pytest.raises(RequestRefused, match="No meaning has been set"):
        structures.forget(own_world.database, own_world.practice_id, "Charité DGR")


def test_a_word_of_one_practice_is_not_another_s(own_sqlite_world: World, own_simulator: SimulatorHandle) -> None:
    person = find(own_simulator, is_importable_person)
    with pytest.raises(RequestRefused, match="no practice"):
        structures.explain(own_sqlite_world.database, uuid4(), "Individual", ENTITY, EntityType.OTHER)
    assert own_sqlite_world.run_import(person.uuid).state is ImportState.SUCCEEDED


def test_an_entity_has_a_type_and_an_individual_none(own_sqlite_world: World) -> None:
    for kind, entity_type in ((ENTITY, None), (INDIVIDUAL, EntityType.TRUST)):
        with pytest.raises(RequestRefused, match="one of the nine entity types"):
            explain(own_sqlite_world, "Club", kind, entity_type)


def test_the_list_has_every_word_with_its_records_and_what_it_is_taken_for(
    own_world: World, own_simulator: SimulatorHandle
) -> None:
    club, other, *_ = (record for record in records(own_simulator) if is_active(record))
    change(own_simulator, club.uuid, business_structure="Club")
    change(own_simulator, other.uuid, business_structure="Individual")
    synced(own_world)
    explain(own_world, "Unheard Of", INDIVIDUAL)
    found = {item.word: item for item in structures.listing(own_world.database, own_world.practice_id)}
    club_found, individual = found["Club"], found["Individual"]
    assert (club_found.records, sorted(club_found.kinds), club_found.is_set) == (1, [ENTITY, INDIVIDUAL], False)
    assert (list(individual.kinds), individual.is_set) == ([INDIVIDUAL], False)
    assert (found["Unheard Of"].records, found["Unheard Of"].is_set) == (0, True)
