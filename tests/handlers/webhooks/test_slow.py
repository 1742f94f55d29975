"""A receiver that accepts messages, but slowly: it is told them, and rests after each as one that fails."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from handlers.webhooks import deliver, endpoints
from handlers.webhooks.post import SECONDS, SLOW_SECONDS
from portal_db.states import JobState
from tests.handlers.webhooks.given import endpoint, listen, press_test, send, told
from tests.servers.receiver import Receiver
from tests.world import World

DELIVERED = ("import.succeeded", JobState.SUCCEEDED, None)
RESTS = ("import.succeeded", JobState.WAITING, "webhook_resting")


def answers_after(world: World, receiver: Receiver, seconds: float) -> None:
    """Let each further answer take so long on the worker's clock."""
    begin = len(receiver.came)
    sources = replace(
        world.services.sources, monotonic=lambda: time.monotonic() + seconds * (len(receiver.came) - begin)
    )
    world.services = replace(world.services, sources=sources)


def rest_of(world: World, made: endpoints.Made) -> float:
    """How many seconds an endpoint still rests."""
    until = endpoint(world, made).resting_until
    assert until is not None
    return (until - datetime.now(UTC)).total_seconds()


def test_a_receiver_that_accepts_slowly_rests_as_one_that_fails(world: World, receiver: Receiver) -> None:
    made = listen(world, receiver.url)
    send(world, made, 2)
    answers_after(world, receiver, SECONDS - 1)
    world.run_due()
    # Then the message was delivered, and the other waits
    assert told(world, made) == [DELIVERED, RESTS]
    found = endpoint(world, made)
    assert (found.failures, found.failing_since) == (1, None)
    assert found.slow_since is not None
    page = endpoints.deliveries(world.database, made.endpoint_id, practice_id=world.practice_id)
    waiting = page.items[0].job
    assert waiting is not None
    assert (waiting.error_message or "").startswith("The endpoint answered an earlier message slowly, until ")
    # And goes out after the rest; a quick answer ends it all
    answers_after(world, receiver, 0)
    world.pass_time(deliver.REST_SECONDS + 1)
    world.run_due()
    assert told(world, made) == [DELIVERED, DELIVERED]
    found = endpoint(world, made)
    assert (found.failures, found.slow_since, found.resting_until) == (0, None, None)


@pytest.mark.parametrize(("seconds", "is_slow"), [(SLOW_SECONDS - 2, False), (SLOW_SECONDS, True)])
def test_what_is_slow(sqlite_world: World, receiver: Receiver, seconds: float, is_slow: bool) -> None:
    made = listen(sqlite_world, receiver.url)
    send(sqlite_world, made)
    answers_after(sqlite_world, receiver, seconds)
    sqlite_world.run_due()
    assert (endpoint(sqlite_world, made).slow_since is not None) is is_slow


def test_each_further_slow_answer_doubles_the_rest(sqlite_world: World, receiver: Receiver) -> None:
    world, made = sqlite_world, listen(sqlite_world, receiver.url)
    for number in range(9):
        send(world, made)
        answers_after(world, receiver, SLOW_SECONDS + 1)
        world.run_due()
        rest = min(deliver.REST_SECONDS * 2**number, deliver.LONGEST_REST_SECONDS)
        assert rest - 5 < rest_of(world, made) <= rest
        world.pass_time(rest + 1)


def test_an_endpoint_that_accepts_slowly_is_never_disabled_for_it(sqlite_world: World, receiver: Receiver) -> None:
    # Given one that has failed for longer than one may
    world, made = sqlite_world, listen(sqlite_world, receiver.url)
    receiver.status = 500
    send(world, made)
    world.run_due()
    world.pass_time(deliver.PATIENCE_DAYS * 86_400 - 60)
    # When it accepts the message, although slowly, and later fails again
    receiver.status = 204
    answers_after(world, receiver, SLOW_SECONDS)
    world.run_due()
    world.pass_time(3600)
    receiver.status = 500
    send(world, made)
    world.run_due()
    # Then it has only just begun to fail
    assert told(world, made) == [DELIVERED, ("import.succeeded", JobState.WAITING, "webhook_refused")]
    assert endpoint(world, made).disabled_at is None


def test_a_test_that_is_accepted_slowly_enables_the_endpoint_which_rests(
    sqlite_world: World, receiver: Receiver
) -> None:
    world, made = sqlite_world, listen(sqlite_world, receiver.url)
    receiver.status = 410
    press_test(world, made)
    world.run_due()
    assert endpoint(world, made).disabled_at is not None
    receiver.status = 204
    answers_after(world, receiver, SLOW_SECONDS)
    press_test(world, made)
    world.run_due()
    found = endpoint(world, made)
    assert (found.disabled_at, found.resting_until is not None) == (None, True)
