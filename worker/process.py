"""The worker and relay processes: assembled, run until a stop signal, and shut down in order.

One process is one worker; the supervisor of the Procfile starts several. dramatiq's own master process is not used:
killed, it leaves orphans, and a signal to the process group interrupts running jobs (measured, see docs/architecture.md).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Collection
from functools import partial

import dramatiq
import structlog
from sqlalchemy.exc import SQLAlchemyError

from config import metrics
from config.heap import freeze_loaded
from config.listener import Answers, listening, liveness_answer
from config.liveness import Liveness
from handlers.registry import HANDLERS
from portal_db.states import Lane
from worker.actors import declare
from worker.health.checks import Installation
from worker.health.status import Status
from worker.leader.gauges import Gauges, Sight
from worker.leader.relay import Relay
from worker.leader.scheduler import Findings, Scheduler, in_thread, nightly_work, plan_of
from worker.parts import STOP_SIGNALS, Parts
from worker.queue.bell import connect
from worker.queue.broker import PortalBroker, make_broker, usable_client
from worker.queue.door import Door
from worker.queue.inspect import RedisQueues
from worker.rehearsal import rehearse
from worker.runner.isolation import IsolatedRunner
from worker.runner.leases import Leases
from worker.runner.presence import Presence

log = structlog.stdlib.get_logger(__name__)

#: Within this time the consumer of each queue, and the relay, go round, in seconds.
CONSUMER_WITHIN_SECONDS, RELAY_WITHIN_SECONDS = 30.0, 10.0


def stop_on_signals() -> threading.Event:
    """An event that the first stop signal sets. Later ones change nothing: a process group's signal arrives twice."""
    stopping = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def run_worker(queues: Collection[str], *, threads: int, stopping: threading.Event | None = None) -> int:
    """Consume these queues until a stop signal, then let running jobs finish within the grace period.

    Jobs that take longer go back to the queue with nothing counted against them.

    Args:
        stopping: what stop signals set, if the caller listens for them already.

    Returns:
        The exit code: always 0.

    Raises:
        UnsafeRedis: this Redis cannot be worked with.
    """
    stopping = stopping or stop_on_signals()
    with Parts.from_environment(threads=threads, by_index=True) as parts:
        door = Door(parts.services, parts.bell, connect(parts.settings), parts.settings.redis_namespace)
        consumers = {
            queue: parts.liveness.expect(_loop(queue), within_seconds=CONSUMER_WITHIN_SECONDS)
            for queue in sorted(queues)
        }
        broker = make_broker(parts.settings, door.keep_malformed, lambda queue: consumers[queue]())
        isolated = IsolatedRunner(parts.services, HANDLERS, parts.leases.owner)
        declare(broker, parts.runner(run_isolated=isolated.run, stopping=stopping), door)
        worker = dramatiq.Worker(broker, queues=set(queues), worker_threads=threads, worker_timeout=100)
        worker.queue_prefetch = threads  # P18: hold no more than can be started at once
        presence = Presence(
            parts.services.database,
            parts.leases.owner,
            lanes=lambda: consumed(queues, broker, parts.liveness),
            kinds=HANDLERS.keys(),
            lasts_seconds=parts.settings.lease_seconds,
            every_seconds=parts.settings.heartbeat_seconds,
        )
        parts.services.database.open_connections(threads)
        rehearse(parts.services)
        freeze_loaded()
        with presence, listening(parts.settings, answers_of(parts)):
            worker.start()
            log.info("worker.ready", owner=parts.leases.owner, count=threads)
            stopping.wait()
            log.info("worker.stopping", owner=parts.leases.owner)
        worker.stop(timeout=int(parts.settings.shutdown_grace_seconds * 1000))
        _release_jobs(parts.leases, isolated)  # before closing the parts that running jobs still use
        broker.close()
    return 0


def consumed(queues: Collection[str], broker: PortalBroker, liveness: Liveness) -> set[str]:
    """The lanes among these queues whose consumers go round and are not refused by Redis."""
    idle = {*broker.refused_queues, *(queue for queue in queues if _loop(queue) in liveness.stalled())}
    return {queue for queue in queues if queue in frozenset(Lane)} - idle


def _loop(queue: str) -> str:
    return f"consumer of {queue}"


def _release_jobs(leases: Leases, isolated: IsolatedRunner) -> None:
    try:
        isolated.stop()
        count = leases.release_all()
    except SQLAlchemyError as error:
        log.warning("worker.jobs_left_to_their_leases", exc_info=error)
        return
    if count:
        log.warning("worker.gave_back", owner=leases.owner, count=count)


def run_relay(stopping: threading.Event | None = None) -> int:
    """Run the relay and the scheduler, or stand by for them, until a stop signal.

    Raises:
        UnsafeRedis: this Redis cannot be worked with.
    """
    stopping = stopping or stop_on_signals()
    with Parts.from_environment(threads=1) as parts:
        relay = Relay(
            parts.services.database,
            parts.bell,
            owner=parts.leases.owner,
            limit=parts.settings.ring_limit,
            permits=parts.limiter.free,
            goes_round=parts.liveness.expect("relay", within_seconds=RELAY_WITHIN_SECONDS),
        )
        queues = RedisQueues(usable_client(parts.settings), parts.bell, parts.settings.redis_namespace)
        found = Findings()
        work = nightly_work(parts.services, queues, found)
        plan = plan_of(parts.services, work, parts.limiter.day_left)
        scheduler = Scheduler(parts.services.database, parts.leases.owner, plan, work, start=in_thread)
        threading.Thread(target=scheduler.run, args=(stopping,), name="scheduler", daemon=True).start()
        gauges = Gauges(
            Sight(
                parts.services.database,
                parts.bell.lengths,
                parts.limiter.status,
                parts.limiter.limits,
                lambda: found.counts,
            ),
            leads=lambda: relay.leads,
        )
        freeze_loaded()
        with listening(parts.settings, answers_of(parts)) as port:
            if port is not None:
                metrics.REGISTRY.register(gauges)
                threading.Thread(target=gauges.run, args=(stopping,), name="gauges", daemon=True).start()
            log.info("relay.ready", owner=parts.leases.owner)
            relay.run(stopping)
    return 0


def answers_of(parts: Parts) -> Answers:
    """What a worker or relay answers to those who watch it."""
    services = parts.services
    installation = Installation(parts.settings, services.database, connect(parts.settings), services.sources)
    return {
        "/livez": partial(liveness_answer, parts.liveness),
        "/metrics": metrics.metrics_answer,
        "/status": Status(installation),
    }
