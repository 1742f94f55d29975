"""Deliveries that wait for an endpoint that was disabled: kept for three days, and sent once it is enabled."""

from __future__ import annotations

from uuid import UUID

import pytest

from handlers.webhooks import endpoints
from handlers.webhooks.deliver import PATIENCE_DAYS
from portal_db.states import JobState
from portal_db.webhook_turns import DISABLED_CODE
from tests.handlers.webhooks.given import endpoint, listen, press_test, send, told
from tests.handlers.webhooks.test_turns import job
from tests.servers.receiver import Receiver
from tests.world import World

DAY = 86_400
DELIVERED = ("import.succeeded", JobState.SUCCEEDED, None)
KEPT = ("import.succeeded", JobState.WAITING, DISABLED_CODE)


def disable(world: World, made: endpoints.Made) -> None:
    practice_id, by = world.practice_id, world.staff_id
    endpoints.disable(world.database, made.endpoint_id, practice_id=practice_id, by=by)


def looks(world: World, job_ids: list[UUID]) -> list[int]:
    return [job(world, each).deferrals for each in job_ids]


@pytest.mark.parametrize("slow_seconds", [5.0, 0.0], ids=["quickly", "slowly"])
def test_what_waits_for_a_disabled_endpoint_is_sent_once_a_test_enables_it(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, slow_seconds: float
) -> None:
    # Given three deliveries to an endpoint that was disabled before they were sent
    made = listen(world, receiver.url)
    waiting = send(world, made, 3)
    disable(world, made)
    # When days go by, Then they wait without a call, and each is looked at once
    world.run_due()
    world.pass_time(2 * DAY)
    world.run_due()
    assert (told(world, made), looks(world, waiting), receiver.came) == ([KEPT] * 3, [1, 1, 1], [])
    words = job(world, waiting[0]).error_message or ""
    assert words.startswith("Waiting for the webhook to be enabled again, until ")
    # When a test is accepted, quickly or slowly
    monkeypatch.setattr("handlers.webhooks.post.SLOW_SECONDS", slow_seconds)
    press_test(world, made)
    world.run_due()
    monkeypatch.undo()
    world.pass_time(3600)
    world.run_due()
    # Then they are delivered
    assert told(world, made) == [*[DELIVERED] * 3, ("webhook.test", JobState.SUCCEEDED, None)]


def test_a_test_that_fails_wakes_nothing(sqlite_world: World, receiver: Receiver) -> None:
    # Given a delivery that waits for a disabled endpoint
    world, made = sqlite_world, listen(sqlite_world, receiver.url)
    waiting = send(world, made)
    disable(world, made)
    world.run_due()
    # When a test fails, Then the delivery is not looked at again
    receiver.status = 500
    press_test(world, made)
    world.run_due()
    assert (told(world, made)[0], looks(world, waiting)) == (KEPT, [1])
    assert endpoint(world, made).disabled_at is not None


def test_what_was_not_sent_for_three_days_is_a_dead_letter(sqlite_world: World, receiver: Receiver) -> None:
    # Given a delivery that waits for a disabled endpoint
    world, made = sqlite_world, listen(sqlite_world, receiver.url)
    send(world, made)
    disable(world, made)
    world.run_due()
    # When nobody enables it for three days
    world.pass_time(PATIENCE_DAYS * DAY + 1)
    world.run_due()
    # Then it is a dead letter, and no call was made
    assert (told(world, made), receiver.came) == ([("import.succeeded", JobState.DEAD, DISABLED_CODE)], [])
