"""Malformed messages, and valid ones doubled and out of order, on the lanes' queues and at the queue door."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import redis
from sqlalchemy import text

from handlers.imports.request import ImportRequest
from portal_db.states import Lane
from tests.faults.trial import Fault, Trial
from tests.worker.queue.desk import message
from worker.queue.door import QUEUE


def disorder(trial: Trial) -> None:
    """Every request arrives twice, every job is rung twice in any order, and malformed messages lie between."""
    client = redis.Redis.from_url(trial.stage.redis.url)
    trial.ask()
    requests = [trial.request() for _ in range(trial.much(8, 60))]
    twice = [request for request in requests for _ in range(2)]
    trial.random.shuffle(twice)
    for request in twice:
        at_the_door(client, request)
        for rubbish in trial.random.sample(RUBBISH, 2):
            post(client, QUEUE, rubbish, str(uuid4()))
            post(client, Lane.IMPORT.value, rubbish, str(uuid4()))
            trial.injected += 2
    trial.count_in_flight()
    with trial.stage.database.read() as tx:
        known = "SELECT id, lane FROM jobs WHERE practice_id = :practice"
        rung = [
            (job.id, Lane(job.lane)) for job in tx.session.execute(text(known), {"practice": trial.practice_id})
        ] * 2
    trial.random.shuffle(rung)
    for job_id, lane in rung:
        trial.stage.bell.ring(lane, [job_id])
        trial.injected += 1
    were_accepted(trial, client, requests)
    trial.over()
    trial.wait(
        lambda: not any(client.hlen(f"portal:{lane}.msgs") for lane in (QUEUE, "import")), "no message is left", 30
    )
    client.close()


def post(client: redis.Redis, queue: str, payload: bytes, message_id: str) -> None:
    client.hset(f"portal:{queue}.msgs", message_id, payload)
    client.rpush(f"portal:{queue}", message_id)


def at_the_door(client: redis.Redis, request: ImportRequest) -> None:
    """Request an import by a message on the door's queue."""
    own = str(uuid4())
    post(client, QUEUE, message(own, request.model_dump(mode="json")), own)


def were_accepted(trial: Trial, client: redis.Redis, requests: Iterable[ImportRequest]) -> None:
    """Wait for the receipts of requests at the door; their imports are judged at the end."""
    for request in requests:
        receipt = f"portal:receipts:{trial.practice_id}:{request.request_id}"
        trial.wait(partial(client.get, receipt), "a receipt for each request", 30)
        told: Any = json.loads(client.get(receipt) or "{}")
        if told.get("status") == "accepted":
            trial.note(UUID(told["import_id"]), request)
        else:
            trial.problems.append("a request at the door was lost")


RUBBISH = [
    b"\xff\xfe\x00 rubbish",
    b"",
    b"null",
    b"[1, 2]",
    message("m", {}, options=None),
    message("m", {}, actor_name="make_tea"),
    message("m", {}, message_id=[1, 2]),
    message("m", {}, kwargs=[1]),
    message("nobody", {"colour": "red"}),
]

FAULTS: dict[str, Fault] = {"malformed, doubled, reordered messages": disorder}
