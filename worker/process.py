"""A worker process: its parts put together, run until a signal, and put away in order.

One process is one worker; more of them are started side by side by whatever supervises the Procfile. dramatiq's own master
process is not used: killed, it leaves orphans, and a signal to the process group cuts running jobs off
(measured, see docs/architecture.md).
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from uuid import UUID

import dramatiq
import structlog
from sqlalchemy.exc import SQLAlchemyError

from config.logging import set_up_logging
from config.settings import Settings
from config.sources import Sources
from handlers.flow import Services
from handlers.kinds import KINDS
from handlers.smtp import SmtpMailer
from portal_db.database import Database
from worker.actors import declare
from worker.alone import AloneRunner
from worker.bell import RedisBell, connect
from worker.broker import make_broker
from worker.door import Door
from worker.leases import Leases
from worker.queues import RedisQueues
from worker.relay import Relay
from worker.runner import Runner
from worker.scheduler import Scheduler, aside, nightly_work, plan_of
from xpm.client import XpmApi
from xpm.quota import RedisLimiter, limiter_of

log = structlog.stdlib.get_logger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass
class Parts:
    """What every worker-side process is made of. Used as a context manager, it starts and stops the heartbeat."""

    settings: Settings
    services: Services
    bell: RedisBell
    leases: Leases
    limiter: RedisLimiter

    @classmethod
    def from_environment(cls, owner: str | None = None, *, threads: int = 1) -> Self:
        """Read the settings and connect everything.

        Raises:
            SettingsError: a setting is missing or does not fit.
        """
        settings = Settings.load()
        set_up_logging(settings)
        return cls.assemble(settings, owner, threads=threads)

    @classmethod
    def assemble(cls, settings: Settings, owner: str | None = None, *, threads: int = 1) -> Self:
        sources = Sources()
        database = Database(settings.database_url, sources, pool_size=threads + 2)
        limiter = limiter_of(settings, connect(settings))
        services = Services(
            database=database,
            xpm=XpmApi(settings.xpm_api_url, limiter=limiter),
            mailer=SmtpMailer(settings.smtp_url),
            settings=settings,
            sources=sources,
        )
        leases = Leases(
            database,
            owner or name_of_process(sources),
            lease_seconds=settings.lease_seconds,
            every_seconds=settings.heartbeat_seconds,
        )
        return cls(settings, services, RedisBell(connect(settings), settings.redis_namespace, sources), leases, limiter)

    def runner(self, *, run_alone: Callable[[UUID], None] | None, stopping: threading.Event) -> Runner:
        return Runner(self.services, self.bell, self.leases, KINDS, run_alone=run_alone, stopping=stopping)

    def __enter__(self) -> Self:
        self.leases.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leases.stop()
        self.limiter.close()
        self.services.xpm.close()
        self.services.database.close()


def name_of_process(sources: Sources) -> str:
    """Names this process in the record: where it runs and a part of its own, since pids come round again."""
    return f"{socket.gethostname()[:40]}/{os.getpid()}/{sources.new_id().hex[-8:]}"


def stop_on_signals() -> threading.Event:
    """An event that the first signal to stop sets. Later ones change nothing: a process group's signal arrives twice."""
    stopping = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def run_worker(queues: Iterable[str], *, threads: int) -> int:
    """Consume these queues until told to stop, then let running jobs finish within the grace period.

    Those that outlast it go back to the queue with nothing counted against them.

    Returns:
        The exit code: 0, also when jobs outlasted the grace.
    """
    stopping = stop_on_signals()
    with Parts.from_environment(threads=threads) as parts:
        door = Door(parts.services, parts.bell, connect(parts.settings), parts.settings.redis_namespace)
        broker = make_broker(parts.settings, door.keep_malformed)
        alone = AloneRunner(parts.services, parts.leases.owner)
        declare(broker, parts.runner(run_alone=alone.run, stopping=stopping), door)
        worker = dramatiq.Worker(broker, queues=set(queues), worker_threads=threads, worker_timeout=100)
        worker.queue_prefetch = threads  # P18: hold no more than can be started at once
        worker.start()
        log.info("worker.ready", owner=parts.leases.owner, count=threads)
        stopping.wait()
        log.info("worker.stopping", owner=parts.leases.owner)
        worker.stop(timeout=int(parts.settings.shutdown_grace_seconds * 1000))
        _give_back(parts.leases, alone)  # before the parts are closed under jobs that still run
        broker.close()
    return 0


def _give_back(leases: Leases, alone: AloneRunner) -> None:
    try:
        alone.stop()
        count = leases.give_back()
    except SQLAlchemyError as error:
        log.warning("worker.jobs_left_to_their_leases", exc_info=error)
        return
    if count:
        log.warning("worker.gave_back", owner=leases.owner, count=count)


def run_relay() -> int:
    """Be the relay and the scheduler, or stand by to be them, until told to stop."""
    stopping = stop_on_signals()
    with Parts.from_environment(threads=1) as parts:
        relay = Relay(
            parts.services.database,
            parts.bell,
            owner=parts.leases.owner,
            limit=parts.settings.ring_limit,
            permits=parts.limiter.free,
        )
        queues = RedisQueues(connect(parts.settings), parts.bell, parts.settings.redis_namespace)
        work = nightly_work(parts.services, queues)
        plan = plan_of(parts.services, work, parts.limiter.day_left)
        scheduler = Scheduler(parts.services.database, parts.leases.owner, plan, work, start=aside)
        threading.Thread(target=scheduler.run, args=(stopping,), name="scheduler", daemon=True).start()
        log.info("relay.ready", owner=parts.leases.owner)
        relay.run(stopping)
    return 0
