"""An error's class decides what becomes of its job and its import (design §3)."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from config.sources import Sources
from handlers.errors import ConnectionLost, Deferred, OutcomeUnknown, Permanent, Rejected, Transient
from handlers.jobs.handler import CONNECTION_PATIENCE_SECONDS
from handlers.jobs.kinds import KINDS
from portal_db.states import ErrorClass, ImportState, JobState
from portal_db.work import jobs
from tests.making import job, set_job
from tests.worker.runner.running import count, only_job, outcomes, raising, runner, stub
from tests.world import World
from worker.runner.failures import CONNECTION_RECHECK_SECONDS, DEFAULT_DEFERRAL_SECONDS
from xpm.errors import QuotaDeferred, XpmForbidden, XpmMalformed, XpmNotFound, XpmTimeout

TRIES = 16
PATIENCE_SECONDS = KINDS["validate_import"].patience_hours * 3600
CAP = KINDS["validate_import"].backoff_cap_seconds


@dataclass(frozen=True)
class Case:
    """What is raised, and what job and import are then."""

    error: Exception
    job: JobState
    row: ImportState
    code: str
    attempts: int = 0
    deferrals: int = 0
    outcome: str = ""


WAITS = (JobState.WAITING, ImportState.WAITING)
DIES = (JobState.DEAD, ImportState.FAILED)
TURNED_DOWN = (JobState.REJECTED, ImportState.REJECTED)
CASES = [
    Case(Rejected("email_missing", "No email."), *TURNED_DOWN, "email_missing", 1, 0, "rejected"),
    Case(XpmNotFound(404), *TURNED_DOWN, "xpm_client_unknown", 1, 0, "rejected"),
    Case(Deferred("paused", "Paused."), *WAITS, "paused", 0, 1, "deferred"),
    Case(QuotaDeferred("minute", 9), *WAITS, "xpm_quota", 0, 1, "deferred"),
    Case(Transient("slow", "Slow."), *WAITS, "slow", 1, 0, "transient"),
    Case(XpmTimeout(), *WAITS, "xpm_unreachable", 1, 0, "transient"),
    Case(XpmMalformed("cut", truncated=True), *WAITS, "xpm_truncated", 1, 0, "transient"),
    Case(ConnectionLost("reconnect_xpm", "Reconnect."), *WAITS, "reconnect_xpm", 0, 1, "connection"),
    Case(XpmForbidden("disconnected"), *WAITS, "reconnect_xpm", 0, 1, "connection"),
    Case(OutcomeUnknown("email_outcome_unknown", "Who knows."), *DIES, "email_outcome_unknown", 1, 0, "unknown"),
    Case(Permanent("contract", "Broken."), *DIES, "contract", 1, 0, "permanent"),
    Case(XpmMalformed("nonsense"), *DIES, "xpm_contract", 1, 0, "permanent"),
    Case(RuntimeError("what?"), *DIES, "bug", 1, 0, "permanent"),
]


@pytest.mark.parametrize("where", ["fetch", "apply"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: type(case.error).__name__)
def test_the_class_of_an_error_decides(sqlite_world: World, case: Case, where: str) -> None:
    world = sqlite_world
    import_id = world.ask(uuid4())
    runner(world, kinds=stub(**{where: raising(case.error)})).run(only_job(world, import_id).id)
    found = only_job(world, import_id)
    assert (found.state, found.error_code) == (case.job, case.code)
    assert (found.attempts, found.deferrals) == (case.attempts, case.deferrals)
    assert (found.lease_until, found.deadline_at) == (None, None)
    assert (found.next_attempt_at is not None) is (case.job is JobState.WAITING)
    assert outcomes(world, found.id) == [case.outcome]
    row = world.import_row(import_id)
    assert row.state is case.row
    assert row.outcome_code == (None if case.row.is_open else case.code), "a closed import says why"
    assert count(world, "import_events") == int(not case.row.is_open)


def waits(world: World, error: Exception, *, tries: int = 1, sources: Sources | None = None) -> list[float]:
    """For how long a job is put aside, one try after the other."""
    services = replace(world.services, sources=sources or world.services.sources)
    found = []
    job_id = only_job(world, world.ask(uuid4())).id
    one = runner(world, kinds=stub(raising(error)), services=services)
    for _ in range(tries):
        one.run(job_id)
        row = job(world, job_id)
        with world.database.read() as tx:
            ended = jobs.attempts_of(tx, job_id)[-1].finished_at
        if row.next_attempt_at is None:
            break
        found.append((row.next_attempt_at - ended).total_seconds())
        world.pass_time(found[-1] + 1)
    return found


def test_a_deferral_lasts_as_long_as_its_cause_says(sqlite_world: World) -> None:
    assert waits(sqlite_world, QuotaDeferred("day", 4000)) == [pytest.approx(4000, abs=0.5)]
    assert waits(sqlite_world, Deferred("paused", "")) == [pytest.approx(DEFAULT_DEFERRAL_SECONDS, abs=0.5)]


def test_deferrals_are_endless(sqlite_world: World) -> None:
    assert len(waits(sqlite_world, QuotaDeferred("minute", 30), tries=3 * TRIES)) == 3 * TRIES


class Longest(random.Random):
    """Chance at its worst: always the longest wait."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 -- as in the base class
        return b


def test_back_off_doubles_up_to_the_cap(sqlite_world: World) -> None:
    found = waits(sqlite_world, Transient("slow", ""), tries=TRIES, sources=Sources(random=Longest()))
    wanted = [min(CAP, 2.0**attempt) for attempt in range(TRIES)]
    assert found == [pytest.approx(seconds, abs=0.5) for seconds in wanted]
    assert sqlite_world.scalar("SELECT attempts FROM jobs") == TRIES


def test_a_job_is_retried_for_as_long_as_its_kind_is_worth_and_then_dead(sqlite_world: World) -> None:
    world, down = sqlite_world, Transient("xpm_unreachable", "")
    # Given an upstream that has been away since the job's first attempt
    waits(world, down, tries=3)
    # When it is still away just before the kind's patience is over, then it waits on
    world.pass_time(PATIENCE_SECONDS - 600)
    again(world, down)
    assert world.scalar("SELECT state FROM jobs") == "waiting"
    # When it is still away after that, then it is a dead letter
    world.pass_time(600)
    again(world, down)
    assert world.scalar("SELECT state FROM jobs") == "dead"
    assert world.scalar("SELECT state FROM imports") == "failed"


def test_patience_begins_anew_after_another_kind_of_wait(sqlite_world: World) -> None:
    world, down = sqlite_world, Transient("xpm_unreachable", "")
    # Given a job that has waited for longer than its patience, but for a reconnect
    waits(world, ConnectionLost("reconnect_xpm", ""), tries=1)
    world.pass_time(PATIENCE_SECONDS + 600)
    # When its next attempt fails for the first time because XPM is away, then it waits
    again(world, down)
    assert world.scalar("SELECT state FROM jobs") == "waiting"


def test_a_deferral_between_two_failures_does_not_prolong_patience(sqlite_world: World) -> None:
    world, down = sqlite_world, Transient("xpm_unreachable", "")
    waits(world, down, tries=1)
    world.pass_time(PATIENCE_SECONDS - 600)
    again(world, QuotaDeferred("minute", 30))
    world.pass_time(700)
    again(world, down)
    assert world.scalar("SELECT state FROM jobs") == "dead"


def again(world: World, error: Exception) -> None:
    """Run the one job there is, which fails once more."""
    job_id = world.scalar("SELECT id FROM jobs")
    runner(world, kinds=stub(raising(error))).run(UUID(str(job_id)))


def test_back_off_has_full_jitter(sqlite_world: World, seed: int) -> None:
    sources = Sources(random=random.Random(seed))
    expected, rehearsal = [], random.Random(seed)
    for attempt in range(TRIES):
        # An attempt takes no other chance than its back-off: ids come from the world's own sources.
        expected.append(rehearsal.uniform(0, min(CAP, 2.0**attempt)))
    found = waits(sqlite_world, Transient("slow", ""), tries=TRIES, sources=sources)
    assert found == [pytest.approx(seconds, abs=0.5) for seconds in expected]


def test_an_upstream_that_asks_for_a_longer_wait_gets_it(sqlite_world: World) -> None:
    assert waits(sqlite_world, Transient("busy", "", wait_seconds=120)) == [pytest.approx(120, abs=0.5)]


def test_a_broken_connection_is_looked_at_again_until_patience_ends(world: World) -> None:
    lost = runner(world, kinds=stub(raising(ConnectionLost("reconnect_xpm", "Reconnect.", "Do it."))))
    import_id = world.ask(uuid4())
    job_id = only_job(world, import_id).id
    lost.run(job_id)
    began = job(world, job_id).waiting_since
    assert began is not None
    assert job(world, job_id).next_attempt_at is not None
    world.pass_time(CONNECTION_PATIENCE_SECONDS - 60)
    lost.run(job_id)
    assert (job(world, job_id).state, job(world, job_id).deferrals) == (JobState.WAITING, 2)
    world.pass_time(CONNECTION_RECHECK_SECONDS + 1)
    lost.run(job_id)
    row = world.import_row(import_id)
    assert job(world, job_id).state is JobState.DEAD
    assert (row.state, row.outcome_code, row.outcome_remedy) == (ImportState.FAILED, "reconnect_xpm", "Do it.")


def test_a_reconnect_ends_the_wait_and_its_clock(world: World) -> None:
    job_id = only_job(world, world.ask(uuid4())).id
    runner(world, kinds=stub(raising(ConnectionLost("reconnect_xpm", "")))).run(job_id)
    world.pass_time(CONNECTION_PATIENCE_SECONDS - 60)
    runner(world, kinds=stub(raising(Transient("slow", "")))).run(job_id)
    world.pass_time(CONNECTION_RECHECK_SECONDS)
    runner(world, kinds=stub(raising(ConnectionLost("reconnect_xpm", "")))).run(job_id)
    assert job(world, job_id).state is JobState.WAITING, "a new wait has 72 hours of its own"


def test_an_unforeseen_error_says_where_and_no_values(sqlite_world: World) -> None:
    def fetch(*_: object) -> None:
        try:
            raise KeyError("jane.roe@example.com")
        except KeyError as error:
            raise ValueError("Jane Roe, born 1980-02-03") from error

    job_id = only_job(sqlite_world, sqlite_world.ask(uuid4())).id
    runner(sqlite_world, kinds=stub(fetch)).run(job_id)
    row = job(sqlite_world, job_id)
    assert (row.state, row.error_class, row.error_code) == (JobState.DEAD, ErrorClass.PERMANENT, "bug")
    with sqlite_world.database.read() as tx:
        [attempt] = jobs.attempts_of(tx, job_id)
    assert attempt.traceback is not None
    assert "runner/test_errors.py" in attempt.traceback
    for word in ("ValueError", "KeyError", "fetch"):
        assert word in attempt.traceback
    kept = f"{attempt.traceback} {attempt.error_message} {row.error_message} {row.error_action}"
    for value in ("Jane", "Roe", "jane", "1980"):
        assert value not in kept


def test_a_statement_the_database_refuses_is_a_bug_and_no_outage(world: World) -> None:
    """Tried again it would be refused again; and nobody should go looking for a database that is away."""

    def apply(tx: object, *_: object) -> None:
        tx.session.execute(text("UPDATE logins SET email_key = NULL"))  # type: ignore[attr-defined]  # a Tx

    job_id = only_job(world, world.ask(uuid4())).id
    runner(world, kinds=stub(apply=apply)).run(job_id)  # type: ignore[arg-type]  # never returns
    assert (job(world, job_id).state, job(world, job_id).error_code) == (JobState.DEAD, "bug")


def test_a_job_that_waits_says_for_what_and_until_when(world: World) -> None:
    job_id = only_job(world, world.ask(uuid4())).id
    runner(world, kinds=stub(raising(QuotaDeferred("day", 4000)))).run(job_id)
    row = job(world, job_id)
    assert row.error_message is not None
    assert row.error_message.startswith("XPM day limit, until ")
    assert row.next_attempt_at is not None


def test_success_wipes_the_reason_of_an_earlier_wait(world: World) -> None:
    import_id = world.ask(uuid4())
    job_id = only_job(world, import_id).id
    set_job(world, job_id, state=JobState.QUEUED, error_code="slow", error_message="Slow.", error_class="transient")
    runner(world, kinds=stub()).run(job_id)
    row = job(world, job_id)
    assert (row.error_class, row.error_code, row.error_message) == (None, None, None)
