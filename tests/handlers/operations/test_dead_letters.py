"""Dead letters requeued and dismissed: once, by one operator, with the import's state following and every act audited."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from handlers.access.act import act_of
from handlers.errors import RequestRefused
from handlers.imports.amend import amend
from handlers.jobs.enqueue import FollowUp
from handlers.jobs.kinds import JobKind
from handlers.operations.dead_letters import dismiss, requeue, would_refuse
from handlers.registry import HANDLERS
from handlers.xero import reconnect_notice
from portal_db.database import Tx
from portal_db.states import ConnectionState, EmailState, ImportState, JobState, Lane
from portal_db.tables import Import, Job
from portal_db.work import jobs
from portal_db.xero import connections, reconnect_notices
from tests.handlers.given import find, link_entity, run_only, runner_of, set_connection
from tests.handlers.one_job import apply_one, with_one
from tests.handlers.operations import given as ops
from tests.making import add, importable, job, new_job, set_job
from tests.racing import at_once
from tests.world import World, is_importable_person
from worker.local.mail_catcher import Behaviour
from xpm.simulator.serve import SimulatorHandle


def test_a_requeued_import_succeeds_in_a_new_epoch(world: World, simulator: SimulatorHandle) -> None:
    # Given an import that failed
    act = ops.operator(world)
    import_id, job_id = ops.dead_validation(world, simulator)
    assert ops.holds_together(world, import_id) is ImportState.FAILED
    # When its dead letter is requeued
    done = requeue(world.database, act, job_id)
    # Then it is open in its second epoch, and runs through
    assert (done.import_id, done.state) == (import_id, ImportState.IN_PROGRESS)
    assert ops.holds_together(world, import_id) is ImportState.IN_PROGRESS
    world.run_due()
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED
    assert ops.events_of(world, import_id) == [(1, ImportState.FAILED), (2, ImportState.SUCCEEDED)]
    # And its history of attempts is whole, and who did it is known
    with world.database.read() as tx:
        assert [attempt.outcome.value for attempt in jobs.attempts_of(tx, job_id)] == ["permanent", "succeeded"]
    assert ops.history_of(world, "job", job_id) == [("job.requeue", "dead", "queued", "ticket 7")]
    assert {entry.actor_id for entry in ops.acts(world)} == {act.actor_id}


def test_a_dead_branch_goes_on_without_a_second_client(world: World, simulator: SimulatorHandle) -> None:
    act = ops.operator(world)
    import_id, job_id = ops.dead_details(world, simulator)
    requeue(world.database, act, job_id)
    world.run_due()
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED
    assert world.scalar("select count(*) from clients") == 1


def test_a_branch_requeued_while_its_import_is_open_makes_no_new_epoch(
    sqlite_world: World, simulator: SimulatorHandle
) -> None:
    """The import has not closed yet, so it has this one close still before it."""
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id = ops.ask(world, simulator)
    for kind in ("validate_import", "create_client"):
        run_only(world, import_id, kind)
    requeue(world.database, act, ops.die(world, import_id, "import_details"))
    world.run_due()
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED
    assert ops.events_of(world, import_id) == [(1, ImportState.SUCCEEDED)]


def test_of_many_operators_one_requeues_and_the_others_are_told(world: World, simulator: SimulatorHandle) -> None:
    people = [ops.operator(world, name) for name in ("Ada", "Bo", "Cy", "Di")]
    import_id, job_id = ops.dead_validation(world, simulator)
    results = at_once(*(lambda act=act: requeue(world.database, act, job_id) for act in people))
    refusals = [result for result in results if isinstance(result, RequestRefused)]
    assert [refusal.code for refusal in refusals] == ["not_dead"] * 3
    assert all("it is queued; job.requeue by" in refusal.message for refusal in refusals), refusals[0].message
    assert world.import_row(import_id).epoch == 2
    assert len(ops.history_of(world, "job", job_id)) == 1
    world.run_due()
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED


def test_a_requeue_and_a_dismissal_at_once(world: World, simulator: SimulatorHandle) -> None:
    ada, bo = ops.operator(world, "Ada"), ops.operator(world, "Bo")
    for person in range(3):
        import_id, job_id = ops.dead_validation(world, simulator, person=person)
        results = at_once(partial(requeue, world.database, ada, job_id), partial(dismiss, world.database, bo, job_id))
        [refusal] = [result for result in results if isinstance(result, RequestRefused)]
        assert refusal.code == "not_dead"
        won = ImportState.IN_PROGRESS if refusal is results[1] else ImportState.CANCELLED
        assert ops.holds_together(world, import_id) is won
        assert len(ops.history_of(world, "job", job_id)) == 1


def test_a_requeue_and_an_amendment_at_once(world: World, simulator: SimulatorHandle) -> None:
    ada, bo = ops.operator(world, "Ada"), ops.operator(world, "Bo")
    for person in range(3):
        import_id, job_id = ops.dead_validation(world, simulator, person=person)
        results = at_once(
            partial(requeue, world.database, ada, job_id),
            partial(amend, world.database, bo, import_id, {"name": "Mia Moss"}),
        )
        [refusal] = [result for result in results if isinstance(result, RequestRefused)]
        assert refusal.code == ("not_amendable" if refusal is results[1] else "not_dead")
        world.run_due()
        assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED
        assert world.import_row(import_id).epoch == 2
    assert world.scalar("select count(*) from clients") == 3


def test_a_requeue_while_the_import_s_last_job_finishes(world: World, simulator: SimulatorHandle) -> None:
    """The finish holds the import, so the requeue sees it closed and opens the next epoch: never closed with work left."""
    act = ops.operator(world)
    import_id = ops.ask(world, simulator, bring_relationships=True)
    for kind in ("validate_import", "create_client"):
        run_only(world, import_id, kind)
    job_id = ops.die(world, import_id, "import_details")
    requeueing = threading.Thread(target=requeue, args=(world.database, act, job_id), daemon=True)

    def apply(tx: Tx, job: Job, row: Import, fetched: Any) -> Sequence[FollowUp]:
        requeueing.start()
        requeueing.join(0.5)  # it waits for the import; without that lock it is done by now
        return apply_one(HANDLERS["import_relationships"].apply, tx, job, row, fetched)

    kinds = {"import_relationships": with_one(HANDLERS["import_relationships"], apply=apply)}
    runner_of(world, kinds).run(world.jobs_of(import_id)["import_relationships"].id)
    requeueing.join(30)
    assert ops.holds_together(world, import_id) is ImportState.IN_PROGRESS
    world.run_due()
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED
    assert ops.events_of(world, import_id) == [(1, ImportState.PARTLY_SUCCEEDED), (2, ImportState.SUCCEEDED)]


def test_a_dismissed_dead_letter_before_creation_cancels_the_import(world: World, simulator: SimulatorHandle) -> None:
    """The table says so, and it is another close than the one before: an epoch of its own."""
    act = ops.operator(world)
    import_id, job_id = ops.dead_validation(world, simulator)
    assert dismiss(world.database, act, job_id).state is ImportState.CANCELLED
    assert ops.holds_together(world, import_id) is ImportState.CANCELLED
    assert ops.events_of(world, import_id) == [(1, ImportState.FAILED), (2, ImportState.CANCELLED)]
    assert ops.history_of(world, "job", job_id) == [("job.dismiss", "dead", "dismissed", "ticket 7")]
    ops.refused(lambda: dismiss(world.database, act, job_id), "not_dead")
    ops.refused(lambda: requeue(world.database, act, job_id), "not_dead")


def test_a_dismissed_branch_leaves_the_import_partly_done_and_closed_once(
    world: World, simulator: SimulatorHandle
) -> None:
    act = ops.operator(world)
    import_id, job_id = ops.dead_details(world, simulator)
    dismiss(world.database, act, job_id)
    assert ops.holds_together(world, import_id) is ImportState.PARTLY_SUCCEEDED
    assert ops.events_of(world, import_id) == [(1, ImportState.PARTLY_SUCCEEDED)]


def test_a_dismissed_email_that_was_never_begun_is_called_off(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    world.mail.behave(Behaviour(refuse={"*": "451 4.3.0 Try again later"}))
    import_id = ops.ask(world, simulator, send_welcome_email=True)
    while world.run_due():
        world.pass_time(24 * 3600)
    dismiss(world.database, act, world.jobs_of(import_id)[ops.EMAIL].id)
    assert ops.email_of(world, import_id).state is EmailState.CANCELLED
    assert ops.holds_together(world, import_id) is ImportState.PARTLY_SUCCEEDED


def test_many_requeued_in_turn_wait_in_the_record(sqlite_world: World, simulator: SimulatorHandle) -> None:
    """The time of each is kept with it; whoever asked for it may be gone."""
    world, act = sqlite_world, ops.operator(sqlite_world)
    letters = [ops.dead_validation(world, simulator, person=person) for person in range(3)]
    for turn, (_, job_id) in enumerate(letters):
        requeue(world.database, act, job_id, in_seconds=turn * 60.0)
    states = [ops.holds_together(world, import_id) for import_id, _ in letters]
    assert states == [ImportState.IN_PROGRESS, ImportState.WAITING, ImportState.WAITING]
    assert (job(world, letters[1][1]).error_message or "").startswith("Requeued with others, in turn, until ")
    done = []
    for _ in letters:
        world.run_due()
        done.append(sum(world.import_row(import_id).state is ImportState.SUCCEEDED for import_id, _ in letters))
        world.pass_time(60)
    assert done == [1, 2, 3]


def test_one_of_many_that_are_requeued_goes_behind_the_work_that_people_wait_for(
    sqlite_world: World, simulator: SimulatorHandle
) -> None:
    # Given two imports that people requested one by one, and that failed
    world, act = sqlite_world, ops.operator(sqlite_world)
    (import_id, of_many), (_, by_itself) = (ops.dead_validation(world, simulator, person=n) for n in range(2))
    # When one is requeued as one of many, and one by itself
    requeue(world.database, act, of_many, in_background=True)
    requeue(world.database, act, by_itself)
    # Then the first is background work, as all that follows from it, and the second is as it was
    assert [(job(world, each).lane, job(world, each).interactive) for each in (of_many, by_itself)] == [
        (Lane.IMPORT, False),
        (Lane.INTERACTIVE, True),
    ]
    world.run_due()
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED
    assert {(each.lane, each.interactive) for each in world.jobs_of(import_id).values()} == {(Lane.IMPORT, False)}


def test_poison_runs_alone_from_the_start_when_it_is_requeued(sqlite_world: World, simulator: SimulatorHandle) -> None:
    """Else it would take two more workers down, each with its neighbours."""
    world, act = sqlite_world, ops.operator(sqlite_world)
    _, job_id = ops.dead_validation(world, simulator)
    set_job(world, job_id, error_code="poison", lost_leases=2)
    requeue(world.database, act, job_id)
    assert job(world, job_id).lost_leases == 2
    _, other = ops.dead_validation(world, simulator, person=1)
    set_job(world, other, lost_leases=1)
    requeue(world.database, act, other)
    assert job(world, other).lost_leases == 0


# ---- done elsewhere ----


def test_what_another_import_created_is_not_created_again(world: World, simulator: SimulatorHandle) -> None:
    act = ops.operator(world)
    import_id, job_id = ops.dead_validation(world, simulator)
    other = ops.ask(world, simulator)
    refusal = ops.refused(lambda: requeue(world.database, act, job_id), "under_way_elsewhere")
    assert str(other) in refusal.message
    world.run_due()
    refusal = ops.refused(lambda: requeue(world.database, act, job_id), "done_elsewhere")
    assert str(other) in refusal.message
    assert str(world.import_row(other).client_id) in refusal.message
    assert would_refuse(world.database, job_id) is not None
    # And nothing was changed by asking
    assert ops.holds_together(world, import_id) is ImportState.FAILED
    assert ops.acts(world) == []
    # But it can be dismissed
    dismiss(world.database, act, job_id)
    assert ops.holds_together(world, import_id) is ImportState.CANCELLED


def test_a_record_that_somebody_linked_by_hand(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    _, job_id = ops.dead_validation(world, simulator)
    client_id = link_entity(world, importable(simulator)[0].uuid)
    refusal = ops.refused(lambda: requeue(world.database, act, job_id), "done_elsewhere")
    assert str(client_id) in refusal.message
    assert "import" not in refusal.message


def test_an_email_of_unknown_outcome_is_not_requeued(world: World, simulator: SimulatorHandle) -> None:
    act = ops.operator(world)
    import_id, email_id = ops.unknown_email(world, simulator, delivered=True)
    job_id = world.jobs_of(import_id)[ops.EMAIL].id
    refusal = ops.refused(lambda: requeue(world.database, act, job_id), "outcome_unknown")
    assert f"portal-sync emails resend {email_id}" in refusal.remedy
    world.run_due()
    assert len(world.mail.deliveries()) == 1


def dead_email(world: World, import_id: UUID, **job_values: object) -> UUID:
    """The import's email job, dead for a cause that passes."""
    job_id = world.jobs_of(import_id)[ops.EMAIL].id
    set_job(world, job_id, state=JobState.DEAD, error_class="transient", error_code="smtp_unreachable", **job_values)
    return job_id


def test_an_email_that_was_sent_since_names_itself(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id = ops.ask(world, simulator, send_welcome_email=True)
    world.run_due()
    job_id = dead_email(world, import_id)
    refusal = ops.refused(lambda: requeue(world.database, act, job_id), "done_elsewhere")
    assert f"Email {ops.email_of(world, import_id).id} was sent as version 1 at" in refusal.message


def test_an_email_that_nobody_needs_any_more(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id = ops.ask(world, simulator, send_welcome_email=True)
    for kind in ops.BEFORE_EMAIL:
        run_only(world, import_id, kind)
    job_id = dead_email(world, import_id)
    assert would_refuse(world.database, job_id) is None
    ops.activate(world)
    refusal = ops.refused(lambda: requeue(world.database, act, job_id), "done_elsewhere")
    assert "activated" in refusal.message


def dead_notice(world: World, state: EmailState) -> UUID:
    """A dead letter that was to tell a staff member of a broken connection."""
    set_connection(world, ConnectionState.BROKEN)
    with world.database.write() as tx:
        connection = connections.get(tx, world.connection_id)
        assert connection is not None
        reconnect_notice.request(tx, connection, connection.breaks)
        notice_id = tx.session.query(Job).filter(Job.kind == JobKind.SEND_RECONNECT_NOTICE).one().args["notice_id"]
        if state is not EmailState.PENDING:
            assert reconnect_notices.begin_sending(tx, UUID(notice_id), uuid4())
        if state is EmailState.UNKNOWN:
            reconnect_notices.mark_unknown(tx, UUID(notice_id))
        job_id: UUID = tx.session.query(Job).filter(Job.kind == JobKind.SEND_RECONNECT_NOTICE).one().id
    set_job(world, job_id, state=JobState.DEAD, error_class="transient", error_code="smtp_unreachable")
    return job_id


def test_a_reconnect_email_is_requeued_only_while_it_is_needed_and_known_unsent(sqlite_world: World) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    job_id = dead_notice(world, EmailState.PENDING)
    assert would_refuse(world.database, job_id) is None
    set_connection(world, ConnectionState.CONNECTED)
    refusal = ops.refused(lambda: requeue(world.database, act, job_id), "done_elsewhere")
    assert str(world.connection_id) in refusal.message
    set_connection(world, ConnectionState.BROKEN)
    done = requeue(world.database, act, job_id)
    assert (done.import_id, done.state) == (None, None)
    world.run_due()
    assert job(world, job_id).state is JobState.SUCCEEDED
    assert len(world.mail.deliveries()) == 1


def test_a_reconnect_email_of_unknown_outcome_is_not_sent_again(sqlite_world: World) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    job_id = dead_notice(sqlite_world, EmailState.UNKNOWN)
    ops.refused(lambda: requeue(world.database, act, job_id), "outcome_unknown")
    assert dismiss(world.database, act, job_id).import_id is None


def test_of_two_who_requeue_a_job_of_no_import_one_is_told(world: World) -> None:
    """No import row to lock: the statement itself decides."""
    ada, bo = ops.operator(world, "Ada"), ops.operator(world, "Bo")
    [job_id] = add(world, new_job(world, kind="leave_xero"))
    set_job(world, job_id, state=JobState.DEAD, error_class="permanent", error_code="bug")
    results = at_once(lambda: requeue(world.database, ada, job_id), lambda: requeue(world.database, bo, job_id))
    assert Counter(type(result).__name__ for result in results) == {"Requeued": 1, "RequestRefused": 1}


def test_the_statements_themselves_let_one_through(world: World) -> None:
    """Whatever was read before: a dead letter leaves that state once."""
    [job_id] = add(world, new_job(world))

    def requeued(tx: Tx) -> bool:
        return jobs.requeue(tx, job_id, 1)

    def dismissed(tx: Tx) -> bool:
        return jobs.dismiss(tx, job_id)

    for first, second in ((requeued, dismissed), (dismissed, requeued)):
        set_job(world, job_id, state=JobState.DEAD)
        with world.database.write() as tx:
            assert [step(tx) for step in (first, first, second)] == [True, False, False]


def test_a_job_that_is_not_there_or_not_dead(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id = world.run_import(find(simulator, is_importable_person).uuid).id
    done = world.jobs_of(import_id)["validate_import"].id
    for use_case in (requeue, dismiss):
        ops.refused(lambda use_case=use_case: use_case(world.database, act, uuid4()), "unknown_job")  # type: ignore[misc]
        refusal = ops.refused(lambda use_case=use_case: use_case(world.database, act, done), "not_dead")  # type: ignore[misc]
        assert "it is succeeded." in refusal.message


# ---- who acts ----


@pytest.mark.parametrize("who", ["nobody@platform.example", "nobody", "", str(UUID(int=1))])
def test_only_operators_act(sqlite_world: World, who: str) -> None:
    ops.refused(lambda: act_of(sqlite_world.database, who, "why"), "unknown_operator")


def test_a_staff_member_is_no_operator(sqlite_world: World) -> None:
    staff = f"partner-{sqlite_world.staff_id.hex}@practice.example"
    ops.refused(lambda: act_of(sqlite_world.database, staff, "why"), "unknown_operator")


@pytest.mark.parametrize("why", ["", "  ", "x" * 501, "asked by mia@example.com"])
def test_a_reason_is_a_sentence_without_an_address(sqlite_world: World, why: str) -> None:
    act = ops.operator(sqlite_world)
    refusal = ops.refused(lambda: act_of(sqlite_world.database, str(act.actor_id), why), "bad_request")
    assert refusal.field == "reason"
    assert "mia@" not in refusal.message
