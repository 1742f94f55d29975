"""Search answers from the directory of the caller's own connection, and from XPM only while that was never filled."""

from __future__ import annotations

import pytest

from config.folding import fold_name, fold_text
from handlers.access.caller import Caller, Scope
from handlers.directory import search
from portal_db.states import Role
from tests.handlers.directory.given import directory_of, synced
from tests.handlers.given import change, is_active, records
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


ALIKE = {
    "O\u2019Quill": ("o'quill", "OQUILL", "o\u02bcquill", "o`quill"),
    "O'Neil": ("oneil", "O\u2019NEIL", "o\uff07neil", "neil"),
    "Wei\u00dfbach": ("weissbach", "WEISSBACH", "wei\u00dfbach", "wei\u1e9ebach"),
    "Ann\u2011Marie": ("ann-marie", "ann marie", "marie ann", "ann\u2013marie"),
    "J\u00f8rgen \u00c6gir \u0141uk": ("jorgen aegir luk", "j\u00f8rgen", "\u0141UK", "aegir  jorgen"),
    "Zoe\u0308 Cr\u0153ur": ("zo\u00eb", "ZOE croeur", "zoe\u0308", "\u0153ur"),
    "Bo\u200bris\u00ad Lee": ("boris lee", "bo\u200bris", "lee boris", "boris\u00a0\u00a0lee"),
}


@pytest.mark.parametrize("name", ALIKE)
def test_a_name_is_found_however_its_letters_and_marks_are_typed(
    own_sqlite_world: World, own_simulator: SimulatorHandle, name: str
) -> None:
    record = next(record for record in records(own_simulator) if is_active(record))
    change(own_simulator, record.uuid, name=name)
    synced(own_sqlite_world)
    for typed in ALIKE[name]:
        assert found(own_sqlite_world, typed)[:1] == [name.replace("\u200b", "")] or name in found(
            own_sqlite_world, typed
        )
    assert found(own_sqlite_world, "--") == []
