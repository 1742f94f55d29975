"""The verdict is bad when it should be: for each thing that it counts, a record in which that has happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.faults.table import in_document, table, totals
from tests.faults.verdict import Asked, Found, Verdict, find
from tests.making import importable
from tests.world import World, building
from worker.local.mail_catcher import Behaviour, MailCatcher
from xpm.simulator.serve import SimulatorHandle

GOOD = Verdict(injected=1, in_flight=9, lost=0, doubled=0, unknown=0, stuck=0, innocent_dead=0, recover_s=1.0)
ADDRESS = "jane@faults.example"


@pytest.fixture
def office(postgres_url: str, simulator: SimulatorHandle, mail_catcher: MailCatcher) -> Iterator[World]:
    with building(postgres_url, simulator.api_url, simulator.config.access_token, mail_catcher) as made:
        yield made


def asked_and_done(world: World, simulator: SimulatorHandle) -> Asked:
    """One import with its welcome email, requested and done."""
    import_id = world.ask(importable(simulator)[0].uuid, email=ADDRESS, send_welcome_email=True)
    world.run_due()
    return Asked([import_id], {import_id: ADDRESS})


def judged(world: World, asked: Asked, *more: str) -> Found:
    recipients = [*(one.recipient for one in world.mail.deliveries()), *more]
    return find(world.database, world.practice_id, asked, recipients)


def change(world: World, *statements: str) -> None:
    with world.database.write() as tx:
        for statement in statements:
            tx.session.execute(text(statement))


def test_what_was_done_once_is_good(office: World, simulator: SimulatorHandle) -> None:
    assert judged(office, asked_and_done(office, simulator)) == Found(0, 0, 0, 0, 0, ())


@pytest.mark.parametrize(
    ("statement", "count"),
    [
        ("UPDATE imports SET closed_at = NULL", "lost"),
        ("UPDATE imports SET state = 'failed'", "lost"),
        ("UPDATE clients SET import_id = NULL", "lost"),
        ("DELETE FROM import_events", "lost"),
        ("UPDATE jobs SET state = 'queued', created_at = created_at - interval '6 seconds'", "stuck"),
        ("UPDATE welcome_emails SET state = 'sending'", "stuck"),
        ("UPDATE jobs SET state = 'dead', error_code = 'bug' WHERE kind = 'import_details'", "innocent_dead"),
    ],
)
def test_what_is_wrong_in_the_record_is_counted(
    office: World, simulator: SimulatorHandle, statement: str, count: str
) -> None:
    asked = asked_and_done(office, simulator)
    change(office, statement)
    assert getattr(judged(office, asked), count) > 0


def test_a_second_client_and_a_second_email_are_counted(office: World, simulator: SimulatorHandle) -> None:
    asked = asked_and_done(office, simulator)
    assert judged(office, asked, ADDRESS).doubled == 1
    constraint = office.scalar(
        "SELECT conname FROM pg_constraint WHERE conrelid = 'import_events'::regclass AND contype = 'u'"
    )
    columns = "practice_id, import_id, epoch, state, created_at"
    again = f"INSERT INTO import_events (id, {columns}) SELECT gen_random_uuid(), {columns} FROM import_events"  # noqa: S608
    change(office, f"ALTER TABLE import_events DROP CONSTRAINT {constraint}", again)
    assert judged(office, asked).doubled == 1


def test_an_email_that_never_came_is_lost(office: World, simulator: SimulatorHandle) -> None:
    asked = asked_and_done(office, simulator)
    assert find(office.database, office.practice_id, asked, []).lost == 1


def test_an_import_that_is_not_in_the_record_is_lost(office: World) -> None:
    assert judged(office, Asked([UUID(int=1)], {})).lost == 1


def test_an_email_of_unknown_outcome_is_counted_and_must_be_shown(office: World, simulator: SimulatorHandle) -> None:
    office.mail.behave(Behaviour(silence="drop"))
    asked = asked_and_done(office, simulator)
    assert judged(office, asked) == Found(0, 0, 1, 0, 0, ())
    change(office, "UPDATE jobs SET state = 'dismissed' WHERE state = 'dead'")
    assert judged(office, asked).problems == ("an unknown email is not shown",)


def test_poison_that_was_not_found_out_is_a_problem(office: World, simulator: SimulatorHandle) -> None:
    asked = asked_and_done(office, simulator)
    doomed = replace(asked, doomed=list(asked.imports))
    assert judged(office, doomed).problems == ("a poison job was not found out",)


@pytest.mark.parametrize(
    "wrong",
    [
        {"injected": 0},
        {"in_flight": 0},
        {"lost": 1},
        {"doubled": 1},
        {"stuck": 1},
        {"innocent_dead": 1},
        {"recover_s": None},
        {"problems": ("it went on too long",)},
    ],
)
def test_a_verdict_is_bad_for_each_of_its_reasons(wrong: dict[str, object]) -> None:
    assert GOOD.why_bad == []
    assert replace(GOOD, unknown=3).why_bad == []
    bad = replace(GOOD, **wrong)  # type: ignore[arg-type]
    assert bad.why_bad
    assert totals({"one": GOOD, "two": bad})["bad"] == 1
    assert "two **bad**" in table({"one": GOOD, "two": bad})


def test_the_table_takes_its_place_in_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.table.servers", lambda: ["a server 1.0"])
    document = tmp_path / "matrix.md"
    document.write_text("Before\n<!-- matrix -->\nold\n<!-- end of matrix -->\nAfter\n")
    for seed in (1, 2):
        in_document(document, {"a fault": GOOD}, f"Seed {seed}")
    text = document.read_text()
    assert "| a fault | 1 | 9 | 0 | 0 | 0 | 0 | 0 | 1.0 |" in text
    assert "old" not in text
    assert "Seed 2" in text
    assert "Seed 1," not in text
    assert text.startswith("Before")
    assert text.endswith("After\n")
