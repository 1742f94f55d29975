"""Odd values in XPM cost nobody more than themselves: the sync lists the rest, and the client is imported without them."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from config.logging import set_up_logging
from config.settings import Settings
from handlers.access.caller import Caller
from handlers.directory.lookup import confirmed_at
from handlers.imports import queries
from portal_db.access import people
from portal_db.directory import unreadable
from portal_db.states import ImportState, SyncState
from portal_db.tables import Relationship
from tests.handlers.directory.given import directory_of, present, synced
from tests.handlers.given import find, make_odd, records, values_of
from tests.making import importable
from tests.test_logging import as_it_was
from tests.world import TENANT, World, is_importable_person
from xpm.simulator.practice.model import Client
from xpm.simulator.serve import SimulatorHandle

__all__ = ["as_it_was"]

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def person_with_relationships(simulator: SimulatorHandle) -> Client:
    return find(simulator, lambda each: is_importable_person(each) and len(each.relationships) > 1)


def ties_of(record: Client, **first: object) -> list[dict[str, object]]:
    """A record's relationships as XPM sends them, with these values in the first."""
    rows: list[dict[str, object]] = [
        {"type": row.label, "relatedClient": {"uuid": str(row.related_uuid), "name": row.related_name}}
        for row in record.relationships
    ]
    return [rows[0] | first, *rows[1:]]


@on_postgresql
@pytest.mark.parametrize(
    "written",
    ["26 November", "1970-02-31", "2999-01-01", "/Date(28378800000)/", "x" * 70_000],
    ids=lambda text: text[:12],
)
def test_a_client_is_imported_without_a_birth_date_that_cannot_be_read(
    own_world: World, own_simulator: SimulatorHandle, written: str
) -> None:
    record = find(own_simulator, is_importable_person)
    make_odd(own_simulator, record, dateOfBirth=written)
    with capture_logs() as logs:
        sync = synced(own_world)
    assert (sync.state, sync.seen, sync.unread) == (SyncState.SUCCEEDED, 40, 0)
    # Named in the log and in the directory, without the value
    (line,) = [entry for entry in logs if entry["event"] == "directory.left_out"]
    assert (line["sync"], line["xpm_uuid"], line["fields"]) == (str(sync.id), str(record.uuid), ["dateOfBirth"])
    with own_world.database.read() as tx:
        found = unreadable.in_directory(tx, directory_of(own_world), limit=10)
    assert (found.records, found.incomplete, list(found.fields)) == (0, 1, [(record.uuid, ["dateOfBirth"])])
    # The client is imported, and the requester sees what was left out
    row = own_world.run_import(record.uuid)
    assert row.state is ImportState.SUCCEEDED
    assert queries.details(own_world.database, row.id).left_out == ("dateOfBirth",)
    with own_world.database.read() as tx:
        staff = people.get_staff(tx, row.requested_by, practice_id=own_world.practice_id)
    assert staff is not None
    assert queries.get_import(own_world.database, Caller.of(staff), row.id).left_out == ("dateOfBirth",)


@pytest.mark.usefixtures("as_it_was")
def test_the_log_of_a_process_names_what_was_left_out_and_what_the_sync_found(
    own_sqlite_world: World, own_simulator: SimulatorHandle, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a record with a birth date that cannot be read, and one without a name
    record, nameless, *_ = importable(own_simulator)
    make_odd(own_simulator, record, dateOfBirth="26 November")
    make_odd(own_simulator, nameless, name="")
    # When a process whose logging is set up reads the directory
    set_up_logging(Settings(log_format="json"))
    sync = synced(own_sqlite_world)
    # Then its lines say of which sync, which record and which field, without a value
    text = capsys.readouterr().err
    lines = {line["event"]: line for line in map(json.loads, text.splitlines())}
    left_out, unread, done = (lines[f"directory.{each}"] for each in ("left_out", "unreadable", "synced"))
    assert (left_out["sync"], left_out["xpm_uuid"]) == (str(sync.id), str(record.uuid))
    assert left_out["fields"] == ["dateOfBirth"]
    assert (unread["sync"], unread["problem"]) == (str(sync.id), f"name of client {nameless.uuid} is missing")
    assert (done["mode"], done["seen"], done["unread"], done["held"]) == ("full", sync.seen, 1, False)
    assert "November" not in text


#: What may stand in XPM for a birth date, and what the portal has of it then.
BORN = {
    "/Date(28425600000+0000)/": "1970-11-26",
    "/Date(-28425600000+0000)/": "1969-02-06",
    "1970-11-26T00:00:00+11:00": "1970-11-26",
    "19701126": "1970-11-26",
    "26/11/1970": "1970-11-26",
    "0001-01-01": None,
    "1753-01-01": None,
    "1900-01-01T00:00:00": None,
}


def test_what_is_unambiguous_is_imported_as_it_was_meant(
    own_sqlite_world: World, own_simulator: SimulatorHandle
) -> None:
    # Given clients whose birth dates and flags are written in many ways, in a practice at Sydney
    born = dict(zip(BORN, importable(own_simulator), strict=False))
    for (written, record), no in zip(born.items(), ("N", "0", "false", "No") * 2, strict=True):
        make_odd(own_simulator, record, dateOfBirth=written, isArchived=no, isDeleted=no)
    synced(own_sqlite_world)
    # When each is imported, then nothing is left out, and dates that mean none are none
    for written, record in born.items():
        row = own_sqlite_world.run_import(record.uuid)
        assert row.state is ImportState.SUCCEEDED, written
        assert queries.details(own_sqlite_world.database, row.id).left_out == ()
        assert values_of(own_sqlite_world, row).get("date_of_birth") == BORN[written]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "America/Toronto"])
def test_a_day_before_its_month_is_left_out_where_not_everybody_writes_so(
    own_sqlite_world: World, own_simulator: SimulatorHandle, zone: str
) -> None:
    record = find(own_simulator, is_importable_person)
    make_odd(own_simulator, record, dateOfBirth="3/4/1970")
    with own_sqlite_world.database.write() as tx:
        people.set_practice(tx, own_sqlite_world.practice_id, {"time_zone": zone})
    with capture_logs() as logs:
        row = own_sqlite_world.run_import(record.uuid)
    # An import that reads XPM itself names it in the log, as a sync does
    named = [(line["import_id"], line["fields"]) for line in logs if line["event"] == "directory.left_out"]
    assert named == [(str(row.id), ["dateOfBirth"])]
    assert row.state is ImportState.SUCCEEDED
    assert queries.details(own_sqlite_world.database, row.id).left_out == ("dateOfBirth",)


@on_postgresql
@pytest.mark.parametrize(
    ("first", "left_out", "kept"),
    [
        (
            {"numberOfShares": "1,000", "percentage": "33,33"},
            ("relationships.numberOfShares", "relationships.percentage"),
            0,
        ),
        ({"relatedClient": None}, (), 1),
        ({"relatedClient": {"uuid": "unknown", "name": "Somebody"}}, ("relationships.relatedClient.uuid",), 1),
        ({"type": ""}, ("relationships.type",), 1),
        ({"relatedClient": "Jane Roe"}, ("relationships.relatedClient",), 1),
        ({"relatedClient": {"person": "Jane Roe"}}, ("relationships.relatedClient",), 1),
    ],
)
def test_a_relationship_that_cannot_be_read_leaves_the_others(
    own_world: World, own_simulator: SimulatorHandle, first: dict[str, Any], left_out: tuple[str, ...], kept: int
) -> None:
    record = person_with_relationships(own_simulator)
    make_odd(own_simulator, record, relationships=ties_of(record, **first))
    row = own_world.run_import(record.uuid)
    assert row.state is ImportState.SUCCEEDED
    assert queries.details(own_world.database, row.id).left_out == left_out
    seen = record.relationships[kept:]
    assert {each.other_xpm_uuid for each in relationships(own_world)} == {tie.related_uuid for tie in seen}


@on_postgresql
def test_a_relationship_that_can_no_longer_be_read_has_not_ended(
    own_world: World, own_simulator: SimulatorHandle
) -> None:
    record = person_with_relationships(own_simulator)
    own_world.run_import(record.uuid)
    known = len(relationships(own_world))
    ties = ties_of(record)
    for odd in (
        ties_of(record, type=""),
        ties_of(record, relatedClient="Jane Roe"),
        ties_of(record, relatedClient=str(record.relationships[0].related_uuid)),
        ["see notes", *ties[1:]],
        "see notes",
        "see notes " * 7_000,
        {"note": "see notes"},
        [ties],
    ):
        make_odd(own_simulator, record, relationships=odd)
        synced(own_world)
        own_world.run_due()
        assert [each.gone_at for each in relationships(own_world)] == [None] * known
    # When XPM has the others in a form that can be read, the first has ended
    make_odd(own_simulator, record, relationships=ties[1:])
    synced(own_world)
    own_world.run_due()
    assert len([each for each in relationships(own_world) if each.gone_at is not None]) == 1


@on_postgresql
def test_a_value_of_a_relationship_that_can_no_longer_be_read_stays_as_it_was(
    own_world: World, own_simulator: SimulatorHandle
) -> None:
    # Given a relationship that was imported with every value
    record = person_with_relationships(own_simulator)
    other = str(record.relationships[0].related_uuid)
    known = {"type": "Business Angel", "relatedClient": {"uuid": other, "name": "Jane Roe"}}
    known |= {"numberOfShares": "1000", "percentage": "33.33", "startDate": "2011-01-01", "endDate": "2013-03-31"}
    make_odd(own_simulator, record, relationships=ties_of(record, **known))
    own_world.run_import(record.uuid)

    def values() -> tuple[Any, ...]:
        synced(own_world)
        own_world.run_due()
        (item,) = (each for each in relationships(own_world) if each.label == "Business Angel")
        dates = item.start_date, item.end_date
        return item.other_name, item.number_of_shares, item.percentage, *dates, item.gone_at

    before = values()
    assert before == ("Jane Roe", 1000, Decimal("33.33"), date(2011, 1, 1), date(2013, 3, 31), None)
    # When XPM has them in a form that cannot be read, and no name, then a re-sync leaves them as they were
    odd = {"numberOfShares": "1,000", "percentage": "33,33", "startDate": "soon", "endDate": "31 March 2013"}
    nameless = {"relatedClient": {"uuid": other, "name": ""}}
    make_odd(own_simulator, record, relationships=ties_of(record, **(known | odd | nameless)))
    assert values() == before
    # And what XPM no longer has at all is gone
    none = dict.fromkeys(odd)
    make_odd(own_simulator, record, relationships=ties_of(record, **(known | none | {"endDate": "31 March 2013"})))
    assert values() == ("Jane Roe", None, None, None, date(2013, 3, 31), None)


@on_postgresql
@pytest.mark.parametrize(
    ("values", "left_out"),
    [
        ({"relationships": "see notes"}, ("relationships",)),
        ({"groups": "VIP"}, ("groups",)),
        ({"phone": {"number": "02 5550 1234"}}, ("phone",)),
    ],
)
def test_another_shape_than_expected_is_left_out_and_named(
    own_world: World, own_simulator: SimulatorHandle, values: dict[str, object], left_out: tuple[str, ...]
) -> None:
    record = find(own_simulator, is_importable_person)
    make_odd(own_simulator, record, **values)
    sync = synced(own_world)
    assert (sync.state, sync.seen, sync.unread) == (SyncState.SUCCEEDED, 40, 0)
    row = own_world.run_import(record.uuid)
    assert row.state is ImportState.SUCCEEDED
    assert queries.details(own_world.database, row.id).left_out == left_out


def relationships(world: World) -> list[Relationship]:
    with world.database.read() as tx:
        return list(tx.session.query(Relationship))


@on_postgresql
def test_a_client_that_nests_too_deeply_costs_nobody_else_anything(
    own_world: World, own_simulator: SimulatorHandle
) -> None:
    # Given a practice that was read, and then a client with something deep in a field that is not read
    synced(own_world)
    record = find(own_simulator, is_importable_person)
    deep: object = "note"
    for _ in range(100):
        deep = {"note": deep}
    make_odd(own_simulator, record, spouse=deep)
    # When the practice is read again, then the others are, and what was known of this client is kept
    sync = synced(own_world)
    assert (sync.state, sync.seen, sync.unread, sync.gone) == (SyncState.SUCCEEDED, 40, 1, 0)
    assert present(own_world)[record.uuid].record["name"] == record.name


@on_postgresql
def test_odd_characters_in_one_name_cost_nobody_anything(own_world: World, own_simulator: SimulatorHandle) -> None:
    own_simulator.simulator.knobs = own_simulator.simulator.knobs.changed({"strict_content_type": False})  # XML
    odd = dict(zip(("\x0b", "\x1f", "\r\n", "\ufffe"), importable(own_simulator), strict=False))
    for character, record in odd.items():
        make_odd(own_simulator, record, name=record.name + character)
    sync = synced(own_world)
    assert (sync.state, sync.seen, sync.unread) == (SyncState.SUCCEEDED, 40, 0)
    rows = present(own_world)
    assert {rows[record.uuid].record["name"] for record in odd.values()} == {record.name for record in odd.values()}
    # And each is imported
    assert {own_world.run_import(record.uuid).state for record in odd.values()} == {ImportState.SUCCEEDED}


@on_postgresql
def test_ampersands_that_nobody_escaped_cost_nobody_anything(
    own_world: World, own_simulator: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_simulator.simulator.knobs = own_simulator.simulator.knobs.changed({"strict_content_type": False})  # XML
    monkeypatch.setattr("xpm.simulator.formats.escape", lambda text, **_: text.replace("<", "&lt;"))
    record = find(own_simulator, is_importable_person)
    make_odd(own_simulator, record, name="Jane & Joe&nbsp;Roe")
    sync = synced(own_world)
    assert (sync.state, sync.seen, sync.unread) == (SyncState.SUCCEEDED, 40, 0)
    assert present(own_world)[record.uuid].record["name"] == "Jane & Joe&nbsp;Roe"
    assert own_world.run_import(record.uuid).state is ImportState.SUCCEEDED


@on_postgresql
def test_a_practice_full_of_odd_values_is_listed_and_imported(own_world: World, own_simulator: SimulatorHandle) -> None:
    own_simulator.simulator.tenants[TENANT].practice.odd_percent = 100
    sync = synced(own_world)
    assert (sync.state, sync.seen, sync.gone) == (SyncState.SUCCEEDED, 40, 0)
    directory, rows = directory_of(own_world), present(own_world)
    assert len(rows) == 40 - (sync.unread or 0)
    assert {confirmed_at(row, directory) for row in rows.values()} == {directory.cursor}
    assert any(row.record.get("omissions") for row in rows.values())
    importable = [each for each in records(own_simulator) if is_importable_person(each) and each.uuid in rows]
    ended = {own_world.run_import(each.uuid).outcome_code for each in importable}
    assert ended <= {None, "email_ambiguous", "email_invalid", "email_taken"}
