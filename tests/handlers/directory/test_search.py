"""Search answers from the directory of the caller's own connection, and from XPM only while that was never filled."""

from __future__ import annotations

import pytest

from config.folding import fold_name, fold_text
from handlers.access.caller import Caller, Scope
from handlers.directory import search
from portal_db.states import Role
from tests.alike import ALIKE
from tests.handlers.directory.given import directory_of, synced
from tests.handlers.given import change, find, is_active, is_company, records
from tests.world import World
from xpm.simulator.serve import SimulatorHandle

NAMES = ("Zoë O'Brixen", "Brixen & Sons Pty Ltd", "ЖУКОВ Holdings", "100% Pure_Water", "O'Brixen Zoologists")


@pytest.fixture
def named(own_world: World, own_simulator: SimulatorHandle) -> World:
    """A directory with names that are hard to find."""
    active = [record for record in records(own_simulator) if is_active(record)]
    for record, name in zip(active, NAMES, strict=False):
        change(own_simulator, record.uuid, name=name)
    synced(own_world)
    own_simulator.simulator.counters.reset()
    return own_world


def caller(world: World) -> Caller:
    return Caller(world.practice_id, world.staff_id, "Kim", Role.PARTNER, frozenset(Scope))


def found(world: World, text: str) -> list[str]:
    return [item.record.name for item in search.search_xpm(world.services, caller(world), text)]


def test_names_are_found_by_any_part_in_any_case_and_script(named: World, own_simulator: SimulatorHandle) -> None:
    assert found(named, "ZOE O'B") == ["Zoë O'Brixen"]
    assert found(named, "жуков") == ["ЖУКОВ Holdings"]
    assert found(named, "% pure_w") == ["100% Pure_Water"]
    assert found(named, "sons brixen") == ["Brixen & Sons Pty Ltd"]
    assert found(named, "0% p") == ["100% Pure_Water"]
    assert found(named, "0_ p") == []
    assert own_simulator.simulator.counters.calls.total() == 0


def test_a_client_is_found_by_the_beginning_of_its_code(named: World, own_simulator: SimulatorHandle) -> None:
    # Given a record whose code is like no name
    zoe = next(record for record in records(own_simulator) if record.name == "Zoë O'Brixen")
    change(own_simulator, zoe.uuid, client_code="ÖX-77 01")
    synced(named)
    # Then it is found by its code, in any case, and not by a part of it or a code that goes on
    assert found(named, "öx-77 01") == found(named, "ox-7") == ["Zoë O'Brixen"]
    assert found(named, "77 01") == found(named, "öx-77 012") == []


def test_names_that_begin_with_the_text_come_first(named: World) -> None:
    assert found(named, "o'brixen") == ["O'Brixen Zoologists", "Zoë O'Brixen"]
    assert found(named, "brixen") == ["Brixen & Sons Pty Ltd", "O'Brixen Zoologists", "Zoë O'Brixen"]


def test_a_directory_that_was_never_filled_leaves_it_to_xpm_and_is_being_filled(
    own_sqlite_world: World, own_simulator: SimulatorHandle
) -> None:
    directory_of(own_sqlite_world)
    name = next(record.name for record in records(own_simulator) if is_active(record))
    assert name in found(own_sqlite_world, name)
    assert own_simulator.simulator.counters.calls["client.api/search"] == 1
    own_sqlite_world.run_due()
    assert directory_of(own_sqlite_world).cursor is not None


def test_searching_is_use_and_is_noted_once_an_hour(named: World) -> None:
    long_ago = directory_of(named).last_used_at
    found(named, "brixen")
    assert directory_of(named).last_used_at == long_ago
    named.pass_time(3600)
    found(named, "brixen")
    assert directory_of(named).last_used_at >= long_ago


def test_a_folded_name_is_its_own_fold() -> None:
    for name in (*NAMES, "STRAẞE", "ﬁnance", "  two   words "):
        assert fold_text(fold_text(name)) == fold_text(name)
        assert fold_name(fold_name(name)) == fold_name(name)


def test_a_name_is_found_however_its_letters_and_marks_are_typed(
    own_world: World, own_simulator: SimulatorHandle
) -> None:
    active = [record for record in records(own_simulator) if is_active(record)]
    uuids = {name: record.uuid for name, record in zip(ALIKE, active, strict=False)}
    for name, uuid in uuids.items():
        change(own_simulator, uuid, name=name)
    synced(own_world)
    for name, spellings in ALIKE.items():
        for typed in spellings:
            results = search.search_xpm(own_world.services, caller(own_world), typed)
            assert uuids[name] in {item.record.uuid for item in results if not item.is_guess}, typed
    assert found(own_world, "--") == []


def test_one_typing_error_is_a_guess_where_nothing_matches_exactly(named: World) -> None:
    def guessed(text: str) -> list[tuple[str, bool]]:
        results = search.search_xpm(named.services, caller(named), text)
        return [(item.record.name, item.is_guess) for item in results]

    assert guessed("zoologsits") == [("O'Brixen Zoologists", True)]
    assert guessed("жуквв") == [("ЖУКОВ Holdings", True)]
    assert ("100% Pure_Water", True) in guessed("pure_wafer")
    assert guessed("bxixen sons") == [("Brixen & Sons Pty Ltd", True)]
    assert all(not is_guess for _, is_guess in guessed("brixen"))
    assert guessed("zooooologists") == []
    assert guessed("sonz") == []


def test_what_the_portal_has_exactly_is_no_reason_to_guess_in_xpm(named: World, own_simulator: SimulatorHandle) -> None:
    def searched() -> tuple[list[str], list[str], bool]:
        both = search.search_all(named.services, caller(named), "zoologsits", with_xpm=True)
        in_xpm = [item.record.name for item in both.xpm or ()]
        return [entry.client.name for entry in both.clients], in_xpm, both.is_guess

    assert searched() == ([], ["O'Brixen Zoologists"], True)
    named.run_import(find(own_simulator, is_company).uuid, "entity", name="Zoologsits Pty Ltd", bring_details=False)
    assert searched() == (["Zoologsits Pty Ltd"], [], False)
