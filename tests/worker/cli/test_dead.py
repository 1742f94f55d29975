"""The commands on dead letters: finding, understanding, requeueing and dismissing them, by people and by scripts."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from handlers.access.act import act_of
from handlers.access.outcomes import Outcomes
from handlers.access.practices import add_operator
from handlers.operations import bulk
from handlers.operations.dead_letters import dismiss
from portal_db.database import Database
from portal_db.states import ImportState, JobState
from tests.handlers.operations import given as ops
from tests.worker.cli.conftest import Cli, Ran
from tests.world import World
from xpm.simulator.serve import SimulatorHandle

OLU = "olu@platform.example"
AS = ("--as", OLU)


@pytest.fixture
def olu(office: World) -> UUID:
    """An operator."""
    return add_operator(office.database, "Olu Ops", OLU)


@pytest.fixture
def letters(office: World, simulator: SimulatorHandle, olu: UUID) -> list[tuple[UUID, UUID]]:
    """Three failed imports and their dead letters, the oldest first."""
    assert olu
    return [ops.dead_validation(office, simulator, person=person) for person in range(3)]


def fits(ran: Ran) -> str:
    """What was printed, in lines of 80 columns without colours; as one line of words."""
    assert max(map(len, ran.out.splitlines()), default=0) <= 80, ran.out
    assert "\x1b" not in ran.out
    return " ".join(ran.out.split())


def test_a_class_of_errors_that_only_a_newer_release_knows_does_not_end_the_list(
    cli: Cli, office: World, letters: list[tuple[UUID, UUID]]
) -> None:
    with office.database.engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        connection.exec_driver_sql("UPDATE jobs SET error_class = 'astonishing'")
    assert len(cli("dead", "list", "--json").json()) == 3
    assert "Error astonishing, bug" in fits(cli("dead", "show", letters[0][1]))
    assert cli("jobs", "explain", letters[0][1]).code == 0


def test_they_are_listed_in_pages_and_narrowed(cli: Cli, office: World, letters: list[tuple[UUID, UUID]]) -> None:
    newest_first = [str(job_id) for _, job_id in reversed(letters)]
    assert [row["id"] for row in cli("dead", "list", "--json").json()] == newest_first
    first = cli("dead", "list", "--limit", 2, "--json").json()
    rest = cli("dead", "list", "--limit", 2, "--after", first[-1]["cursor"], "--json").json()
    assert [row["id"] for row in first + rest] == newest_first
    told = cli("dead", "list", "--limit", 2)
    assert newest_first[0] in fits(told)
    assert f"--after {first[-1]['cursor']}" in told.err
    for options, count in (
        (("--practice", office.practice_id), 3),
        (("--practice", uuid4()), 0),
        (("--kind", "validate_import"), 3),
        (("--kind", "create_client"), 0),
        (("--code", "bug"), 3),
        (("--text", "UNEXPECTED"), 3),
        (("--text", "%"), 0),
        (("--older-than", "1h"), 0),
        (("--newer-than", "1h"), 3),
    ):
        assert len(cli("dead", "list", *options, "--json").json()) == count, options
    assert fits(cli("dead", "list", "--kind", "x")) == "No dead letters."


def test_they_are_grouped_by_cause(cli: Cli, letters: list[tuple[UUID, UUID]]) -> None:
    [group] = cli("dead", "groups", "--json").json()
    assert (group["count"], group["kind"], group["code"], group["practices"]) == (3, "validate_import", "bug", 1)
    assert group["first_seen"] <= group["last_seen"]
    shown = fits(cli("dead", "groups"))
    assert group["group"] in shown
    assert "3 dead letters of 1 practice, first " in shown
    assert len(cli("dead", "list", "--group", group["group"], "--json").json()) == len(letters)


def test_one_is_shown_with_all_that_is_known(cli: Cli, office: World, letters: list[tuple[UUID, UUID]]) -> None:
    import_id, job_id = letters[0]
    told = cli("dead", "show", job_id, "--json").json()
    assert (told["state"], told["error_class"], told["code"]) == ("dead", "permanent", "bug")
    [attempt] = told["attempt_history"]
    assert (attempt["number"], attempt["outcome"], attempt["code"]) == (1, "permanent", "bug")
    assert "RuntimeError" in attempt["traceback"]
    assert told["requester_was_told"] == {
        "import_id": str(import_id),
        "requested_by": str(office.staff_id),
        "state": "failed",
        "code": "bug",
        "message": "Something unexpected went wrong (RuntimeError).",
        "remedy": "Contact the developers.",
    }
    shown = fits(cli("dead", "show", job_id))
    for words in (str(import_id), f"{office.staff_id} was told: Something unexpected", "RuntimeError", "Next",
                  f"portal-sync dead requeue {job_id}"):  # fmt: skip
        assert words in shown


def test_one_is_requeued_and_then_there_is_none(cli: Cli, office: World, letters: list[tuple[UUID, UUID]]) -> None:
    import_id, job_id = letters[0]
    ran = cli("dead", "requeue", job_id, *AS, "--json")
    assert ran.code == 0
    assert ran.json() == {
        "dry_run": False,
        "requeued": [{"id": str(job_id), "import_id": str(import_id), "import_state": "in_progress", "in_seconds": 0.0}],
        "refused": [],
        "stopped": False,
    }  # fmt: skip
    again = cli("dead", "requeue", job_id, *AS)
    assert again.code == 1
    assert "This job is not a dead letter: it is queued; job.requeue by Olu Ops at" in again.err
    office.run_due()
    assert ops.holds_together(office, import_id) is ImportState.SUCCEEDED


def test_a_group_is_requeued_in_turn(cli: Cli, office: World, letters: list[tuple[UUID, UUID]]) -> None:
    [group] = cli("dead", "groups", "--json").json()
    command = ("dead", "requeue", "--group", group["group"], "--per-minute", 2, *AS)
    # Asking first: what it would do, and nothing done
    dry = cli(*command, "--dry-run")
    assert fits(dry).startswith("3 dead letters would be requeued.")
    assert {ops.job_of(office, job_id).state for _, job_id in letters} == {JobState.DEAD}
    # Nobody to be asked
    refused = cli(*command)
    assert (refused.code, refused.out) == (2, "")
    assert "Requeue 3 dead letters? There is no terminal to ask on: give --yes." in refused.err
    # And done: the oldest first, the others half a minute apart
    told = cli(*command, "--yes", "--json").json()
    assert [(row["id"], row["in_seconds"]) for row in told["requeued"]] == [
        (str(job_id), turn * 30.0) for turn, (_, job_id) in enumerate(letters)
    ]
    states = [ops.job_of(office, job_id).state for _, job_id in letters]
    assert states == [JobState.QUEUED, JobState.WAITING, JobState.WAITING]
    # And none of them goes before a person's import
    assert not any(ops.job_of(office, job_id).interactive for _, job_id in letters)


def test_what_was_done_elsewhere_is_told_and_the_others_are_done(
    cli: Cli, office: World, letters: list[tuple[UUID, UUID]], simulator: SimulatorHandle
) -> None:
    other = ops.ask(office, simulator, person=1)
    office.run_due()
    dry = cli("dead", "requeue", "--all", "--dry-run", *AS, "--json")
    ran = cli("dead", "requeue", "--all", "--yes", *AS, "--json")
    assert (dry.code, ran.code) == (1, 1)
    for told in (dry.json(), ran.json()):
        assert [row["id"] for row in told["requeued"]] == [str(letters[0][1]), str(letters[2][1])]
        [refusal] = told["refused"]
        assert (refusal["id"], refusal["code"]) == (str(letters[1][1]), "done_elsewhere")
        assert str(other) in refusal["message"]


def test_they_are_dismissed_with_a_reason(cli: Cli, office: World, letters: list[tuple[UUID, UUID]]) -> None:
    import_id, job_id = letters[0]
    assert cli("dead", "dismiss", job_id, *AS, "--yes").code == 2
    assert cli("dead", "dismiss", job_id, *AS, "--reason", "asked twice").code == 2
    assert "would be dismissed" in cli("dead", "dismiss", job_id, *AS, "--reason", "asked twice", "--dry-run").out
    assert ops.job_of(office, job_id).state is JobState.DEAD
    ran = cli("dead", "dismiss", job_id, *AS, "--reason", "asked twice", "--yes")
    assert (ran.code, fits(ran)) == (0, "1 dead letter dismissed.")
    assert ops.holds_together(office, import_id) is ImportState.CANCELLED
    shown = cli("dead", "show", job_id, "--json").json()
    assert shown["next"].endswith("dismissed by Olu Ops: asked twice")
    assert [(entry["action"], entry["why"]) for entry in shown["history"]] == [("job.dismiss", "asked twice")]


@pytest.mark.usefixtures("olu")
@pytest.mark.parametrize("shown", [1, 3])
def test_no_more_are_dismissed_than_the_question_said(
    cli: Cli, office: World, simulator: SimulatorHandle, monkeypatch: pytest.MonkeyPatch, shown: int
) -> None:
    # Given one more that dies while somebody reads how many there are
    first = [ops.dead_validation(office, simulator, person=person)[1] for person in range(shown)]
    late: list[UUID] = []

    def read(*_: Any, **__: Any) -> None:
        late.append(ops.dead_validation(office, simulator, person=shown)[1])

    monkeypatch.setattr("worker.cli.operations.dead.confirm", read)
    ran = cli("dead", "dismiss", "--all", *AS, "--reason", "asked twice")
    # Then that one stays; of many nothing is dismissed, and both numbers are told
    is_single = shown == 1
    assert (ran.code, "from 3 to 4" in ran.err) == ((0, False) if is_single else (1, True))
    assert {ops.job_of(office, each).state for each in first} == {JobState.DISMISSED if is_single else JobState.DEAD}
    assert ops.job_of(office, late[0]).state is JobState.DEAD


def test_an_act_that_somebody_else_stops_does_not_end_as_done(
    cli: Cli, office: World, letters: list[tuple[UUID, UUID]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an act on three, which another operator stops after the first
    carry_out_piece = bulk.carry_out_piece

    def piece_and_stop(database: Database, bulk_id: UUID, *, reserved: bool) -> Outcomes[Any] | None:
        piece = carry_out_piece(database, bulk_id, reserved=reserved)
        if piece is not None:
            bulk.stop(database, act_of(database, OLU, "the wrong group"), bulk_id)
        return piece

    monkeypatch.setattr(bulk, "PIECE", 1)
    monkeypatch.setattr(bulk, "carry_out_piece", piece_and_stop)
    # When it is carried out
    ran = cli("dead", "requeue", "--all", "--yes", *AS, "--json")
    # Then its command says how far it came, and fails
    assert (ran.code, len(ran.json()["requeued"]), ran.json()["stopped"]) == (1, 1, True)
    [entry] = cli("dead", "acts", "--json").json()
    assert ran.err.endswith(f"Stopped after 1 of 3. To go on: portal-sync dead resume {entry['id']}\n")
    assert [ops.job_of(office, job_id).state is JobState.DEAD for _, job_id in letters] == [False, True, True]


@pytest.mark.usefixtures("letters")
def test_an_act_that_is_interrupted_counts_what_it_did(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an act on three, with Ctrl-C at its second
    done: list[Any] = []

    def dismiss_one(*arguments: Any, **named: Any) -> Any:
        if done:
            raise KeyboardInterrupt
        done.append(dismiss(*arguments, **named))
        return done[0]

    monkeypatch.setattr(bulk, "dismiss", dismiss_one)
    ran = cli("dead", "dismiss", "--all", "--yes", *AS, "--reason", "asked twice")
    assert (ran.code, "Stopped after 1 of 3." in ran.err) == (130, True)


def test_an_operator_acts_by_id_or_email_and_nobody_else(cli: Cli, olu: UUID, letters: list[tuple[UUID, UUID]]) -> None:
    for (_, job_id), who in zip(letters, (olu, OLU.upper(), f" {OLU}"), strict=True):
        assert cli("dead", "requeue", job_id, "--as", who).code == 0
    ran = cli("dead", "requeue", letters[0][1], "--as", "kim@harbour.example")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("Error: --as kim@harbour.example: There is no operator with this id or email address.")
    assert len(ran.err.splitlines()) == 1


@pytest.mark.usefixtures("olu")
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("dead", "requeue", *AS), 2, "Name dead letters, or give filters, or --all."),
        (("dead", "requeue", uuid4(), "--all", *AS), 2, "Name dead letters, or give filters, or --all."),
        (("dead", "requeue", "17", *AS), 2, "Invalid value for '[JOB]...'"),
        (("dead", "requeue", uuid4()), 2, "Missing option '--as'"),
        (("dead", "requeue", "--all", "--per-minute", "0", *AS), 2, "--per-minute"),
        (("dead", "requeue", uuid4(), *AS), 1, "There is no job with this id."),
        (("dead", "dismiss", uuid4(), *AS), 2, "Missing option '--reason'"),
        (
            ("dead", "dismiss", uuid4(), *AS, "--reason", "for a@b.example", "--yes"),
            2,
            "must not contain personal data",
        ),
        (("dead", "list", "--group", "nonsense"), 2, "'nonsense' is no group: see `portal-sync dead groups`."),
        (("dead", "list", "--older-than", "soon"), 2, "'soon' is not an age: write 90s, 15m, 6h or 2d."),
        (("dead", "list", "--after", "soon"), 2, "--after takes the cursor printed at the end of a list."),
        (("dead", "list", "--limit", "1001"), 2, "--limit"),
        (("dead", "show", uuid4()), 1, "See `portal-sync jobs list` and `portal-sync dead list`."),
        (("jobs", "explain", uuid4()), 1, "see `portal-sync jobs list`"),
        (("jobs", "list", "--lane", "fast"), 2, "'fast' is not one of"),
        (("emails", "resend", uuid4(), *AS, "--yes"), 1, "There is no welcome email with this id."),
        (("emails", "mark-delivered", uuid4(), *AS), 1, "see `portal-sync emails list`".capitalize()),
        (("imports", "amend", uuid4(), *AS), 2, "Say what to correct: --email, --name or another input."),
        (("imports", "amend", uuid4(), *AS, "--name", "Mia"), 1, "There is no import with this id."),
        (("imports", "cancel", *AS), 2, "Give either the ID of one import, or --batch."),
        (("imports", "cancel", uuid4(), *AS, "--yes"), 1, "There is no import with this id."),
        (("imports", "cancel", "--batch", uuid4(), *AS, "--yes"), 1, "We can't find that batch"),
        (("pause", "practice", uuid4(), *AS, "--reason", "x"), 1, "There is no practice with this id."),
        (("pause", "kind", "make_coffee", *AS, "--reason", "x"), 1, "There is no kind of job with this name."),
        (("pause", "lane", "email", *AS), 2, "Missing option '--reason'"),
        (("resume", "lane", "email", *AS), 1, "There is no pause of lane email."),
    ],
)
def test_what_does_not_fit_is_one_line(cli: Cli, arguments: tuple[Any, ...], code: int, words: str) -> None:
    ran = cli(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert words.casefold() in ran.err.casefold()
    assert len(ran.err.splitlines()) == 1
