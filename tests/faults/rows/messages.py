"""Malformed messages, and valid ones doubled and out of order, on the lanes' queues and at the queue door."""

from __future__ import annotations

import json
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import redis
from sqlalchemy import text

from portal_db.states import Lane
from tests.faults.trial import Fault, Trial
from tests.worker.queue.desk import message
from worker.queue.door import QUEUE


def disorder(trial: Trial) -> None:
    """Every request arrives twice, every job is rung twice in any order, and malformed messages lie between."""
    client = redis.Redis.from_url(trial.stage.redis.url)
    trial.ask()
    requests = [trial.request() for _ in range(trial.much(8, 60))]
    payloads = [request.model_dump(mode="json") for request in requests for _ in range(2)]
    trial.random.shuffle(payloads)
    for fields in payloads:
        own = str(uuid4())
        post(client, QUEUE, message(own, fields), own)
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
    for request in requests:
        receipt = f"portal:receipts:{trial.practice_id}:{request.request_id}"
        trial.wait(partial(client.get, receipt), "a receipt for each request", 30)
        told: Any = json.loads(client.get(receipt) or "{}")
        if told.get("status") != "accepted":
            trial.problems.append("a good request was not accepted")
            continue
        trial.note(UUID(told["import_id"]), request)
    trial.over()
    trial.wait(
        lambda: not any(client.hlen(f"portal:{lane}.msgs") for lane in (QUEUE, "import")), "no message is left", 30
    )
    client.close()


def post(client: redis.Redis, queue: str, payload: bytes, message_id: str) -> None:
    client.hset(f"portal:{queue}.msgs", message_id, payload)
    client.rpush(f"portal:{queue}", message_id)


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
