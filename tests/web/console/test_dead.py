"""Dead letters at the console: found by cause, understood, previewed, requeued at a pace, corrected, dismissed."""

from __future__ import annotations

from uuid import UUID

import pytest

from handlers.operations import bulk
from portal_db.states import BulkAction, BulkState, ImportState, JobState, OperatorRole
from tests.handlers.operations import given as ops
from tests.making import importable
from tests.web.console.desk import OpsDesk, post
from tests.web.pages.reading import Page
from tests.world import World
from xpm.simulator.serve import SimulatorHandle

#: The query of a preview of dismissing all.
ALL = {"action": "dismiss", "all": "yes"}


def letters(world: World, simulator: SimulatorHandle, count: int = 3) -> list[tuple[UUID, UUID]]:
    return [ops.dead_validation(world, simulator, person=person) for person in range(count)]


def finish(world: World) -> None:
    """The leader carries out what was started."""
    for bulk_id in bulk.due(world.database):
        while bulk.carry_out_piece(world.database, bulk_id) is not None:
            continue


def test_one_is_found_by_its_cause_and_requeued_with_a_reason(ops_desk: OpsDesk, simulator: SimulatorHandle) -> None:
    world = ops_desk.world
    [(import_id, job_id)] = letters(world, simulator, 1)
    reader = ops_desk.signed_in()
    # Found by its group, and understood
    page = reader.open("/dead")
    group = page.links()["Something unexpected went wrong (RuntimeError)."]
    page = Page.of(reader.browser.get(group))
    assert f"/jobs/{job_id}" in page.links().values()
    page = reader.open(f"/jobs/{job_id}")
    for words in ("validate_import", "permanent, bug", "Requester was told", "Contact the developers", "Attempts"):
        assert words in page.text, words
    # A reason is needed, and it may not be personal
    refused = reader.send(page, f"/jobs/{job_id}/requeue", reason="for mia@moss.example")
    assert refused.status == 422
    assert "reason" in refused.faults()
    # Requeued, it succeeds
    page = reader.send(refused, f"/jobs/{job_id}/requeue", reason="ticket 91")
    assert "Requeued" in page.text
    world.run_due()
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED
    assert [(entry.action, entry.why) for entry in ops.entries_of(world, "job", job_id)] == [
        ("job.requeue", "ticket 91")
    ]
    # And somebody else who has the page still open is told by whom
    late = Page.of(post(ops_desk.signed_in(name="Bo"), f"/jobs/{job_id}/requeue", reason="ticket 92"))
    assert (late.status, "job.requeue by Olu Ops" in late.text) == (422, True)


@pytest.mark.parametrize(
    ("query", "count"),
    [("kind:validate_import", 2), ("kind:create_client", 0), ("code:bug age:<1h", 2), ("age:>1h", 0),
     ("text:UNEXPECTED", 2), ("unexpected went", 2), ('text:"went wrong"', 2), ("text:%", 0)],
)  # fmt: skip
def test_they_are_searched_by_qualifiers(ops_desk: OpsDesk, simulator: SimulatorHandle, query: str, count: int) -> None:
    letters(ops_desk.world, simulator, 2)
    page = ops_desk.signed_in(OperatorRole.WATCHER).open("/dead", q=query)
    assert len({link["href"] for link in page.root.all("a") if link["href"].startswith("/jobs/")}) == count


@pytest.mark.parametrize("query", ["age:old", "practice:17", "colour:red", 'text:"open', "group:x"])
def test_what_cannot_be_read_is_said_at_the_search(ops_desk: OpsDesk, query: str) -> None:
    page = ops_desk.signed_in(OperatorRole.WATCHER).open("/dead", q=query)
    assert page.status == 422
    assert "q" in page.faults()


def test_a_group_is_previewed_requeued_at_a_pace_stopped_and_resumed(
    ops_desk: OpsDesk, simulator: SimulatorHandle
) -> None:
    world = ops_desk.world
    dead = letters(world, simulator)
    other = ops.ask(world, simulator, person=1)
    world.run_due()
    reader = ops_desk.signed_in()
    page = Page.of(reader.browser.get(reader.open("/dead").links()["Requeue all matching…"]))
    # The preview tells by outcome
    assert "3 dead letters of 1 practice" in page.text
    assert "1: This XPM record has been linked to client" in page.text
    assert str(other) in page.text
    assert {ops.job_of(world, job_id).state for _, job_id in dead} == {JobState.DEAD}
    # A pace that is no number is refused at its field, with what was typed
    refused = reader.send(page, "/dead/act", reason="fixed", per_minute="many")
    assert "per_minute" in refused.faults()
    assert refused.form("/dead/act")["reason"] == "fixed"
    page = reader.send(refused, "/dead/act", per_minute="1")
    assert page.path.startswith("/dead/acts/")
    finish(world)
    page = reader.open(page.path)
    assert "1 of 3" in page.text
    # A reason that cannot be kept is refused where it was typed, and corrected there
    refused = reader.send(page, f"{page.path}/stop", reason="for mia@moss.example")
    assert refused.form(f"{page.path}/stop")["reason"] == "for mia@moss.example"
    page = reader.send(refused, f"{page.path}/stop", reason="enough")
    assert "stopped" in page.text
    [entry] = bulk.listing(world.database, limit=5)
    assert entry.act.state is BulkState.STOPPED
    page = reader.send(page, f"{page.path}/resume", reason="go on")
    finish(world)
    assert bulk.get(world.database, entry.act.id).act.refused == 1
    assert [each[0] for each in ops.history_of(world, "bulk_act", entry.act.id)] == [
        "bulk.start", "bulk.stop", "bulk.resume",
    ]  # fmt: skip


def test_selected_ones_are_dismissed_once_a_recent_code_is_there(
    ops_desk: OpsDesk, simulator: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ops_desk.world
    dead = letters(world, simulator, 2)
    reader = ops_desk.signed_in()
    # The code that they signed in with counts for a quarter of an hour; then one is asked for
    monkeypatch.setattr("handlers.access.operators.FRESH_SECONDS", -1.0)
    page = reader.open("/dead/act", action="dismiss", job=str(dead[0][1]))
    assert "Code of your authenticator app" in page.text
    refused = reader.send(page, "/dead/act", reason="asked twice")
    assert "code" in refused.faults()
    assert ops.job_of(world, dead[0][1]).state is JobState.DEAD
    monkeypatch.undo()
    page = reader.send(reader.open("/dead/act", action="dismiss", job=str(dead[0][1])), "/dead/act", reason="twice")
    finish(world)
    assert [ops.job_of(world, job_id).state for _, job_id in dead] == [JobState.DISMISSED, JobState.DEAD]


def test_jobs_in_another_state_are_neither_previewed_nor_acted_on(
    ops_desk: OpsDesk, simulator: SimulatorHandle
) -> None:
    # Given a job that waits, and two dead letters
    world = ops_desk.world
    dead = letters(world, simulator, 2)
    ops.ask(world, simulator, person=2)
    reader = ops_desk.signed_in()
    # When somebody looks for waiting ones among the dead letters, or acts on them
    looked = [reader.open("/dead", q="state:waiting"), reader.open("/dead/act", q="state:waiting", **ALL)]
    answer = post(reader, "/dead/act", action="dismiss", q="state:waiting", shown="1", reason="ticket 91")
    # Then they are told where to look, and nothing begins
    for page in (*looked, Page.of(answer)):
        assert page.status == 422
        assert "Search for jobs in other states under Jobs." in page.text
        assert "Dismiss 1" not in page.text
    assert bulk.listing(world.database, limit=5) == []
    finish(world)
    assert {ops.job_of(world, job_id).state for _, job_id in dead} == {JobState.DEAD}


def test_no_more_are_ended_than_the_preview_showed(ops_desk: OpsDesk, simulator: SimulatorHandle) -> None:
    # Given a preview of one, and another one that dies while it is read
    world = ops_desk.world
    dead = letters(world, simulator, 1)
    reader = ops_desk.signed_in()
    page = reader.open("/dead/act", **ALL)
    assert "Dismiss 1" in page.text
    dead.append(ops.dead_validation(world, simulator, person=1))
    # When the form is sent
    page = reader.send(page, "/dead/act", reason="twice")
    # Then nothing has begun; the page tells both numbers, and has the reason and the number of now
    assert (page.status, "from 1 to 2" in page.text, "Dismiss 2" in page.text) == (422, True, True)
    assert page.form("/dead/act")["reason"] == "twice"
    finish(world)
    assert {ops.job_of(world, job_id).state for _, job_id in dead} == {JobState.DEAD}
    # Sent again, it ends the two
    assert reader.send(page, "/dead/act").path.startswith("/dead/acts/")
    finish(world)
    assert {ops.job_of(world, job_id).state for _, job_id in dead} == {JobState.DISMISSED}


def test_of_two_operators_who_requeue_one_group_one_is_told(ops_desk: OpsDesk, simulator: SimulatorHandle) -> None:
    world = ops_desk.world
    letters(world, simulator, 2)
    ada, bo = ops_desk.signed_in(name="Ada"), ops_desk.signed_in(name="Bo")
    asked = {"action": BulkAction.REQUEUE.value, "q": "code:bug", "all": "yes"}
    page_of_ada, page_of_bo = ada.open("/dead/act", **asked), bo.open("/dead/act", **asked)
    assert ada.send(page_of_ada, "/dead/act", reason="ticket 1").path.startswith("/dead/acts/")
    told = bo.send(page_of_bo, "/dead/act", reason="ticket 2")
    assert told.status == 422
    assert "Ada has requeued 0 of 2" in told.text


def test_an_import_is_corrected_and_requeued_and_personal_data_is_hidden_until_somebody_looks(
    ops_desk: OpsDesk, simulator: SimulatorHandle
) -> None:
    world = ops_desk.world
    name = "Wilhelmina Quillfeather"
    import_id = world.ask(importable(simulator)[0].uuid, email="wilhelmina@quill", name=name)
    world.run_due()
    assert world.import_row(import_id).state is ImportState.REJECTED
    reader = ops_desk.signed_in()
    page = reader.open(f"/imports/{import_id}")
    for path in (
        "/",
        "/inbox",
        "/dead",
        "/imports",
        f"/imports/{import_id}",
        "/audit?who=everybody",
        "/jobs?ended=yes",
    ):
        assert "Quillfeather" not in reader.open(path).text, path
        assert "wilhelmina" not in reader.open(path).text, path
    # A watcher may not look; an operator may, and it is in the audit trail
    assert post(ops_desk.signed_in(OperatorRole.WATCHER, "Wanda"), f"/imports/{import_id}/reveal").status_code == 403
    shown = reader.send(page, f"/imports/{import_id}/reveal", reason="ticket 91")
    assert name in shown.text
    assert "wilhelmina@quill" in shown.text
    assert "import.reveal" in reader.open("/audit").text
    # Corrected, it is the same import, and succeeds
    refused = reader.send(page, f"/imports/{import_id}/amend", email="not one", reason="ticket 91")
    assert "email" in refused.faults()
    page = reader.send(refused, f"/imports/{import_id}/amend", email="mina@quill.example", reason="ticket 91")
    assert "Corrected" in page.text
    world.run_due()
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED
