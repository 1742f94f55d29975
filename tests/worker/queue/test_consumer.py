"""The consumer: a rung job starts at once, what is no message strands nobody, and Redis may go and come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, cast
from uuid import UUID, uuid4

import dramatiq
import pytest
import redis
from dramatiq.errors import ConnectionClosed
from sqlalchemy import select

from portal_db.states import ImportState, Lane
from portal_db.tables import MalformedMessage
from tests.making import importable
from tests.racing import at_once
from tests.servers.redis import RedisServer
from tests.servers.waiting import wait_until
from tests.worker.queue.desk import ALL_QUEUES, Desk, message, started
from tests.worker.runner.running import count
from tests.world import World
from worker.queue.broker import make_broker
from worker.queue.consumer import BlockingConsumer
from worker.queue.door import QUEUE
from xpm.simulator.serve import SimulatorHandle


def wait_for_receipts(desk: Desk, *request_ids: object, status: str = "accepted") -> None:
    for request_id in request_ids:
        wait_until(partial(desk.receipt, request_id), f"a receipt for {request_id}")
        receipt = desk.receipt(request_id)
        assert receipt is not None
        assert receipt["status"] == status


def test_a_rung_job_runs(desk: Desk, simulator: SimulatorHandle) -> None:
    with desk.working():
        import_id = desk.ask(importable(simulator)[0].uuid, send_welcome_email=True)
        wait_until(partial(desk.is_closed, import_id), "the import is closed")
    assert desk.world.import_row(import_id).state is ImportState.SUCCEEDED
    assert len(desk.world.mail.deliveries()) == 1


def test_messages_doubled_and_out_of_order_are_harmless(sqlite_desk: Desk, simulator: SimulatorHandle) -> None:
    desk = sqlite_desk
    imports = [desk.ask(person.uuid) for person in importable(simulator)[:3]]
    jobs = [row.id for import_id in imports for row in desk.world.jobs_of(import_id).values()]
    for lane in Lane:
        desk.bell.ring(lane, [*reversed(jobs), uuid4(), *jobs])
    with desk.working():
        for import_id in imports:
            wait_until(partial(desk.is_closed, import_id), "it is closed")
        wait_until(lambda: not any(desk.unacknowledged(lane.value) for lane in Lane), "all messages are gone")
    assert [desk.world.import_row(import_id).state for import_id in imports] == [ImportState.SUCCEEDED] * 3
    assert [count(desk.world, table) for table in ("clients", "import_events")] == [3, 3]


def bad_payloads(request: dict[str, Any], own: str = "bad") -> dict[str, bytes]:
    """Payloads that are no message of ours, each in its own way, with the words of a request in them."""
    return {
        "garbage": b"\xff\xfe\x00 garbage",
        "nothing": b"",
        "null": b"null",
        "a list": b"[1, 2]",
        "no options": message(own, request, options=None),
        "empty options": message(own, request, options={}),
        "unknown actor": message(own, request, actor_name="make_tea"),
        "another queue": message(own, request, queue_name="nowhere"),
        "an id that is none": message(own, request, message_id=[1, 2]),
        "a redis id of nobody": message(own, request, options={"redis_message_id": "nobody"}),
        "another's redis id": message(own, request, options={"redis_message_id": "good-0"}),
        "a redis id that is none": message(own, request, options={"redis_message_id": [own]}),
        "positional arguments": message(own, {}, args=list(request.values())),
        "kwargs that are none": message(own, {}, kwargs=[1]),
        "arguments that are none": message(own, {}, args=5),
        "a job without an id": message(own, request, actor_name="run_job"),
        "a job id that is none": message(own, {}, actor_name="run_job", args=["jane"]),
        "an unknown field": message(own, request, colour="red"),
        "nested without end": message(own, request)[:-1] + b', "x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        "too large": message(own, request, colour="red" * 30_000),
    }


CASES = list(bad_payloads({}))


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_message_is_kept_and_strands_no_neighbour(sqlite_desk: Desk, case: str) -> None:
    desk = sqlite_desk
    good = [desk.world.request(uuid4()) for _ in range(4)]
    request = desk.world.request(uuid4(), email="jane@example.com").model_dump(mode="json")
    for number, neighbour in enumerate(good):
        desk.post(neighbour.model_dump(), f"good-{number}")
        desk.put(QUEUE, bad_payloads(request, f"bad-{number}")[case], f"bad-{number}")
    with desk.working():
        wait_for_receipts(desk, *[neighbour.request_id for neighbour in good])
        wait_until(lambda: not desk.unacknowledged(QUEUE), "nothing is left in Redis")
    with desk.world.database.read() as tx:
        kept = list(tx.session.scalars(select(MalformedMessage)))
    opened = [desk.settings.vault.decrypt(row.payload) for row in kept]
    assert opened, "it is kept for people to look at"
    assert all(b"jane" not in row.payload for row in kept)
    if case not in ("garbage", "nothing", "null", "a list", "kwargs that are none", "arguments that are none"):
        assert all(b"jane" in payload for payload in opened)
    left = [key for key in desk.client.scan_iter("*") if b"XQ" in key or b"DQ" in key]
    assert left == [], "no personal data stays in Redis"


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_message_on_a_lane_is_dropped(sqlite_desk: Desk, simulator: SimulatorHandle, case: str) -> None:
    desk, lane = sqlite_desk, Lane.INTERACTIVE
    payload = bad_payloads(desk.world.request(uuid4()).model_dump(mode="json"))[case]
    payload = payload.replace(b"import_requests", lane.value.encode())
    first, second = importable(simulator)[:2]
    imports = [desk.ask(first.uuid, bring_relationships=False)]
    desk.put(lane.value, payload, "bad")
    imports.append(desk.ask(second.uuid, bring_relationships=False))
    with desk.working():
        for import_id in imports:
            wait_until(partial(desk.is_closed, import_id), "it is closed")
        wait_until(lambda: not desk.unacknowledged(lane.value), "nothing is left in Redis")
    assert count(desk.world, "imports") == 2
    assert [key for key in desk.client.scan_iter("*") if b"XQ" in key or b"DQ" in key] == []


def test_what_dramatiq_would_obey_is_not(sqlite_desk: Desk) -> None:
    """A delay would hold the request in memory (P10), and nonsense in `throws` would end the thread."""
    desk = sqlite_desk
    request = desk.world.request(uuid4())
    options = {"redis_message_id": "m-1", "eta": 4_000_000_000_000, "throws": "nonsense", "pipe_target": 1}
    desk.put(QUEUE, message("m-1", request.model_dump(), options=options), "m-1")
    with desk.working():
        wait_for_receipts(desk, request.request_id)
        wait_until(lambda: not desk.unacknowledged(QUEUE), "nothing is left in Redis")


def test_it_goes_on_after_redis_was_restarted(
    sqlite_world: World, own_redis: RedisServer, simulator: SimulatorHandle
) -> None:
    desk = Desk.at(sqlite_world, own_redis.url)
    before, meanwhile, after = importable(simulator)[:3]
    with desk.working():
        first = desk.ask(before.uuid)
        wait_until(partial(desk.is_closed, first), "the first is closed")
        own_redis.stop()
        second = desk.ask(meanwhile.uuid)
        own_redis.start()
        third = desk.ask(after.uuid)
        wait_until(partial(desk.is_closed, third), "the third is closed")
        sqlite_world.pass_time(11)
        desk.relay().tick()
        wait_until(partial(desk.is_closed, second), "the second is closed")
    assert count(sqlite_world, "import_events") == 3


def test_a_fetch_whose_answer_was_lost_strands_no_request(sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """P7: the script ran, so the ids are this process's to acknowledge, but nothing in its memory says so."""
    desk = sqlite_desk
    request = desk.world.request(uuid4())
    desk.post(request.model_dump())
    broker = make_broker(desk.settings, lambda *_: None)
    fetch = broker.do_fetch
    lost: list[Any] = []

    def do_fetch(queue: str) -> Any:
        answer = fetch(queue)
        if queue == QUEUE and answer and not lost:
            lost.append(answer)
            raise redis.TimeoutError
        return answer

    monkeypatch.setattr(broker, "do_fetch", do_fetch, raising=False)
    with desk.working(broker=broker):
        wait_for_receipts(desk, request.request_id)
    assert lost


def test_an_id_without_a_message_is_not_held_for_ever(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    desk.client.rpush(desk.key(Lane.IMPORT.value), "nobody")
    broker = make_broker(desk.settings, lambda *_: None)
    broker.declare_queue(Lane.IMPORT.value)
    consumer = broker.consume(Lane.IMPORT.value)
    assert next(consumer) is None
    assert desk.client.llen(desk.key(Lane.IMPORT.value)) == 0
    assert broker.held(Lane.IMPORT.value) == set()
    consumer.close()


def test_messages_of_a_worker_that_died_are_taken_over(sqlite_desk: Desk) -> None:
    """P4: not the lanes', whose jobs are in the record, but requests at the door depend on it."""
    desk = sqlite_desk
    request = desk.world.request(uuid4())
    desk.post(request.model_dump())
    dead = make_broker(desk.settings, lambda *_: None)
    assert dead.do_fetch(QUEUE)
    desk.client.zadd(desk.key("__heartbeats__"), {dead.broker_id: 0})
    with desk.working():
        wait_for_receipts(desk, request.request_id)


def test_a_message_is_picked_up_at_once(sqlite_desk: Desk) -> None:
    """The consumer waits in Redis, not in a sleep: what comes while it waits wakes it."""
    desk = sqlite_desk
    broker = make_broker(desk.settings, lambda *_: None)
    dramatiq.actor(actor_name="run_job", queue_name=Lane.IMPORT.value, broker=broker)(lambda _: None)
    consumer = broker.consume(Lane.IMPORT.value, prefetch=1)
    blocked = desk.client.client_list
    job_id = uuid4()

    def ring() -> None:
        wait_until(lambda: any(row["cmd"] == "blmove" for row in blocked()), "it waits in a blocking read")
        desk.bell.ring_or_raise(Lane.IMPORT, [job_id])

    found: Any
    found, rung = at_once(lambda: next(filter(None, consumer)), ring)
    assert rung is None
    assert UUID(found.args[0]) == job_id
    assert desk.client.llen(desk.key(Lane.IMPORT.value)) == 0
    consumer.close()


def listening(desk: Desk, lanes: Iterable[Lane], *, prefetch: int, of: int = 1) -> dict[Lane, BlockingConsumer]:
    """Consumers of one process, which share its threads, and a queue that is longer than those for each of them, of sets
    `of` so many jobs."""
    broker = make_broker(desk.settings, lambda *_: None)
    dramatiq.actor(actor_name="run_job", broker=broker)(lambda _: None)
    for lane in lanes:
        for _ in range(prefetch + 2):
            desk.bell.ring_sets(lane, [[uuid4() for _ in range(of)]])
    return {lane: cast(BlockingConsumer, broker.consume(lane.value, prefetch=prefetch)) for lane in lanes}


def held(consumers: Mapping[Lane, BlockingConsumer], *, rounds: int = 12) -> dict[Lane, int]:
    """How many messages each consumer holds when all have gone round in turn."""
    for _ in range(rounds):
        for consumer in consumers.values():
            next(consumer)
    return {lane: consumer.outstanding_message_count for lane, consumer in consumers.items()}


def test_a_batch_leaves_threads_to_who_waits(sqlite_desk: Desk) -> None:
    # Given a worker of eight threads for all lanes, and more work in each than it can start
    consumers = listening(sqlite_desk, (Lane.IMPORT, Lane.EMAIL, Lane.INTERACTIVE), prefetch=8)
    # Then batches and emails together have four of them at most
    assert held(consumers) == {Lane.IMPORT: 2, Lane.EMAIL: 2, Lane.INTERACTIVE: 8}
    # And what one lane gives back, another may have
    batch = consumers[Lane.IMPORT]
    batch.queued_message_ids.clear()
    assert held({Lane.EMAIL: consumers[Lane.EMAIL]}) == {Lane.EMAIL: 4}


@pytest.mark.parametrize(
    "others",
    [
        pytest.param({Lane.EMAIL: 3, Lane.INTERACTIVE: 8}, id="of all lanes"),
        pytest.param({Lane.RESYNC: 8}, id="of imports"),
    ],
)
def test_a_worker_runs_one_set_of_imports_at_a_time(sqlite_desk: Desk, others: dict[Lane, int]) -> None:
    # Given a worker of eight threads, and more sets in each of its lanes than it can start
    consumers = listening(sqlite_desk, (Lane.IMPORT, *others), prefetch=8, of=2)
    # Then one of them is a set of imports, though these come first
    assert held({Lane.IMPORT: consumers[Lane.IMPORT]}) == {Lane.IMPORT: 1}
    assert held(consumers) == {Lane.IMPORT: 1, **others}
    # And the next comes when that has ended
    consumers[Lane.IMPORT].queued_message_ids.clear()
    assert held(consumers) == {Lane.IMPORT: 1, **others}


def test_imports_that_wait_for_xpm_by_themselves_have_the_places_that_nobody_else_wants(sqlite_desk: Desk) -> None:
    consumers = listening(sqlite_desk, (Lane.IMPORT, Lane.INTERACTIVE), prefetch=8)
    assert held(consumers) == {Lane.IMPORT: 4, Lane.INTERACTIVE: 8}


def test_two_processes_share_what_is_rung_at_once(sqlite_desk: Desk) -> None:
    # Given two sets that are rung together, and two workers with room for both
    brokers = [make_broker(sqlite_desk.settings, lambda *_: None) for _ in range(2)]
    for broker in brokers:
        dramatiq.actor(actor_name="run_job", broker=broker)(lambda _: None)
    sqlite_desk.bell.ring_sets(Lane.IMPORT, [[uuid4(), uuid4()] for _ in brokers])
    consumers = [cast(BlockingConsumer, broker.consume(Lane.IMPORT.value, prefetch=8)) for broker in brokers]
    # When each asks for a message, then each gets one
    assert all(next(consumer) for consumer in consumers)
    assert [each.outstanding_message_count for each in consumers] == [1, 1]


def test_what_another_lane_has_taken_meanwhile_is_not_fetched(
    sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a consumer that waits in Redis while there is room
    consumers = listening(sqlite_desk, (Lane.IMPORT, Lane.EMAIL, Lane.INTERACTIVE), prefetch=2)
    emails = consumers[Lane.EMAIL]
    client = emails.broker.client
    blmove = client.blmove

    def wait(*arguments: Any) -> Any:
        monkeypatch.setattr(client, "blmove", blmove)
        next(consumers[Lane.IMPORT])  # the one place
        return blmove(*arguments)

    monkeypatch.setattr(client, "blmove", wait)
    # When another lane takes it before a message comes
    assert next(emails) is None
    # Then the message stays in the queue
    assert emails.outstanding_message_count == 0
    assert sqlite_desk.client.llen(sqlite_desk.key(Lane.EMAIL.value)) == 4


def test_where_nobody_waits_a_batch_has_all_threads(sqlite_desk: Desk) -> None:
    consumers = listening(sqlite_desk, (Lane.IMPORT, Lane.RESYNC), prefetch=4)
    assert held(consumers) == {Lane.IMPORT: 4, Lane.RESYNC: 4}


def test_a_worker_of_one_thread_serves_every_lane(sqlite_desk: Desk) -> None:
    consumers = listening(sqlite_desk, (Lane.IMPORT, Lane.INTERACTIVE), prefetch=1)
    assert held(consumers) == {Lane.IMPORT: 1, Lane.INTERACTIVE: 1}


def test_workers_listen_on_every_lane_and_the_door() -> None:
    assert set(Lane) | {QUEUE} == ALL_QUEUES


def test_it_ends_in_order_while_redis_is_away(sqlite_world: World, own_redis: RedisServer) -> None:
    """With a message that it holds and cannot put back, and one that it has done and cannot acknowledge (P18)."""
    desk = Desk.at(sqlite_world, own_redis.url)
    broker = make_broker(desk.settings, lambda *_: None)
    begun, go_on = threading.Event(), threading.Event()

    def run_job(_: str) -> None:
        begun.set()
        go_on.wait(10)

    dramatiq.actor(actor_name="run_job", queue_name=Lane.IMPORT.value, broker=broker)(run_job)
    desk.bell.ring(Lane.IMPORT, [uuid4(), uuid4()])
    working = dramatiq.Worker(broker, worker_threads=1, worker_timeout=50)
    working.start()
    assert begun.wait(10)
    wait_until(lambda: working.work_queue.qsize() == 1, "the second message is in its memory")
    own_redis.stop()
    go_on.set()
    began = time.monotonic()
    working.stop(timeout=20_000)
    assert time.monotonic() - began < 10, "it did not wait for Redis"


def test_a_worker_that_stops_leaves_to_others_what_it_has_not_begun(sqlite_desk: Desk) -> None:
    desk, lane = sqlite_desk, Lane.INTERACTIVE
    begun, go_on, done = threading.Event(), threading.Event(), set[str]()

    def run_slowly(_: str) -> None:
        begun.set()
        go_on.wait()

    # Given a worker that has begun a job and holds another one, and is told to stop
    slow, held, *later = (uuid4() for _ in range(6))
    with ExitStack() as stack:
        stopping = stack.enter_context(consuming(desk, lane, run_slowly, threads=1))
        stack.callback(go_on.set)
        desk.bell.ring_or_raise(lane, [slow])
        assert begun.wait(10)
        desk.bell.ring_or_raise(lane, [held])
        wait_until(lambda: stopping.work_queue.qsize() == 1, "the second message is in its memory")
        threading.Thread(target=stopping.stop).start()
        wait_until(lambda: desk.rung(lane) == [held], "the second message is back in the queue")
        # When more jobs are rung, while it waits for the one that it has begun
        for job_id in later:
            desk.bell.ring_or_raise(lane, [job_id])
        # Then another worker does all of them
        stack.enter_context(consuming(desk, lane, done.add, threads=4))
        wait_until(lambda: done == {str(held), *map(str, later)}, "the other one has done all")
    # And nothing is left, once the first one has ended
    assert desk.unacknowledged(lane.value) == 0


@contextmanager
def consuming(desk: Desk, lane: Lane, run_job: Callable[[str], None], *, threads: int) -> Iterator[dramatiq.Worker]:
    """A worker of one lane that does this for each job, until the block ends."""
    broker = make_broker(desk.settings, lambda *_: None)
    dramatiq.actor(actor_name="run_job", queue_name=lane.value, broker=broker)(run_job)
    with started(dramatiq.Worker(broker, worker_threads=threads, worker_timeout=50)) as working:
        yield working


def test_a_message_whose_acknowledgement_was_lost_is_acknowledged_later(
    sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = sqlite_desk
    broker = make_broker(desk.settings, lambda *_: None)
    acknowledge = broker.do_ack
    lost: list[str] = []

    def do_ack(queue: str, *ids: str) -> Any:
        if not lost:
            lost.append(queue)
            raise redis.TimeoutError
        return acknowledge(queue, *ids)

    monkeypatch.setattr(broker, "do_ack", do_ack, raising=False)
    desk.bell.ring(Lane.IMPORT, [uuid4()])
    with desk.working(broker=broker):
        wait_until(lambda: lost and not desk.unacknowledged(Lane.IMPORT.value), "it is acknowledged after all")


@pytest.mark.parametrize("is_away", [False, True])
def test_a_consumer_goes_round_with_and_without_redis(sqlite_desk: Desk, own_redis: RedisServer, is_away: bool) -> None:
    settings = sqlite_desk.settings.model_copy(update={"redis_url": own_redis.url})
    rounds: list[str] = []
    broker = make_broker(settings, lambda *_: None, rounds.append)
    broker.declare_queue(Lane.EMAIL.value)
    consumer = broker.consume(Lane.EMAIL.value)
    assert rounds == [Lane.EMAIL.value]
    if is_away:
        own_redis.stop()
        with pytest.raises(ConnectionClosed):
            next(consumer)
        with pytest.raises(ConnectionClosed):
            broker.consume(Lane.EMAIL.value)
    else:
        assert [next(consumer), next(consumer)] == [None, None]
    assert rounds == 3 * [Lane.EMAIL.value]
