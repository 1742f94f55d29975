"""The commands for directories: listed, shown, synced now, accepted with the names of who would go, and structures."""

from __future__ import annotations

from uuid import uuid4

import pytest

from handlers.access.practices import add_operator
from tests.handlers.directory.given import begin, directory_of, present, synced
from tests.handlers.given import records
from tests.worker.cli.conftest import Cli
from tests.world import TENANT, World
from xpm.simulator.serve import SimulatorHandle

OPERATOR = "olu@platform.example"


@pytest.fixture
def yard(own_office: World) -> World:
    """A practice with an XPM of its own behind `cli`, which is to be asked for first, and an operator."""
    add_operator(own_office.database, "Olu Ops", OPERATOR)
    return own_office


def test_directories_are_listed_and_shown_with_their_syncs(cli: Cli, yard: World) -> None:
    assert "There are no directories" in cli("directory", "list").out
    synced(yard)
    [found] = cli("directory", "list", "--json").json()
    assert (found["records"], found["held"], found["last_sync"]["state"]) == (40, False, "succeeded")
    for ran in (cli("directory", "list"), cli("directory", "show", found["id"])):
        assert (ran.code, found["id"] in ran.out, "Harbour Accounting" in ran.out) == (0, True, True)
        assert max(map(len, ran.out.splitlines())) <= 80
    [sync] = cli("directory", "show", found["id"], "--json").json()["syncs"]
    assert (sync["mode"], sync["added"]) == ("full", 40)
    assert cli("directory", "show", uuid4()).code == 1


def test_what_could_not_be_read_is_counted_and_named(cli: Cli, yard: World, own_simulator: SimulatorHandle) -> None:
    nameless, odd, *_ = records(own_simulator)
    synced(yard)
    practice = own_simulator.simulator.tenants[TENANT].practice
    practice.odd_values = {nameless.uuid: {"name": ""}, odd.uuid: {"dateOfBirth": "Wyett", "isProspect": "Coyote"}}
    own_simulator.simulator.tenants[TENANT].encoder.forget(None)
    synced(yard)
    ran = cli("directory", "show", directory_of(yard).id)
    assert "1 record cannot be read" in ran.out
    assert f"{odd.uuid}  dateOfBirth, isProspect" in ran.out
    assert "Wyett" not in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80
    found = cli("directory", "show", directory_of(yard).id, "--json").json()
    assert (found["unread"], found["incomplete"]) == (1, 1)
    assert found["left_out"] == [{"xpm_uuid": str(odd.uuid), "fields": ["dateOfBirth", "isProspect"]}]
    assert [sync["unread"] for sync in found["syncs"]] == [1, 0]


def test_a_sync_is_asked_for_once_at_a_time(cli: Cli, yard: World) -> None:
    synced(yard)
    directory = directory_of(yard)
    ran = cli("directory", "sync", directory.id, "--full", "--json")
    assert (ran.code, set(ran.json())) == (0, {"sync_id", "job_id"})
    again = cli("directory", "sync", directory.id)
    assert (again.code, "A sync of this directory is under way. It ends, or is tried again, by " in again.err) == (
        1,
        True,
    )
    yard.run_due()
    assert cli("directory", "show", directory.id, "--json").json()["last_sync"]["mode"] == "full"
    assert "There is no directory with this id" in cli("directory", "sync", uuid4()).err


def test_accepting_shows_who_would_go_and_asks(cli: Cli, yard: World, own_simulator: SimulatorHandle) -> None:
    synced(yard)
    directory, gone = directory_of(yard), records(own_simulator)[:25]
    assert "waiting for acceptance" in cli("directory", "accept", directory.id, "--as", OPERATOR).err
    for record in gone:
        del own_simulator.simulator.tenants[TENANT].practice.clients[record.uuid]
    synced(yard)
    rehearsed = cli("directory", "accept", directory.id, "--as", OPERATOR, "--dry-run")
    assert (rehearsed.code, "Nothing was changed" in rehearsed.out, "and 5 more" in rehearsed.out) == (0, True, True)
    assert sum(record.name in rehearsed.out for record in gone) >= 20
    asked = cli("directory", "accept", directory.id, "--as", OPERATOR)
    assert (asked.code, "give --yes" in asked.err, len(present(yard))) == (2, True, 40)
    done = cli("directory", "accept", directory.id, "--as", OPERATOR, "--yes", "--json").json()
    assert (done["gone"], {row["xpm_uuid"] for row in done["records"]}) == (25, {str(row.uuid) for row in gone})
    assert len(present(yard)) == 15


def test_structures_are_explained_listed_and_forgotten(cli: Cli, yard: World) -> None:
    begin(yard)
    yard.run_due()
    of = ("--practice", yard.practice_id)
    assert cli("directory", "structures", "set", "Club", *of, "--kind", "entity", "--type", "Other").out == (
        "Club: entity, Other.\n"
    )
    found = {item["structure"]: item for item in cli("directory", "structures", "list", *of, "--json").json()}
    assert (found["Club"]["is_set"], found["Individual"]["kinds"]) == (True, ["individual"])
    assert "Individual" in cli("directory", "structures", "list", *of).out
    assert cli("directory", "structures", "set", "Club", *of, "--kind", "entity").code == 2
    assert cli("directory", "structures", "forget", "CLUB", *of).code == 0
    assert cli("directory", "structures", "forget", "CLUB", *of).code == 1
