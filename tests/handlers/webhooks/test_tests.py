"""Tests that people send to their endpoints: each is posted once, whatever comes of it."""

from __future__ import annotations

import pytest

from handlers import refusals
from handlers.errors import RequestRefused
from portal_db.states import JobState
from tests.handlers.webhooks.given import endpoint, listen, press_test, told
from tests.racing import at_once, failures
from tests.servers.receiver import Receiver
from tests.world import World

FAILED = refusals.WEBHOOK_TEST_FAILED.code
DAY = 86_400


def test_a_test_that_fails_is_not_tried_again(world: World, receiver: Receiver) -> None:
    # Given a receiver that wants to be called again later
    made, receiver.status, receiver.headers = listen(world, receiver.url), 503, {"Retry-After": "60"}
    # When a test is sent, and days go by
    press_test(world, made)
    world.run_due()
    world.pass_time(3 * DAY)
    world.run_due()
    # Then it was called once, and the outcome is known; the endpoint rests as after any failure
    assert len(receiver.came) == 1
    assert told(world, made) == [("webhook.test", JobState.REJECTED, FAILED)]
    assert endpoint(world, made).failures == 1


@pytest.mark.parametrize("answer", ["unreachable", "redirected"])
def test_whatever_keeps_a_test_from_its_receiver_ends_it(sqlite_world: World, receiver: Receiver, answer: str) -> None:
    receiver.status = 302
    made = listen(sqlite_world, receiver.url if answer == "redirected" else "http://127.0.0.1:9/")
    press_test(sqlite_world, made)
    sqlite_world.run_due()
    assert told(sqlite_world, made) == [("webhook.test", JobState.REJECTED, FAILED)]


def test_a_test_is_sent_although_the_endpoint_rests(sqlite_world: World, receiver: Receiver) -> None:
    # Given an endpoint that rests, since it refused a test
    made, receiver.status = listen(sqlite_world, receiver.url), 500
    press_test(sqlite_world, made)
    sqlite_world.run_due()
    assert endpoint(sqlite_world, made).resting_until is not None
    # When its receiver was mended, and somebody tries at once
    receiver.status = 204
    press_test(sqlite_world, made)
    sqlite_world.run_due()
    # Then it is tried, and the endpoint rests no longer
    assert told(sqlite_world, made)[-1] == ("webhook.test", JobState.SUCCEEDED, None)
    assert endpoint(sqlite_world, made).resting_until is None


def test_an_endpoint_has_one_open_test(world: World, receiver: Receiver) -> None:
    made, other = listen(world, receiver.url), listen(world, receiver.url)
    press_test(world, made)
    with pytest.raises(RequestRefused) as refused:
        press_test(world, made)
    assert refused.value.code == "webhook_test_open"
    # Other endpoints do not wait for it; and once it has ended, it may be tested again, whatever came of it
    press_test(world, other)
    for receiver.status in (500, 204, 204):
        world.run_due()
        press_test(world, made)
    assert [state for _, state, _ in told(world, made)] == [
        JobState.REJECTED,
        JobState.SUCCEEDED,
        JobState.SUCCEEDED,
        JobState.QUEUED,
    ]


def test_of_many_presses_at_once_one_sends_a_test(world: World, receiver: Receiver) -> None:
    made = listen(world, receiver.url)
    refused = failures(at_once(*[lambda: press_test(world, made)] * 8))
    assert [getattr(each, "code", each) for each in refused] == ["webhook_test_open"] * 7
    world.run_due()
    assert len(receiver.came) == 1
