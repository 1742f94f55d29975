"""`schedule list`, `run`, `pause` and `resume`, and the two commands for when somebody leaves, as they are typed."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from handlers.access.practices import add_operator
from portal_db.directory import schedules
from tests.handlers.given import link_entity
from tests.handlers.schedule.given import FULL, Office, office_of
from tests.handlers.schedule.test_leaving import connected_colleague
from tests.worker.cli.conftest import Cli
from tests.world import World
from worker.cli.exits import ExitCode

OLU = "olu@platform.example"
BY_OLU = ("--as", OLU)


@pytest.fixture
def scheduled(office: World) -> Office:
    """The office's directory has its schedules; Olu looks after the platform."""
    add_operator(office.database, "Olu Ops", OLU)
    return office_of(office)


def listed(cli: Cli, name: str) -> dict[str, object]:
    found: dict[str, object] = next(row for row in cli("schedule", "list", "--json").json() if row["schedule"] == name)
    return found


def test_a_sync_runs_now_and_is_listed(cli: Cli, scheduled: Office) -> None:
    name = scheduled.schedule().name
    before = listed(cli, name)
    assert (before["last"], before["skipped"], before["practices"]) == (None, None, ["Harbour Accounting"])
    job_id = cli("schedule", "run", name, *BY_OLU, "--json").json()["job_id"]
    again = cli("schedule", "run", name, *BY_OLU)
    assert (again.code, "is under way" in again.err) == (ExitCode.FAILED, True)
    scheduled.world.runner().run(UUID(job_id))
    after = listed(cli, name)
    last = after["last"]
    assert isinstance(last, dict)
    assert (last["state"], last["asked_by"], last["seen"]) == ("succeeded", "command line", 60)
    assert after["next_due_at"] == before["next_due_at"]
    shown = cli("schedule", "list")
    assert "60 seen" in " ".join(shown.out.split())
    assert max(map(len, shown.out.splitlines())) <= 80
    assert [row["schedule"] for row in cli("schedule", "list", "--practice", scheduled.world.practice_id, "--json").json()
            if row["mode"] is None] == []  # fmt: skip


def test_a_paused_schedule_says_by_whom_and_why(cli: Cli, scheduled: Office) -> None:
    name = scheduled.schedule().name
    assert cli("schedule", "pause", name, *BY_OLU, "--why", "XPM asked us to").code == ExitCode.DONE
    again = cli("schedule", "pause", name, *BY_OLU, "--why", "and again")
    assert (again.code, "Olu Ops" in again.err, "XPM asked us to" in again.err) == (ExitCode.FAILED, True, True)
    scheduled.until_due()
    scheduled.look()
    row = listed(cli, name)
    assert isinstance(row["skipped"], dict)
    assert (row["skipped"]["code"], row["skipped"]["why"]) == ("schedule_paused", "XPM asked us to")
    assert "paused by Olu Ops" in " ".join(cli("schedule", "list").out.split())
    assert cli("schedule", "resume", name, *BY_OLU).code == ExitCode.DONE
    assert "not paused" in cli("schedule", "resume", name, *BY_OLU).err
    # A sync that began since is what counts
    assert cli("schedule", "run", name, *BY_OLU).code == ExitCode.DONE
    assert listed(cli, name)["skipped"] is None
    with scheduled.world.database.read() as tx:
        [entry] = [entry for entry in schedules.listing(tx) if entry.schedule.name == name]
    assert (entry.schedule.paused_at, entry.paused_by) == (None, None)


@pytest.mark.usefixtures("scheduled")
def test_what_cannot_be_run_says_why(cli: Cli) -> None:
    assert "no schedule with this name" in cli("schedule", "run", "full-0", *BY_OLU).err
    assert "To run it now: portal-sync tidy." in cli("schedule", "run", "tidy", *BY_OLU).err


def test_somebody_leaves_and_a_colleague_takes_their_clients_on(
    cli: Cli, scheduled: Office, at_terminal: Callable[[], None]
) -> None:
    world, record = scheduled.world, uuid4()
    client_id = link_entity(world, record)
    colleague = connected_colleague(world, (record,))
    asked = cli("staff", "leave", world.staff_id, *BY_OLU)
    assert (asked.code, "There is no terminal to ask on: give --yes." in asked.err) == (ExitCode.MISUSED, True)
    assert "Kim" not in asked.err, "a script's log names nobody"
    at_terminal()
    asked = cli("staff", "leave", world.staff_id, *BY_OLU, given="n\n")
    assert (asked.code, "Kim, partner at Harbour Accounting" in asked.err) == (130, True)
    assert world.scalar("SELECT count(*) FROM staff WHERE left_at IS NOT NULL") == 0
    left = cli("staff", "leave", world.staff_id, *BY_OLU, "--yes")
    assert f"portal-sync connection reassign {world.connection_id}" in left.out
    given = ("connection", "reassign", world.connection_id, "--to", colleague, *BY_OLU)
    assert "would be moved" in cli(*given, "--dry-run").out
    moved = cli(*given, "--json").json()
    assert (moved["moved"], moved["left"]) == ([str(client_id)], [])
    refused = cli("connection", "reassign", world.connection_id, "--to", uuid4(), *BY_OLU)
    assert (refused.code, "Nobody with this id" in refused.err) == (ExitCode.FAILED, True)
    assert FULL.value == scheduled.schedule().mode
