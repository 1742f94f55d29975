"""One delivery at a time to an endpoint and two for a practice: others wait, use no attempt, and go on when a turn ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from handlers.errors import Deferred
from handlers.jobs.kinds import KINDS, JobKind
from handlers.registry import HANDLERS
from handlers.webhooks import deliver, endpoints
from handlers.webhooks.announce import TEST
from handlers.webhooks.deliver import TURNS
from portal_db.states import JobState
from portal_db.tables import Job
from portal_db.webhook_turns import BUSY_CODE
from portal_db.work import jobs
from portal_db.work.jobs import Lease
from tests.handlers.webhooks.given import endpoint, listen, press_test, send, told
from tests.racing import at_once
from tests.servers.receiver import Receiver
from tests.servers.waiting import wait_until
from tests.world import TENANT, World, connect_practice
from worker.runner import failures

WAITS = ("import.succeeded", JobState.WAITING, BUSY_CODE)
DELIVERED = ("import.succeeded", JobState.SUCCEEDED, None)


def job(world: World, job_id: UUID) -> Job:
    with world.database.read() as tx:
        found = jobs.get(tx, job_id)
    assert found is not None
    return found


def take(world: World, job_id: UUID) -> float | None:
    """Claim a turn as a worker does that posts now."""
    of = job(world, job_id)
    with world.database.write() as tx:
        return TURNS.take(tx, of.practice_id, UUID(of.args["delivery_id"]), job_id)


def end(world: World, job_id: UUID) -> None:
    with world.database.write() as tx:
        TURNS.end(tx, world.practice_id, job_id)


def job_of_test(world: World, made: endpoints.Made) -> UUID:
    [newest, *_] = endpoints.deliveries(world.database, made.endpoint_id, practice_id=world.practice_id).items
    assert newest.delivery.event == TEST
    return newest.delivery.job_id


@contextmanager
def posting(world: World, receiver: Receiver, job_id: UUID) -> Iterator[None]:
    """Let another worker post, and get no answer before the block ends."""
    receiver.may_answer.clear()
    before = len(receiver.came)
    worker = threading.Thread(target=world.runner(owner="worker-2").run, args=(job_id,), daemon=True)
    worker.start()
    wait_until(lambda: len(receiver.came) > before, "the message to arrive")
    try:
        yield
    finally:
        receiver.may_answer.set()
        worker.join(30)


def test_an_endpoint_is_sent_one_message_at_a_time(world: World, receiver: Receiver) -> None:
    made = listen(world, receiver.url)
    first, *others = send(world, made, 3)
    # Given a receiver that takes its time with a message, When other deliveries are run
    with posting(world, receiver, first):
        for each in others:
            world.runner().run(each)
        # Then they wait without a call, and no attempt is used
        assert len(receiver.came) == 1
        assert told(world, made)[1:] == [WAITS] * 2
        assert [(each.attempts, each.deferrals) for each in (job(world, other) for other in others)] == [(0, 1)] * 2
        words = job(world, others[0]).error_message or ""
        assert words.startswith("Waiting for the answer to another message, until ")
    # And as soon as it has answered they go on, one after the other
    world.run_due()
    assert told(world, made) == [DELIVERED] * 3


@pytest.mark.parametrize("status", [204, 500])
def test_whatever_the_outcome_the_one_that_waited_longest_is_next(
    sqlite_world: World, receiver: Receiver, status: int
) -> None:
    world, made = sqlite_world, listen(sqlite_world, receiver.url)
    first, second, third = send(world, made, 3)
    receiver.status = status
    with posting(world, receiver, first):
        for each in (third, second):
            world.runner().run(each)
    world.runner().run(third)  # its time has not come
    assert job(world, third).error_code == BUSY_CODE
    world.runner().run(second)
    assert job(world, second).error_code == (None if status == 204 else "webhook_resting")


def test_a_test_is_next_before_all_that_waits(sqlite_world: World, receiver: Receiver) -> None:
    world, made = sqlite_world, listen(sqlite_world, receiver.url)
    first, second = send(world, made, 2)
    assert take(world, first) is None
    press_test(world, made)
    test = job_of_test(world, made)
    for each in (second, test):
        world.runner().run(each)
    assert told(world, made)[1:] == [WAITS, ("webhook.test", JobState.WAITING, BUSY_CODE)]
    end(world, first)
    for each in (second, test):
        world.runner().run(each)
    assert [state for _, state, _ in told(world, made)] == [JobState.QUEUED, JobState.WAITING, JobState.SUCCEEDED]


def test_a_worker_that_was_killed_holds_its_turn_until_it_runs_out(world: World, receiver: Receiver) -> None:
    made = listen(world, receiver.url)
    first, second = send(world, made, 2)
    assert take(world, first) is None
    assert TURNS.lasts_seconds > KINDS[JobKind.DELIVER_WEBHOOK].deadline_seconds
    world.runner().run(second)
    assert receiver.came == []
    # When its turn has run out, Then the others go on
    world.pass_time(TURNS.lasts_seconds + 1)
    world.runner().run(second)
    assert told(world, made)[1] == DELIVERED


def test_the_job_of_a_killed_worker_goes_on_with_its_turn(sqlite_world: World, receiver: Receiver) -> None:
    made = listen(sqlite_world, receiver.url)
    [first] = send(sqlite_world, made)
    assert take(sqlite_world, first) is None
    sqlite_world.runner(owner="worker-2").run(first)
    assert told(sqlite_world, made) == [DELIVERED]
    assert endpoint(sqlite_world, made).sending_job_id is None


def test_a_turn_that_ends_while_another_delivery_decides_to_wait_is_not_missed(
    world: World, receiver: Receiver
) -> None:
    made = listen(world, receiver.url)
    first, second = send(world, made, 2)
    assert take(world, first) is None
    lease = Lease(second, uuid4(), "worker-1")
    with world.database.write() as tx:
        [claimed] = jobs.claim_all(tx, [lease], kinds=HANDLERS, lease_seconds=60)
    # Given a delivery that has found the endpoint busy, When the turn ends before the wait is recorded
    with pytest.raises(Deferred) as waits:
        deliver.fetch(world.services, claimed)
    end(world, first)
    failures.record(world.services, claimed, lease, deliver.on_failure, waits.value)
    # Then it is due at once
    world.runner().run(second)
    assert told(world, made)[1] == DELIVERED


def test_of_deliveries_that_begin_at_once_one_posts_to_an_endpoint_and_two_for_a_practice(
    world: World, receiver: Receiver
) -> None:
    of_one = send(world, listen(world, receiver.url), 6)
    taken = at_once(*(lambda each=each: take(world, each) for each in of_one))
    assert taken.count(None) == 1
    of_many = [each for _ in range(6) for each in send(world, listen(world, receiver.url))]
    taken = at_once(*(lambda each=each: take(world, each) for each in of_many))
    assert taken.count(None) == TURNS.most - 1


def test_other_practices_do_not_wait(sqlite_world: World, receiver: Receiver) -> None:
    # Given a practice that is being sent as much at once as any may be
    world = sqlite_world
    for _ in range(TURNS.most):
        assert take(world, send(world, listen(world, receiver.url))[0]) is None
    third = listen(world, receiver.url)
    [waits] = send(world, third)
    # When another practice's import closes
    practice_id, _, _ = connect_practice(
        world.database, world.services.settings, "token", name="Reef", tenant=f"{TENANT[:-1]}f"
    )
    neighbour = replace(world, practice_id=practice_id)
    made = listen(neighbour, receiver.url)
    for each in (waits, *send(neighbour, made)):
        world.runner().run(each)
    # Then it is told at once
    assert told(world, third) == [WAITS]
    assert told(neighbour, made) == [DELIVERED]
