"""Celery as its guide says: a canvas (a chain with a group in it), late acknowledgement, one queue for each urgency.

Sources: the user guide's "Canvas", "Tasks" (acks_late, reject_on_worker_lost, autoretry_for), "Optimizing" (a prefetch
multiplier of 1 with late acknowledgement) and "Using Redis" (visibility timeout). The last is a minute here, not its
default of an hour, so that a measurement sees the work of a killed worker come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery import Celery, chain, group

from bench.rivals.steps import Steps
from config.settings import Settings

INTERACTIVE, BATCH = "interactive", "batch"

app = Celery("bench", broker=Settings().redis_url, backend=Settings().redis_url)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={"visibility_timeout": 60},
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)
_RETRIED: dict[str, Any] = {
    "autoretry_for": (Exception,),
    "retry_backoff": True,
    "retry_jitter": True,
    "max_retries": 20,
}


class Closed(Exception):
    """Ends a chain: the import is closed. It is no failure, so nothing is retried."""


_SPINE = _RETRIED | {"throws": (Closed,), "dont_autoretry_for": (Closed,)}


@app.task(**_SPINE)
def validate(import_id: str) -> None:
    if not Steps.of_process().validate(import_id):
        raise Closed


@app.task(**_SPINE)
def create(import_id: str) -> None:
    if not Steps.of_process().create(import_id):
        raise Closed


@app.task(**_RETRIED)
def details(import_id: str) -> None:
    Steps.of_process().details(import_id)


@app.task(**_RETRIED)
def relationships(import_id: str) -> None:
    Steps.of_process().relationships(import_id)


@app.task(**_RETRIED)
def welcome_email(import_id: str) -> None:
    Steps.of_process().welcome_email(import_id)


@app.task(**_RETRIED)
def close(import_id: str) -> None:
    Steps.of_process().close(import_id)


def enqueue(import_ids: Sequence[str], *, interactive: bool) -> None:
    """Start imports."""
    queue = INTERACTIVE if interactive else BATCH
    for import_id in import_ids:
        first, second, *branches, last = (
            step.si(import_id).set(queue=queue)
            for step in (validate, create, details, relationships, welcome_email, close)
        )
        chain(first, second, group(branches), last).apply_async()
