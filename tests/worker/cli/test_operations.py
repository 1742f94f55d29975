"""The commands that correct, cancel, pause and explain, and those for emails of unknown outcome."""

from __future__ import annotations

from uuid import UUID

import pytest

from handlers.access.act import act_of
from handlers.access.practices import add_operator
from handlers.imports.cancel import cancel
from portal_db import audit
from portal_db.states import EmailState, ImportState, JobState, Lane
from portal_db.tables import AuditEntry
from portal_db.work import imports
from tests.handlers.given import run_only
from tests.handlers.operations import given as ops
from tests.making import claim, importable
from tests.worker.cli.conftest import Cli
from tests.worker.cli.test_dead import AS, OLU, fits
from tests.world import World
from xpm.simulator.serve import SimulatorHandle


@pytest.fixture(autouse=True)
def olu(office: World) -> UUID:
    """An operator."""
    return add_operator(office.database, "Olu Ops", OLU)


def test_a_rejected_import_is_amended_and_its_audit_holds_no_address(
    cli: Cli, office: World, simulator: SimulatorHandle
) -> None:
    import_id = ops.ask(office, simulator, email="nobody")
    office.run_due()
    bad = cli("imports", "amend", import_id, "--email", "still nobody", *AS)
    assert (bad.code, bad.out) == (1, "")
    assert bad.err == "Error: --email: That email address isn't valid. Correct the email address.\n"
    ran = cli("imports", "amend", import_id, "--email", "mia@moss.example", "--subscription", "pro", *AS)
    assert fits(ran) == "Revision 2: email, subscription corrected. The import is accepted."
    office.run_due()
    assert ops.holds_together(office, import_id) is ImportState.SUCCEEDED
    told = cli("imports", "amend", import_id, "--name", "Mia", *AS)
    assert (told.code, "This import's state is succeeded" in told.err) == (1, True)
    with office.database.read() as tx:
        entries = audit.of_subject(tx, "import", import_id)
    assert all("@" not in f"{entry.before}{entry.after}{entry.why}" for entry in entries)


def test_an_import_is_cancelled(cli: Cli, office: World, simulator: SimulatorHandle) -> None:
    import_id = ops.ask(office, simulator)
    assert cli("imports", "cancel", import_id, *AS).code == 2
    assert fits(cli("imports", "cancel", import_id, *AS, "--dry-run")) == "1 import would be cancelled."
    assert fits(cli("imports", "cancel", import_id, *AS, "--yes")) == "1 import cancelled: 1 cancelled."
    assert ops.holds_together(office, import_id) is ImportState.CANCELLED
    for more in (("--yes",), ("--dry-run",)):
        again = cli("imports", "cancel", import_id, *AS, *more)
        assert (again.code, "already closed: cancelled" in again.err) == (1, True)


def test_a_batch_is_cancelled_but_for_what_is_closed(cli: Cli, office: World, simulator: SimulatorHandle) -> None:
    rows = [office.request(record.uuid) for record in importable(simulator)[:4]]
    ids = office.ask_batch(rows)
    with office.database.read() as tx:
        row = imports.get(tx, ids[0])
        assert row is not None
        batch_id = row.batch_id
    for kind in ("validate_import", "create_client"):
        run_only(office, ids[0], kind)
    ops.die(office, ids[3], "validate_import")
    assert fits(cli("imports", "cancel", "--batch", batch_id, *AS, "--dry-run")) == "3 imports would be cancelled."
    told = cli("imports", "cancel", "--batch", batch_id, *AS, "--yes", "--json").json()
    assert [(row["id"], row["state"]) for row in told["cancelled"]] == [
        (str(ids[2]), "cancelled"), (str(ids[1]), "cancelled"), (str(ids[0]), "partly_succeeded")
    ]  # fmt: skip
    assert [ops.holds_together(office, import_id) for import_id in ids] == [
        ImportState.PARTLY_SUCCEEDED, ImportState.CANCELLED, ImportState.CANCELLED, ImportState.FAILED
    ]  # fmt: skip
    assert office.run_due() == 0


def test_what_a_batch_did_not_let_cancel_is_listed_and_no_success(
    cli: Cli, office: World, simulator: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a batch of two, of which one closes while the command asks
    ids = office.ask_batch([office.request(record.uuid) for record in importable(simulator)[:2]])
    batch_id = office.import_row(ids[0]).batch_id

    def cancel_one(*_: object, **__: object) -> None:
        cancel(office.database, act_of(office.database, OLU, "asked twice"), ids[0])

    monkeypatch.setattr("worker.cli.imports.manage.confirm", cancel_one)
    ran = cli("imports", "cancel", "--batch", batch_id, *AS, "--json")
    assert ran.code == 1
    told = ran.json()
    assert [row["id"] for row in told["cancelled"]] == [str(ids[1])]
    [refused] = told["refused"]
    assert (refused["id"], refused["code"]) == (str(ids[0]), "import_closed")
    assert f"{ids[0]} refused: " in ran.err


def test_an_email_of_unknown_outcome_is_listed_and_sent_once_more(
    cli: Cli, office: World, simulator: SimulatorHandle
) -> None:
    assert fits(cli("emails", "list")) == "No welcome emails that are unknown."
    import_id, email_id = ops.unknown_email(office, simulator)
    [told] = cli("emails", "list", "--json").json()
    assert (told["id"], told["import_id"], told["state"]) == (str(email_id), str(import_id), "unknown")
    assert "@" not in told["message_id"]
    assert str(email_id) in fits(cli("emails", "list"))
    assert cli("emails", "list", "--practice", import_id, "--json").json() == []
    assert cli("emails", "resend", email_id, *AS).code == 2
    sent = fits(cli("emails", "resend", email_id, *AS, "--yes"))
    assert sent.startswith("One more email will be sent, as version 2; the earlier link no longer works.")
    office.run_due()
    assert len(office.mail.deliveries()) == 1
    assert ops.holds_together(office, import_id) is ImportState.SUCCEEDED
    assert [row["id"] for row in cli("emails", "list", "--state", "sent", "--json").json()] == [str(email_id)]


def test_an_email_is_counted_as_delivered(cli: Cli, office: World, simulator: SimulatorHandle) -> None:
    import_id, email_id = ops.unknown_email(office, simulator, delivered=True)
    ran = cli("emails", "mark-delivered", email_id, *AS, "--json")
    assert ran.json() == {
        "email_id": str(email_id), "import_id": str(import_id), "version": 1, "import_state": "succeeded"
    }  # fmt: skip
    assert ops.email_of(office, import_id).state is EmailState.SENT
    again = cli("emails", "mark-delivered", email_id, *AS)
    assert (again.code, "The outcome of this email is known: sent." in again.err) == (1, True)


def test_pausing_and_resuming(cli: Cli, office: World, simulator: SimulatorHandle) -> None:
    import_id = ops.ask(office, simulator)
    job_id = office.jobs_of(import_id)["validate_import"].id
    assert cli("pauses", "list").out == "Nothing is paused.\n"
    why = ("--reason", "XPM maintenance")
    for what in (("practice", office.practice_id), ("practice", office.practice_id, "--kind", "validate_import"),
                 ("lane", "interactive"), ("kind", "validate_import"), ("everything",)):  # fmt: skip
        assert fits(cli("pause", *what, *AS, *why)).startswith("Paused: ")
        again = cli("pause", *what, *AS, *why)
        assert (again.code, "is already paused, by Olu Ops since" in again.err) == (1, True)
    assert claim(office, job_id) is None
    assert len(cli("pauses", "list", "--json").json()) == 5
    shown = fits(cli("pauses", "list"))
    assert f"Paused practice {office.practice_id}, kind validate_import By Olu Ops at" in shown
    assert [hold["code"] for hold in cli("jobs", "explain", job_id, "--json").json()["holds"]] == ["paused"] * 5
    assert "Paused (everything) by Olu Ops since" in fits(cli("jobs", "explain", job_id))
    assert "Still paused: everything." in cli("resume", "lane", "interactive", *AS).out
    for what in (("practice", office.practice_id), ("practice", office.practice_id, "--kind", "validate_import"),
                 ("kind", "validate_import"), ("everything",)):  # fmt: skip
        assert cli("resume", *what, *AS, "--json").code == 0
    assert claim(office, job_id) is not None


def test_jobs_are_found_and_explained(cli: Cli, office: World, simulator: SimulatorHandle) -> None:
    done = office.run_import(importable(simulator)[0].uuid)
    _, dead = ops.dead_validation(office, simulator, person=1)
    waiting = ops.ask(office, simulator, person=2)
    assert len(cli("jobs", "list", "--json").json()) == 6
    for options, count in (
        (("--import", done.id), 4), (("--state", "dead"), 1), (("--state", "dead", "--state", "queued"), 2),
        (("--kind", "import_details"), 1), (("--lane", Lane.IMPORT), 0), (("--code", "bug"), 1),
        (("--newer-than", "1h", "--practice", office.practice_id), 6), (("--older-than", "1h"), 0),
    ):  # fmt: skip
        assert len(cli("jobs", "list", *options, "--json").json()) == count, options
    fits(cli("jobs", "list"))
    [queued] = cli("jobs", "list", "--import", waiting, "--json").json()
    told = cli("jobs", "explain", queued["id"], "--json").json()
    assert (told["state"], [hold["code"] for hold in told["holds"]]) == ("queued", ["free_worker"])
    shown = fits(cli("jobs", "explain", queued["id"]))
    assert "Why Rung at" in shown
    assert "Next A worker claims it." in shown
    assert f"portal-sync dead requeue {dead}" in fits(cli("jobs", "explain", dead))
    assert office.jobs_of(waiting)["validate_import"].state is JobState.QUEUED


def test_every_act_is_in_the_audit_trail_with_who_and_why(
    cli: Cli, office: World, simulator: SimulatorHandle, olu: UUID
) -> None:
    _, email_id = ops.unknown_email(office, simulator)
    _, first = ops.dead_validation(office, simulator, person=1)
    _, second = ops.dead_validation(office, simulator, person=2)
    _, third = ops.dead_validation(office, simulator, person=3)
    open_one = ops.ask(office, simulator, person=4)
    why = (*AS, "--reason", "ticket 9")
    for command in (
        ("emails", "resend", email_id, *why, "--yes"),
        ("dead", "requeue", first, *why),
        ("dead", "dismiss", second, *why, "--yes"),
        ("imports", "amend", ops.job_of(office, third).import_id, "--name", "Mia Moss", *why),
        ("imports", "cancel", open_one, *why, "--yes"),
        ("pause", "everything", *why),
        ("resume", "everything", *why),
    ):
        assert cli(*command).code == 0, command
    entries: list[AuditEntry] = ops.acts(office)
    assert {entry.actor_id for entry in entries} == {olu}
    assert {entry.why for entry in entries} == {"ticket 9"}
    assert all(entry.before and entry.after for entry in entries)
    assert {entry.action for entry in entries} == {
        "email.resend", "import.reopen", "job.supersede", "job.requeue", "job.dismiss", "import.amend",
        "import.cancel", "work.pause", "work.resume",
    }  # fmt: skip
    assert not any("@" in f"{entry.before}{entry.after}{entry.why}" for entry in entries)
