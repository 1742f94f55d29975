"""Pauses, and the explanation of a job in every state and behind every reason that can hold it (invariant 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from handlers.errors import RequestRefused
from handlers.imports.cancel import cancel
from handlers.jobs.explain import Explanation, Suggestion, explain, wait_reasons
from handlers.operations.dead_letters import dismiss, requeue
from handlers.operations.pauses import pause, resume
from portal_db.states import ConnectionState, ErrorClass, JobState, Lane
from portal_db.types import database_time, db_now
from portal_db.work import jobs, leaders, ringing
from portal_db.work.pauses import Scope
from tests.handlers.given import FullQuota, run_only, set_connection
from tests.handlers.operations import given as ops
from tests.making import add, claim, claimed, importable, new_job, set_job
from tests.racing import at_once
from tests.world import World
from xpm.client import XpmApi
from xpm.simulator.serve import SimulatorHandle

LIMIT = 2


def told(world: World, job_id: UUID) -> Explanation:
    with world.database.read() as tx:
        job = jobs.get(tx, job_id)
        assert job is not None
        return explain(tx, job, ring_limit=LIMIT)


def codes(world: World, job_id: UUID) -> list[str]:
    explanation = told(world, job_id)
    assert explanation.next.words
    assert all(hold.words for hold in explanation.holds)
    return [hold.code for hold in explanation.holds]


def lead(world: World, seconds: float = 100) -> None:
    """A relay runs."""
    with world.database.write() as tx:
        assert leaders.hold(tx, leaders.RELAY, "relay-1", seconds)


def ring(world: World) -> None:
    with world.database.write() as tx:
        ringing.pick(tx, limit=LIMIT)


def told_staff(world: World, job_id: UUID) -> str:
    with world.database.read() as tx:
        job = jobs.get(tx, job_id)
        assert job is not None
        return wait_reasons(tx, [job])[job_id].words


# ---- pauses ----


@pytest.mark.parametrize(
    "scope_of",
    [
        lambda world: Scope(practice_id=world.practice_id),
        lambda _: Scope(lane=Lane.IMPORT),
        lambda _: Scope(kind="validate_import"),
        lambda world: Scope(world.practice_id, Lane.IMPORT, "validate_import"),
        lambda _: Scope(),
    ],
    ids=["practice", "lane", "kind", "all three", "everything"],
)
def test_what_is_paused_is_not_claimed_and_says_by_whom_and_why(
    world: World, scope_of: Callable[[World], Scope]
) -> None:
    act, scope = ops.operator(world), scope_of(world)
    [job_id] = add(world, new_job(world))
    pause(world.database, act, scope)
    assert claim(world, job_id) is None
    [hold] = told(world, job_id).holds
    assert hold.code == "paused"
    assert "by Olu Ops since" in hold.words
    assert hold.words.endswith(": ticket 7")
    assert told_staff(world, job_id) == "Paused by operations."
    resume(world.database, act, scope)
    assert claim(world, job_id) is not None
    assert [entry[0] for entry in ops.history_of(world, "pause", scope.id)] == ["work.pause", "work.resume"]


def test_a_pause_stops_claims_and_not_what_runs(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id = ops.ask(world, simulator)
    lease = claimed(world, world.jobs_of(import_id)["validate_import"].id)
    pause(world.database, act, Scope(practice_id=world.practice_id))
    with world.database.write() as tx:
        jobs.succeed(tx, lease)
    assert world.states_of(import_id)["validate_import"] is JobState.SUCCEEDED


def test_of_two_who_pause_the_same_one_is_told_by_whom(world: World) -> None:
    ada, bo = ops.operator(world, "Ada"), ops.operator(world, "Bo")
    scope = Scope(lane=Lane.EMAIL)
    results = at_once(lambda: pause(world.database, ada, scope), lambda: pause(world.database, bo, scope))
    [refusal] = [result for result in results if isinstance(result, RequestRefused)]
    assert refusal.code == "paused_already"
    assert "ticket 7" in refusal.message
    assert world.scalar("select count(*) from pauses") == 1
    results = at_once(lambda: resume(world.database, ada, scope), lambda: resume(world.database, bo, scope))
    [refusal] = [result for result in results if isinstance(result, RequestRefused)]
    assert refusal.code == "not_paused"


def test_pauses_of_what_is_not_there(sqlite_world: World) -> None:
    act = ops.operator(sqlite_world)
    ops.refused(lambda: pause(sqlite_world.database, act, Scope(practice_id=UUID(int=7))), "unknown_practice")
    ops.refused(lambda: pause(sqlite_world.database, act, Scope(kind="make_coffee")), "unknown_kind")
    ops.refused(lambda: resume(sqlite_world.database, act, Scope()), "not_paused")


# ---- open jobs ----


def test_a_job_on_its_way_to_a_worker(world: World) -> None:
    [job_id] = add(world, new_job(world))
    assert codes(world, job_id) == ["no_relay"]
    lead(world)
    assert codes(world, job_id) == ["relay"]
    ring(world)
    explanation = told(world, job_id)
    assert [hold.code for hold in explanation.holds] == ["free_worker"]
    assert explanation.holds[0].until is not None
    world.pass_time(11)
    lead(world)
    assert codes(world, job_id) == ["not_claimed"]


def test_a_job_behind_its_practice_s_ring_limit(world: World) -> None:
    ids = add(world, *(new_job(world, position=position) for position in range(5)))
    lead(world)
    ring(world)
    claimed(world, ids[0])
    [hold] = told(world, ids[4]).holds
    assert hold.code == "ring_limit"
    assert (
        hold.words
        == "2 jobs of its practice are rung or running, and RING_LIMIT allows 2 at a time. 2 are ahead of it."
    )
    # And still when the one that is rung was not claimed for long
    world.pass_time(11)
    lead(world)
    assert codes(world, ids[4]) == ["ring_limit"]
    assert codes(world, ids[1]) == ["not_claimed"]


def test_a_job_that_waits_for_earlier_rows_of_its_batch(world: World, simulator: SimulatorHandle) -> None:
    rows = [world.request(importable(simulator)[number].uuid) for number in range(3)]
    import_ids = world.ask_batch(rows)
    run_only(world, import_ids[2], "validate_import")
    job_id = world.jobs_of(import_ids[2])["create_client"].id
    [hold] = told(world, job_id).holds
    assert hold.code == "batch_order"
    assert hold.words == (
        "Waiting for 2 earlier rows of its batch, which may use the same email address;"
        f" the first is row 1, import {import_ids[0]} (accepted)."
    )
    assert told_staff(world, job_id) == "Waiting for earlier rows of its batch."
    run_only(world, import_ids[0], "validate_import")
    assert told(world, job_id).holds[0].words.startswith("Waiting for an earlier row of its batch")
    assert f"row 2, import {import_ids[1]}" in told(world, job_id).holds[0].words
    run_only(world, import_ids[1], "validate_import")
    assert codes(world, job_id) == ["no_relay"]
    assert told_staff(world, job_id) == "Waiting to start…"


def test_a_job_that_the_quota_put_off(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world = sqlite_world
    import_id = ops.ask(world, simulator)
    xpm = XpmApi(world.services.settings.xpm_api_url, limiter=FullQuota(90))
    run_only(world, import_id, "validate_import", replace(world.services, xpm=xpm))
    xpm.close()
    job_id = world.jobs_of(import_id)["validate_import"].id
    [hold] = told(world, job_id).holds
    assert hold.code == "quota"
    assert hold.words.startswith("Waiting for XPM's quota: XPM minute limit, until ")
    with world.database.read() as tx:
        left = (hold.until or database_time(tx.session)) - database_time(tx.session)
    assert timedelta(seconds=60) < left <= timedelta(seconds=90)
    # Due now, and the relay lets it go as permits come free
    world.pass_time(100)
    lead(world)
    [hold] = told(world, job_id).holds
    assert (hold.code, hold.until) == ("quota", None)
    assert "XPM minute limit" in hold.words
    assert "until" not in hold.words


def test_a_job_held_with_others_of_its_kind_that_the_quota_put_off(world: World) -> None:
    put_off, other = add(world, new_job(world), new_job(world))
    waiting = {"state": JobState.WAITING, "next_attempt_at": db_now(60), "error_class": ErrorClass.DEFERRED}
    set_job(world, put_off, **waiting, error_code="xpm_quota", error_message="XPM day limit, until 10:00:00")
    lead(world)
    [hold] = told(world, other).holds
    assert hold.code == "quota"
    assert hold.words.endswith("with other jobs of its kind: XPM day limit.")


def test_a_job_that_waits_for_a_reconnect(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world = sqlite_world
    import_id = ops.ask(world, simulator)
    set_connection(world, ConnectionState.BROKEN)
    run_only(world, import_id, "validate_import")
    explanation = told(world, world.jobs_of(import_id)["validate_import"].id)
    [hold] = explanation.holds
    assert hold.code == "connection"
    with world.database.read() as tx:
        left = (hold.until or database_time(tx.session)) - database_time(tx.session)
    assert timedelta(hours=71, minutes=59) < left <= timedelta(hours=72)
    assert "It continues as soon as XPM is reconnected" in explanation.next.words


def test_a_job_that_backs_off(sqlite_world: World) -> None:
    [job_id] = add(sqlite_world, new_job(sqlite_world))
    since = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
    waits = {"state": JobState.WAITING, "next_attempt_at": db_now(60), "attempts": 3, "waiting_since": since}
    failed = {"error_class": ErrorClass.TRANSIENT, "error_code": "xpm_unavailable", "error_message": "XPM failed."}
    set_job(sqlite_world, job_id, **waits, **failed)
    [hold] = told(sqlite_world, job_id).holds
    assert (hold.code, hold.words) == (
        "back_off",
        "Backing off after attempt 3: XPM failed. It is retried until 2026-11-27 08:00:00 UTC.",
    )
    assert hold.until is not None


def test_a_job_that_runs_alone_next(sqlite_world: World) -> None:
    [job_id] = add(sqlite_world, new_job(sqlite_world))
    set_job(sqlite_world, job_id, lost_leases=2)
    lead(sqlite_world)
    assert codes(sqlite_world, job_id) == ["relay", "alone"]
    assert "becomes a dead letter" in told(sqlite_world, job_id).next.words


def test_a_job_of_a_kind_this_version_does_not_know(sqlite_world: World) -> None:
    """P15: it waits for a newer worker; it does not die."""
    [job_id] = add(sqlite_world, new_job(sqlite_world, kind="make_coffee"))
    assert codes(sqlite_world, job_id) == ["unknown_kind"]
    assert "does not die" in told(sqlite_world, job_id).next.words


def test_a_running_job_and_one_whose_worker_died(world: World) -> None:
    [job_id] = add(world, new_job(world))
    claimed(world, job_id, owner="host-1/42")
    [hold] = told(world, job_id).holds
    assert (hold.code, "Runs on host-1/42" in hold.words, hold.until is not None) == ("lease", True, True)
    world.pass_time(11)
    assert codes(world, job_id) == ["lease_ran_out"]
    assert "takes it back" in told(world, job_id).next.words


def test_a_job_that_waits_its_turn(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    _, job_id = ops.dead_validation(world, simulator)
    requeue(world.database, act, job_id, in_seconds=120)
    [hold] = told(world, job_id).holds
    assert hold.code == "in_turn"
    assert hold.until is not None


# ---- jobs that ended ----


def test_jobs_that_ended(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    # dead, then dismissed
    _, job_id = ops.dead_validation(world, simulator)
    assert codes(world, job_id) == ["dead"]
    assert told(world, job_id).next.suggestions == (Suggestion.REQUEUE, Suggestion.DISMISS, Suggestion.AMEND)
    dismiss(world.database, act, job_id)
    assert told(world, job_id).next.words.endswith("dismissed by Olu Ops: ticket 7")
    # rejected
    rejected = ops.ask(world, simulator, person=1, email="nobody")
    world.run_due()
    next_ = told(world, world.jobs_of(rejected)["validate_import"].id).next.words
    assert "rejected: That email address isn't valid." in next_
    # cancelled
    cancelled = ops.ask(world, simulator, person=2)
    cancel(world.database, act, cancelled)
    assert told(world, world.jobs_of(cancelled)["validate_import"].id).next.words.endswith(
        "cancelled by Olu Ops: ticket 7"
    )
    # succeeded
    done = world.run_import(importable(simulator)[3].uuid)
    explanation = told(world, world.jobs_of(done.id)["validate_import"].id)
    assert explanation.holds == ()
    assert "succeeded" in explanation.next.words


def test_a_dead_letter_that_would_be_refused_says_so(sqlite_world: World, simulator: SimulatorHandle) -> None:
    import_id, email_id = ops.unknown_email(sqlite_world, simulator)
    explanation = told(sqlite_world, sqlite_world.jobs_of(import_id)[ops.EMAIL].id)
    assert f"A requeue would be refused: We don't know whether email {email_id} was sent." in explanation.next.words


def test_every_state_of_a_job_is_explained(sqlite_world: World) -> None:
    """Whatever a job's state and whatever else is missing, there is an answer."""
    [job_id] = add(sqlite_world, new_job(sqlite_world))
    for state in JobState:
        set_job(sqlite_world, job_id, state=state)
        assert told(sqlite_world, job_id).next.words
