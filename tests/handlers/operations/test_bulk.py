"""Acts on many dead letters: previewed, paced, stopped, resumed, and never two on the same ones."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from handlers.access.act import Act
from handlers.operations import bulk, job_query
from handlers.operations.bulk import DEAD, Selection
from handlers.operations.dead_letters import requeue
from portal_db.states import BulkAction, BulkState, ErrorClass, ImportState, JobState
from portal_db.tables import BulkAct
from portal_db.types import db_now
from portal_db.work import job_search, jobs, leaders
from portal_db.work.job_search import Filter
from portal_db.work.jobs import Failure
from tests.handlers.operations import given as ops
from tests.making import add, claimed, new_job
from tests.racing import at_once
from tests.world import World
from worker.leader.scheduler import Scheduler, plan_of
from xpm.simulator.serve import SimulatorHandle

ALL = Selection(DEAD)


def die(world: World, count: int, *, code: str = "bug") -> list[UUID]:
    """Dead letters without an import, the oldest first."""
    ids = add(world, *(new_job(world, kind="sync_directory") for _ in range(count)))
    for job_id in ids:
        lease = claimed(world, job_id)
        with world.database.write() as tx:
            jobs.end(tx, lease, JobState.DEAD, Failure(ErrorClass.PERMANENT, code, "It broke."))
    return ids


def states(world: World, ids: list[UUID]) -> list[JobState]:
    return [ops.job_of(world, job_id).state for job_id in ids]


def begin(world: World, act: Act, selection: Selection, action: BulkAction, **more: Any) -> BulkAct:
    """Start an act with the number of dead letters that there is."""
    return bulk.start(world.database, act, selection, action, shown=bulk.count(world.database, selection), **more)


def finish(world: World, bulk_id: UUID) -> int:
    """Carry an act out as the leader does; in how many pieces."""
    pieces = 0
    while bulk.carry_out_piece(world.database, bulk_id) is not None:
        pieces += 1
    return pieces


def test_an_act_is_carried_out_in_pieces_and_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PIECE", 2)
    ids, act = die(world, 5), ops.operator(world)
    row = begin(world, act, ALL, BulkAction.REQUEUE)
    assert finish(world, row.id) == 3
    entry = bulk.get(world.database, row.id)
    assert (entry.by, entry.act.state, entry.act.total, entry.act.done) == ("Olu Ops", BulkState.DONE, 5, 5)
    assert set(states(world, ids)) == {JobState.QUEUED}
    # Each is in the audit trail, and so is the act
    assert [entry.why for entry in ops.acts(world)] == ["ticket 7"] * 6
    assert [each[0] for each in ops.history_of(world, "bulk_act", row.id)] == ["bulk.start"]


def test_what_dies_again_meanwhile_is_not_tried_twice(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    monkeypatch.setattr(bulk, "PIECE", 1)
    first, _ = die(world, 2)
    row = begin(world, act, ALL, BulkAction.REQUEUE)
    bulk.carry_out_piece(world.database, row.id)
    lease = claimed(world, first)
    with world.database.write() as tx:
        jobs.end(tx, lease, JobState.DEAD, Failure(ErrorClass.PERMANENT, "bug", "It broke."))
    finish(world, row.id)
    assert bulk.get(world.database, row.id).act.done == 2
    assert ops.job_of(world, first).state is JobState.DEAD


def test_a_preview_tells_by_outcome_and_changes_nothing(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world = sqlite_world
    letters = [ops.dead_validation(world, simulator, person=person) for person in range(3)]
    ops.ask(world, simulator, person=1)
    world.run_due()
    found = bulk.preview(world.database, ALL, BulkAction.REQUEUE)
    assert (found.total, found.checked, found.accepted) == (3, 3, 2)
    assert [(cause.code, cause.count) for cause in found.causes] == [("done_elsewhere", 1)]
    assert found.practices == (world.practice_id,)
    assert bulk.preview(world.database, ALL, BulkAction.DISMISS).accepted == 3
    assert states(world, [job_id for _, job_id in letters]) == [JobState.DEAD] * 3
    # Carried out, the same are refused, for the same reason
    row = begin(world, ops.operator(world), ALL, BulkAction.REQUEUE)
    finish(world, row.id)
    done = bulk.get(world.database, row.id).act
    assert (done.done, done.refused) == (2, 1)
    assert [(cause["code"], cause["count"]) for cause in done.refusals] == [("done_elsewhere", 1)]


def test_an_act_with_a_pace_takes_on_a_minutes_worth_at_a_time(sqlite_world: World) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    ids = die(world, 5)
    row = begin(world, act, ALL, BulkAction.REQUEUE, per_minute=2)
    assert finish(world, row.id) == 1
    assert states(world, ids) == [JobState.QUEUED, JobState.WAITING, *[JobState.DEAD] * 3]
    # Before its turn nothing more happens; a minute later the next ones are taken on
    assert row.id not in bulk.due(world.database)
    with world.database.write() as tx:
        tx.session.execute(update(BulkAct).values(next_turn_at=db_now()))
    assert row.id in bulk.due(world.database)
    assert finish(world, row.id) == 1
    assert states(world, ids).count(JobState.DEAD) == 1


def test_a_stopped_act_does_no_more_and_goes_on_where_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PIECE", 2)
    ids, act = die(world, 5), ops.operator(world)
    row = begin(world, act, ALL, BulkAction.DISMISS)
    bulk.carry_out_piece(world.database, row.id)
    bulk.stop(world.database, act, row.id)
    assert bulk.carry_out_piece(world.database, row.id) is None
    assert states(world, ids).count(JobState.DISMISSED) == 2
    ops.refused(lambda: bulk.stop(world.database, act, row.id), "bulk_act_not_running")
    bulk.resume(world.database, act, row.id)
    finish(world, row.id)
    assert bulk.get(world.database, row.id).act.done == 5
    ops.refused(lambda: bulk.resume(world.database, act, row.id), "bulk_act_not_stopped")
    names = [each[0] for each in ops.history_of(world, "bulk_act", row.id)]
    assert names == ["bulk.start", "bulk.stop", "bulk.resume"]


def test_a_stop_counts_also_in_the_middle_of_a_piece(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, act = die(world, 3), ops.operator(world)
    row = begin(world, act, ALL, BulkAction.REQUEUE)

    def stopping(*args: object, **named: object) -> object:
        result = requeue(*args, **named)  # type: ignore[arg-type]  # as it was called
        if bulk.get(world.database, row.id).act.state is BulkState.RUNNING:
            bulk.stop(world.database, act, row.id)
        return result

    monkeypatch.setattr(bulk, "requeue", stopping)
    bulk.carry_out_piece(world.database, row.id)
    # The second was undone, since nobody counts it
    assert states(world, ids) == [JobState.QUEUED, JobState.DEAD, JobState.DEAD]
    assert bulk.get(world.database, row.id).act.done == 1


def test_of_two_who_requeue_the_same_group_one_is_told(world: World) -> None:
    die(world, 3)
    with world.database.read() as tx:
        [group] = job_search.groups(tx, DEAD, limit=10)
    chosen = Selection(replace(DEAD, group=group.group))
    ada, bo = ops.operator(world, "Ada"), ops.operator(world, "Bo")
    results = at_once(
        lambda: begin(world, ada, chosen, BulkAction.REQUEUE),
        lambda: begin(world, bo, chosen, BulkAction.REQUEUE),
    )
    refusals = [result for result in results if isinstance(result, Exception)]
    assert [getattr(refusal, "code", refusal) for refusal in refusals] == ["bulk_act_runs"]
    [entry] = bulk.listing(world.database, limit=10)
    assert f"{entry.by} has requeued 0 of 3" in str(refusals[0])
    # And who comes after its end is told by whom it was done
    finish(world, entry.act.id)
    late = ops.refused(lambda: begin(world, bo, chosen, BulkAction.REQUEUE), "nothing_matches")
    assert f"{entry.by} has requeued 3 of 3" in late.message


def test_a_stopped_act_does_not_go_on_beside_another_on_the_same(world: World) -> None:
    die(world, 2)
    act = ops.operator(world)
    row = begin(world, act, ALL, BulkAction.REQUEUE)
    bulk.stop(world.database, act, row.id)
    begin(world, act, ALL, BulkAction.DISMISS)
    ops.refused(lambda: bulk.resume(world.database, act, row.id), "bulk_act_not_stopped")


def test_the_leader_carries_acts_out_and_one_whose_process_died_goes_on(sqlite_world: World) -> None:
    world = sqlite_world
    ids = die(world, 2)
    with world.database.write() as tx:
        assert leaders.hold(tx, leaders.RELAY, "relay-1", 3600)
    leader = Scheduler(world.database, "relay-1", plan_of(world.services, {}, lambda _: None), {})
    # Somebody carries it out at the command line, so the leader leaves it alone …
    row = begin(world, ops.operator(world), ALL, BulkAction.REQUEUE, reserved=True)
    leader.tick()
    assert states(world, ids) == [JobState.DEAD] * 2
    # … until that process is gone for a minute
    world.pass_time(61)
    leader.tick()
    assert states(world, ids) == [JobState.QUEUED] * 2
    assert bulk.get(world.database, row.id).act.state is BulkState.DONE


def test_listed_ones_are_acted_on_and_those_that_are_no_dead_letter_are_refused(sqlite_world: World) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    first, second, third = die(world, 3)
    requeue(world.database, act, first)
    row = begin(world, act, Selection(ids=(first, third)), BulkAction.DISMISS)
    finish(world, row.id)
    done = bulk.get(world.database, row.id).act
    assert (done.done, done.refused, done.state) == (1, 1, BulkState.DONE)
    assert states(world, [first, second, third]) == [JobState.QUEUED, JobState.DEAD, JobState.DISMISSED]


def test_nothing_begins_when_more_have_died_since_they_were_counted(world: World) -> None:
    act, shown = ops.operator(world), die(world, 3)
    # When another one dies between the preview and the start
    shown += die(world, 1)
    changed = ops.refused(
        lambda: bulk.start(world.database, act, ALL, BulkAction.DISMISS, shown=3), "changed_meanwhile"
    )
    # Then both numbers are told, and nothing has begun
    assert "from 3 to 4" in changed.message
    assert bulk.listing(world.database, limit=1) == []
    # With the number of now it begins
    assert bulk.start(world.database, act, ALL, BulkAction.DISMISS, shown=4).total == 4


def test_a_selection_is_of_dead_letters_only() -> None:
    for which in (Filter(), Filter(states=(JobState.WAITING,)), Filter(states=(JobState.DEAD, JobState.QUEUED))):
        with pytest.raises(ValueError, match="dead letters only"):
            Selection(which)
    # No query leads out of them; among other jobs it still may
    assert job_query.parse("state:dead code:bug", DEAD) == replace(DEAD, code="bug")
    for query in ("state:waiting", "state:dead state:queued"):
        ops.refused(partial(job_query.parse, query, DEAD), "bad_query")
    assert job_query.parse("state:dead state:queued", Filter()).states == (JobState.QUEUED,)


def test_a_selection_is_stored_as_it_is(world: World) -> None:
    which = Filter(
        states=(JobState.DEAD,), practice_id=world.practice_id, kind="validate_import", code="bug", text="x",
        group=job_search.group_named("validate_import/bug/-"), older_than=3600.0, newer_than=7200.0,
    )  # fmt: skip
    for selection in (ALL, Selection(which), Selection(ids=(UUID(int=7),))):
        stored = Selection.of_json(selection.as_json())
        assert stored == selection
        assert stored.scope == selection.scope


def test_ages_count_from_the_start_of_an_act(sqlite_world: World) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    old = die(world, 2)
    world.pass_time(3600)
    young = die(world, 1)
    row = begin(world, act, Selection(replace(DEAD, older_than=1800)), BulkAction.REQUEUE)
    world.pass_time(3600)  # now the young one is old as well
    finish(world, row.id)
    assert states(world, [*old, *young]) == [JobState.QUEUED, JobState.QUEUED, JobState.DEAD]
    assert bulk.get(world.database, row.id).act.total == 2


def test_imports_of_requeued_letters_are_open_again(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world = sqlite_world
    letters = [ops.dead_validation(world, simulator, person=person) for person in range(2)]
    row = begin(world, ops.operator(world), ALL, BulkAction.REQUEUE)
    finish(world, row.id)
    world.run_due()
    assert [ops.holds_together(world, import_id) for import_id, _ in letters] == [ImportState.SUCCEEDED] * 2
