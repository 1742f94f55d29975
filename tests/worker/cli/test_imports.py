"""Listing imports and showing one: what was asked, what its jobs wait for, and who changed it."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import update

from portal_db.states import ErrorClass, JobState
from portal_db.tables import Job
from portal_db.types import db_now
from tests.handlers.given import make_odd
from tests.making import importable
from tests.worker.cli.conftest import Cli
from tests.world import World
from xpm.simulator.serve import SimulatorHandle


def test_the_list_is_newest_first_and_can_be_narrowed(cli: Cli, office: World, simulator: SimulatorHandle) -> None:
    # Given one import that succeeded and one that was not begun
    done = office.run_import(importable(simulator)[0].uuid).id
    waiting = office.ask(uuid4())
    # Then both are listed, and each alone by its state
    assert [row["id"] for row in cli("imports", "list", "--json").json()] == [str(waiting), str(done)]
    assert [row["id"] for row in cli("imports", "list", "--limit", "1", "--json").json()] == [str(waiting)]
    assert [row["id"] for row in cli("imports", "list", "--state", "succeeded", "--json").json()] == [str(done)]
    both = cli("imports", "list", "--state", "succeeded", "--state", "accepted", "--practice", office.practice_id)
    assert str(done) in both.out
    assert str(waiting) in both.out
    assert max(map(len, both.out.splitlines())) <= 80
    assert "The newest 1 import; more with --limit" in cli("imports", "list", "--limit", "1").out


@pytest.mark.usefixtures("office")
def test_a_list_without_imports_says_so(cli: Cli) -> None:
    assert cli("imports", "list").out == "No imports.\n"
    assert cli("imports", "list", "--json").json() == []


@pytest.mark.usefixtures("office")
def test_unknown_ids_are_one_line(cli: Cli) -> None:
    nobody = uuid4()
    for arguments in (("imports", "list", "--practice", nobody), ("imports", "show", nobody)):
        ran = cli(*arguments)
        assert (ran.code, ran.out) == (1, "")
        assert str(nobody) in ran.err
        assert len(ran.err.splitlines()) == 1


def test_an_import_is_shown_with_its_jobs_and_its_history(cli: Cli, office: World, simulator: SimulatorHandle) -> None:
    # Given an import that succeeded, asked for with a name of many scripts
    import_id = office.run_import(importable(simulator)[0].uuid, name="Łukasz 🦘 أحمد", send_welcome_email=True).id
    # When it is shown to a script
    told = cli("imports", "show", import_id, "--json").json()
    # Then all jobs and changes are there
    assert {job["kind"]: job["state"] for job in told["jobs"]} == {
        "validate_import": "succeeded",
        "create_client": "succeeded",
        "import_details": "succeeded",
        "import_relationships": "succeeded",
        "send_welcome_email": "succeeded",
    }
    assert [entry["after"] for entry in told["history"]][-1] == "succeeded"
    # And to a person, within 80 columns
    shown = cli("imports", "show", import_id)
    assert "Łukasz 🦘 أحمد" in shown.out
    assert "import_relationships" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80


def test_what_was_left_out_is_named_and_never_shown(
    cli: Cli, own_office: World, own_simulator: SimulatorHandle
) -> None:
    record = importable(own_simulator)[0]
    make_odd(own_simulator, record, dateOfBirth="sometime in May", relationships="see notes")
    import_id = own_office.run_import(record.uuid).id
    assert cli("imports", "show", import_id, "--json").json()["left_out"] == ["dateOfBirth", "relationships"]
    shown = cli("imports", "show", import_id).out
    told = "Left out, because XPM has them in a form that cannot be read: dateOfBirth, relationships"
    assert told in " ".join(shown.split())
    assert "May" not in shown


def test_what_a_job_waits_for_and_until_when_is_shown(cli: Cli, office: World) -> None:
    # Given a job that was put off
    import_id = office.ask(uuid4())
    (job,) = office.jobs_of(import_id).values()
    assert "Waiting to start…" in " ".join(cli("imports", "show", import_id).out.split())
    with office.database.write() as tx:
        tx.session.execute(
            update(Job)
            .where(Job.id == job.id)
            .values(
                state=JobState.WAITING,
                next_attempt_at=db_now(60),
                error_class=ErrorClass.DEFERRED,
                error_code="xpm_quota",
                error_message="Waiting for the XPM minute limit.",
            )
        )
    # Then its reason and its time are shown
    (told,) = cli("imports", "show", import_id, "--json").json()["jobs"]
    assert (told["state"], told["waits_for"]) == ("waiting", "Waiting for the XPM minute limit.")
    assert told["until"] is not None
    shown = " ".join(cli("imports", "show", import_id).out.split())
    assert "Waiting for the XPM minute limit. Until 2" in shown


def test_nothing_of_a_name_reaches_the_terminal_as_a_command(cli: Cli, office: World) -> None:
    # Given a name with a mark that turns writing around
    import_id = office.ask(uuid4(), name="abc\u202edef [bold]x[/bold]")
    # Then it is shown as a mark that does nothing, and brackets stay what they are
    shown = cli("imports", "show", import_id).out
    assert "\u202e" not in shown
    assert "abc\ufffddef [bold]x[/bold]" in shown
