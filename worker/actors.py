"""The two actors: one runs a set of jobs by their ids, one records a request. The work is done elsewhere."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import dramatiq
from dramatiq.broker import Broker
from dramatiq.middleware import CurrentMessage

from portal_db.states import Lane
from worker.queue.bell import RUN_JOB
from worker.queue.door import QUEUE, Door
from worker.runner.runner import Runner

REQUEST_IMPORT = "request_import"


def declare(broker: Broker, runner: Runner, door: Door) -> None:
    """Bind both actors, and every lane's queue, to a broker."""

    @dramatiq.actor(actor_name=RUN_JOB, queue_name=Lane.INTERACTIVE.value, broker=broker)
    def run_job(job_id: str, *others: str) -> None:
        runner.run(*map(UUID, (job_id, *others)))

    @dramatiq.actor(actor_name=REQUEST_IMPORT, queue_name=QUEUE, broker=broker)
    def request_import(**fields: Any) -> None:
        message = CurrentMessage.get_current_message()
        door.take(fields, message.message_id if message else None)

    for lane in Lane:
        broker.declare_queue(lane.value)
