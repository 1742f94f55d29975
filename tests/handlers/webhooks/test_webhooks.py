"""Webhooks: one message a close, signed, until it is taken; an endpoint that takes nothing rests and is disabled."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, update
from standardwebhooks import Webhook, WebhookVerificationError

from handlers.errors import RequestRefused
from handlers.imports.amend import amend
from handlers.imports.cancel import cancel
from handlers.jobs.kinds import KINDS, JobKind
from handlers.webhooks import deliver, endpoints
from handlers.webhooks.announce import Event, announce
from portal_db.states import JobState
from portal_db.tables import Job
from portal_db.types import db_now
from portal_db.work import imports
from tests.counts import growth
from tests.handlers.directory.given import synced
from tests.handlers.operations import given as ops
from tests.handlers.webhooks.given import endpoint, listen, press_test, told
from tests.making import importable
from tests.servers.receiver import Receiver
from tests.servers.statements import executed
from tests.servers.waiting import wait_until
from tests.world import World
from worker.local.processes import free_port
from xpm.simulator.serve import SimulatorHandle

PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"
DAY = 86_400


def verified(receiver: Receiver, secret: str, number: int = -1) -> dict[str, Any]:
    headers, body = receiver.came[number]
    event: dict[str, Any] = Webhook(secret).verify(body, headers)
    return event


def test_each_close_is_told_once_signed_and_without_anything_personal(
    world: World, simulator: SimulatorHandle, receiver: Receiver
) -> None:
    made, person = listen(world, receiver.url), importable(simulator)[0]
    row = world.run_import(person.uuid, send_welcome_email=True)
    event = verified(receiver, made.secret)
    assert event["type"] == "import.succeeded"
    assert event["data"] == {
        "import_id": str(row.id),
        "epoch": 1,
        "state": "succeeded",
        "code": None,
        "client_id": str(row.client_id),
        "batch_id": None,
    }
    assert len(receiver.came) == 1
    assert told(world, made) == [("import.succeeded", JobState.SUCCEEDED, None)]
    body = receiver.came[0][1].decode()
    assert (person.email or "") not in body
    assert person.name not in body


def test_an_import_that_was_turned_down_says_the_code(
    sqlite_world: World, simulator: SimulatorHandle, receiver: Receiver
) -> None:
    world = sqlite_world
    made = listen(world, receiver.url, Event.REJECTED, Event.CANCELLED)
    world.run_import(uuid4())
    assert verified(receiver, made.secret)["data"]["code"] == "xpm_client_unknown"
    world.run_import(importable(simulator)[0].uuid)  # succeeds, which it did not want to be told
    cancel(world.database, ops.operator(world), world.ask(importable(simulator)[1].uuid))
    world.run_due()
    assert [event for event, _, _ in told(world, made)] == ["import.rejected", "import.cancelled"]


def test_a_batch_is_told_when_its_last_import_closes(world: World, receiver: Receiver) -> None:
    made = listen(world, receiver.url, Event.BATCH_CLOSED)
    batch = world.ask_batch([world.request(uuid4()) for _ in range(3)])
    world.run_due()
    assert [event for event, _, _ in told(world, made)] == ["batch.closed"]
    assert verified(receiver, made.secret)["data"] == {"batch_id": str(world.import_row(batch[0]).batch_id)}


def test_a_batch_whose_last_imports_close_together_is_told_once(
    world: World, simulator: SimulatorHandle, receiver: Receiver
) -> None:
    # Given two batches, and one import of the first is closed
    synced(world)
    made = listen(world, receiver.url, Event.BATCH_CLOSED)
    rows = [world.request(person.uuid) for person in importable(simulator)[:6]]
    batch, other = world.ask_batch(rows[:4]), world.ask_batch(rows[4:], key="another")
    first, *rest = [world.jobs_of(each)["validate_import"].id for each in (*batch, *other)]
    world.runner().run(first)
    # When a set closes the rest of the first batch, and a part of the other
    with executed(world.database.engine) as statements:
        world.runner().run(*rest[:-1])
    # Then each is looked at once, and one is told
    assert len([each for each in statements if "batches.size" in each]) == 2
    assert [event for event, _, _ in told(world, made)] == ["batch.closed"]
    # And the other one once its own last import has closed
    world.run_due()
    batches = [str(world.import_row(import_id).batch_id) for import_id in (batch[0], other[0])]
    assert [verified(receiver, made.secret, number)["data"]["batch_id"] for number in range(2)] == batches
    assert [event for event, _, _ in told(world, made)] == ["batch.closed"] * 2


def test_batches_are_locked_in_the_order_of_ids(sqlite_world: World) -> None:
    """Whatever the order of their imports, so that two sets cannot wait for each other."""
    # Given two batches, each of whose only import is closed
    world = sqlite_world
    listen(world, "http://127.0.0.1:9/", Event.BATCH_CLOSED)
    import_ids = [*world.ask_batch([world.request(uuid4())]), *world.ask_batch([world.request(uuid4())], key="another")]
    world.run_due()
    locked: list[Any] = []

    def note(*arguments: Any) -> None:
        if "batches.size" in arguments[2]:
            locked.append(arguments[3])

    event.listen(world.database.engine, "before_cursor_execute", note)
    # When both closes are announced, in the one order and in the other
    for ids in (import_ids, import_ids[::-1]):
        with world.database.write() as tx:
            rows = imports.lock_all(tx, ids)
            announce(tx, [(rows[import_id], None) for import_id in ids])
    # Then the batches are locked in one order
    assert len(set(locked)) == 2
    assert locked == sorted(set(locked)) * 2


def test_a_close_is_told_once_however_often_it_is_announced_and_another_one_anew(world: World) -> None:
    made, row = listen(world, "http://127.0.0.1:9/"), world.run_import(uuid4())
    for _ in range(2):
        with world.database.write() as tx:
            announce(tx, [(imports.lock(tx, row.id), None)])
    assert [event for event, _, _ in told(world, made)] == ["import.rejected"]
    amend(world.database, ops.operator(world), row.id, {"name": "Another Name"})
    world.run_due()
    assert [event for event, _, _ in told(world, made)] == ["import.rejected"] * 2


def test_what_is_not_taken_is_tried_again_and_the_endpoint_rests(
    world: World, simulator: SimulatorHandle, receiver: Receiver
) -> None:
    counted = [growth("webhook_deliveries_total", outcome=outcome) for outcome in ("refused", "delivered")]
    made, receiver.status = listen(world, receiver.url), 500
    world.run_import(importable(simulator)[0].uuid)
    assert told(world, made) == [("import.succeeded", JobState.WAITING, "webhook_refused")]
    # Meanwhile others wait, without a call
    world.run_import(importable(simulator)[1].uuid)
    assert len(receiver.came) == 1
    assert told(world, made)[1] == ("import.succeeded", JobState.WAITING, "webhook_resting")
    receiver.status = 200
    world.pass_time(400)
    world.run_due()
    assert [state for _, state, _ in told(world, made)] == [JobState.SUCCEEDED] * 2
    ids = [headers["webhook-id"] for headers, _ in receiver.came]
    assert (len(ids), len(set(ids))) == (3, 2), "the same event has the same id each time"
    assert [each() for each in counted] == [1, 2]
    assert endpoint(world, made).failing_since is None


def test_an_endpoint_does_not_rest_for_longer_since_the_clock_went_back(
    world: World, simulator: SimulatorHandle, receiver: Receiver
) -> None:
    made, receiver.status = listen(world, receiver.url), 500
    world.run_import(importable(simulator)[0].uuid)
    receiver.status = 200
    world.pass_time(-3600)
    world.run_due()
    assert [state for _, state, _ in told(world, made)] == [JobState.SUCCEEDED]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}}, "webhook_refused"),
        ({"status": 503, "headers": {"Retry-After": "7200"}}, "webhook_refused"),
        ({"status": 410}, "webhook_gone"),
    ],
)
def test_answers_that_are_not_yes(
    sqlite_world: World, simulator: SimulatorHandle, receiver: Receiver, answer: dict[str, Any], code: str
) -> None:
    world, made = sqlite_world, listen(sqlite_world, receiver.url)
    for name, value in answer.items():
        setattr(receiver, name, value)
    world.run_import(importable(simulator)[0].uuid)
    assert told(world, made)[0][2] == code
    found = endpoint(world, made)
    assert (found.disabled_reason is not None) is (code == "webhook_gone")
    if "Retry-After" in receiver.headers:
        world.pass_time(7000)
        world.run_due()
        assert len(receiver.came) == 1


def test_an_answer_without_end_is_not_read(sqlite_world: World, simulator: SimulatorHandle, receiver: Receiver) -> None:
    made, receiver.endless = listen(sqlite_world, receiver.url), True
    receiver.status = 200
    sqlite_world.run_import(importable(simulator)[0].uuid)
    assert told(sqlite_world, made) == [("import.succeeded", JobState.SUCCEEDED, None)]


def test_an_endpoint_that_takes_nothing_for_days_is_disabled_until_a_test_is_taken(
    world: World, simulator: SimulatorHandle, receiver: Receiver
) -> None:
    made, receiver.status = listen(world, receiver.url), 500
    world.run_import(importable(simulator)[0].uuid)
    world.pass_time(deliver.PATIENCE_DAYS * DAY + 60)
    world.run_due()
    reason = endpoint(world, made).disabled_reason or ""
    assert reason.startswith("It has accepted nothing for 3 days.")
    assert "500" in reason
    # It is told no more, not even what waits
    world.run_import(importable(simulator)[1].uuid)
    calls = len(receiver.came)
    world.pass_time(DAY)
    world.run_due()
    assert (len(receiver.came), told(world, made)[0][1]) == (calls, JobState.DEAD)
    assert len(told(world, made)) == 1
    # Until a test is taken
    receiver.status = 204
    press_test(world, made)
    world.run_due()
    assert verified(receiver, made.secret)["type"] == "webhook.test"
    assert endpoint(world, made).disabled_at is None
    world.run_import(importable(simulator)[2].uuid)
    assert told(world, made)[-1] == ("import.succeeded", JobState.SUCCEEDED, None)


def test_after_the_last_try_it_is_a_dead_letter(
    sqlite_world: World, simulator: SimulatorHandle, receiver: Receiver
) -> None:
    world, made = sqlite_world, listen(sqlite_world, receiver.url)
    receiver.status = 500
    world.run_import(importable(simulator)[0].uuid)
    with world.database.write() as tx:
        tx.session.execute(
            update(Job)
            .where(Job.kind == JobKind.DELIVER_WEBHOOK)
            .values(waiting_since=db_now(-KINDS[JobKind.DELIVER_WEBHOOK].patience_hours * 3600))
        )
    world.pass_time(400)
    world.run_due()
    assert told(world, made) == [("import.succeeded", JobState.DEAD, "webhook_refused")]


def test_a_new_secret_signs_and_the_old_one_for_a_day(
    sqlite_world: World, simulator: SimulatorHandle, receiver: Receiver
) -> None:
    world, made = sqlite_world, listen(sqlite_world, receiver.url)
    settings = world.services.settings
    new = endpoints.rotate(world.database, settings, made.endpoint_id, practice_id=world.practice_id)
    world.run_import(importable(simulator)[0].uuid)
    assert verified(receiver, made.secret) == verified(receiver, new.secret)
    world.pass_time(endpoints.OVERLAP_SECONDS + 1)
    world.run_import(importable(simulator)[1].uuid)
    assert verified(receiver, new.secret)["type"] == "import.succeeded"
    assert len(receiver.came[-1][0]["webhook-signature"].split()) == 1
    assert made.secret.encode() not in (endpoint(world, made).secret or b"")


def test_a_new_secret_that_was_lost_is_replaced_and_the_one_in_use_still_signs(
    world: World, simulator: SimulatorHandle, receiver: Receiver
) -> None:
    # Given a new secret that nobody has noted, half a day after it was made
    settings = world.services.settings
    made = listen(world, receiver.url)
    lost = endpoints.rotate(world.database, settings, made.endpoint_id, practice_id=world.practice_id)
    world.pass_time(endpoints.OVERLAP_SECONDS / 2)
    # When it is replaced
    new = endpoints.rotate(world.database, settings, made.endpoint_id, practice_id=world.practice_id)
    # Then the secret that the receiver has still signs, with the newest one
    world.run_import(importable(simulator)[0].uuid)
    assert verified(receiver, made.secret) == verified(receiver, new.secret)
    with pytest.raises(WebhookVerificationError):
        verified(receiver, lost.secret)
    # And no longer than it was promised
    world.pass_time(endpoints.OVERLAP_SECONDS / 2 + 1)
    world.run_import(importable(simulator)[1].uuid)
    assert verified(receiver, new.secret)["type"] == "import.succeeded"
    assert len(receiver.came[-1][0]["webhook-signature"].split()) == 1


def test_what_waits_for_a_removed_endpoint_is_not_sent(
    sqlite_world: World, simulator: SimulatorHandle, receiver: Receiver
) -> None:
    world, made = sqlite_world, listen(sqlite_world, receiver.url)
    receiver.status = 500
    world.run_import(importable(simulator)[0].uuid)
    endpoints.remove(world.database, made.endpoint_id, practice_id=world.practice_id)
    world.pass_time(400)
    world.run_due()
    assert len(receiver.came) == 1
    assert world.scalar("select count(*) from webhook_endpoints where secret is not null") == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/portal",
        "ftp://hooks.example",
        "https://user:secret@hooks.example",
        "https://hooks.example/#part",
        "https:///portal",
        "nonsense",
        "https://10.0.0.1/portal",
        "https://[::ffff:169.254.169.254]/latest",
        "http://169.254.169.254/latest",
        "https://hooks.example:0/",
        "https://hooks.example:65536/",
        pytest.param(f"https://hooks.example/{'事' * 700}", id="longer-as-it-is-sent"),
    ],
)
def test_addresses_that_are_refused_at_once(sqlite_world: World, url: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        listen(sqlite_world, url)
    assert refused.value.field == "url"


def test_a_portal_on_the_internet_takes_no_plain_http_and_no_loopback(sqlite_world: World) -> None:
    settings = sqlite_world.services.settings.model_copy(update={"public_url": "https://portal.example"})
    for url in ("http://127.0.0.1:9000/", "https://127.0.0.1/", "https://[::1]/"):
        with pytest.raises(RequestRefused):
            endpoints.add(sqlite_world.database, settings, sqlite_world.practice_id, url, set())


def test_a_name_that_leads_to_a_private_address_is_not_connected_to(
    sqlite_world: World, simulator: SimulatorHandle, receiver: Receiver
) -> None:
    """The address is judged at the connect, whatever the name said when it was added."""
    world = sqlite_world
    made = listen(world, receiver.url.replace("127.0.0.1", "localhost"))
    services = replace(
        world.services, settings=world.services.settings.model_copy(update={"public_url": "https://portal.example"})
    )
    world.services = services
    world.run_import(importable(simulator)[0].uuid)
    assert receiver.came == []
    assert told(world, made) == [("import.succeeded", JobState.REJECTED, "webhook_private")]
    assert endpoint(world, made).disabled_reason == "The endpoint's host does not have a public address."


def test_the_receiver_of_the_page_receives(sqlite_world: World, simulator: SimulatorHandle, tmp_path: Path) -> None:
    [code] = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "receiver.py").write_text(code)
    world, port = sqlite_world, free_port()
    made = listen(world, f"http://127.0.0.1:{port}/")
    with (tmp_path / "out").open("w") as out:
        command = [sys.executable, "receiver.py", made.secret, str(port)]
        running = subprocess.Popen(command, cwd=tmp_path, stdout=out, stderr=subprocess.DEVNULL)
    try:
        row = world.run_import(importable(simulator)[0].uuid)

        def printed() -> bool:
            world.pass_time(400)  # it may not have listened yet at the first try
            world.run_due()
            return "import.succeeded" in (tmp_path / "out").read_text()

        wait_until(printed, "the receiver to print the event")
        assert str(row.id) in (tmp_path / "out").read_text()
    finally:
        running.terminate()
        running.wait(10)
