"""dramatiq as its guide says: a pipeline, a group with a completion callback, Retries, one queue for each urgency.

Sources: the guide's "Message Retries", "Pipelines", "Groups" and "Group callbacks". `dramatiq bench.rivals.stock_dramatiq`
runs a worker.
"""

from __future__ import annotations

from collections.abc import Sequence

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import CurrentMessage, GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend

from bench.rivals.steps import Steps
from config.settings import Settings

INTERACTIVE, BATCH = "interactive", "batch"

_url = Settings().redis_url
broker = RedisBroker(url=_url)
broker.add_middleware(CurrentMessage())
broker.add_middleware(GroupCallbacks(RedisBackend(url=_url)))
dramatiq.set_broker(broker)
for _name in (INTERACTIVE, BATCH):
    broker.declare_queue(_name)


class Closed(Exception):
    """Ends a pipeline: the import is closed. It is no failure, so nothing is retried."""


@dramatiq.actor(throws=Closed)
def validate(import_id: str) -> None:
    if not Steps.of_process().validate(import_id):
        raise Closed


@dramatiq.actor(throws=Closed)
def create(import_id: str) -> None:
    if not Steps.of_process().create(import_id):
        raise Closed
    message = CurrentMessage.get_current_message()
    assert message is not None
    queue = message.queue_name
    branches = dramatiq.group([_message(actor, import_id, queue) for actor in (details, relationships, welcome_email)])
    branches.add_completion_callback(_message(close, import_id, queue))
    branches.run()


@dramatiq.actor
def details(import_id: str) -> None:
    Steps.of_process().details(import_id)


@dramatiq.actor
def relationships(import_id: str) -> None:
    Steps.of_process().relationships(import_id)


@dramatiq.actor
def welcome_email(import_id: str) -> None:
    Steps.of_process().welcome_email(import_id)


@dramatiq.actor
def close(import_id: str) -> None:
    Steps.of_process().close(import_id)


def _message(actor: dramatiq.Actor[[str], None], import_id: str, queue: str) -> dramatiq.Message[None]:
    # The steps' arguments are ids, not results.
    return actor.message_with_options(args=(import_id,), pipe_ignore=True).copy(queue_name=queue)


def enqueue(import_ids: Sequence[str], *, interactive: bool) -> None:
    """Start imports."""
    queue = INTERACTIVE if interactive else BATCH
    for import_id in import_ids:
        dramatiq.pipeline([_message(validate, import_id, queue), _message(create, import_id, queue)]).run()
