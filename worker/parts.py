"""The parts of every worker-side process: services, bell, leases and limiter, assembled from the settings."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from uuid import UUID

from config import spans
from config.liveness import Liveness
from config.logging import set_up_logging
from config.settings import Settings
from config.sources import Sources
from handlers.email.smtp import SmtpMailer
from handlers.outages import Outages, WatchedLimiter, WatchedMailer
from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db.database import Database
from worker.queue.bell import RedisBell, connect
from worker.runner.leases import Leases
from worker.runner.runner import Runner
from xpm.client import XpmApi
from xpm.quota import RedisLimiter, limiter_of

#: Within this time a heartbeat goes round, in seconds.
HEARTBEAT_WITHIN_SECONDS = 30.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass
class Parts:
    """The parts of one process. As a context manager, it starts and stops the heartbeat."""

    settings: Settings
    services: Services
    bell: RedisBell
    leases: Leases
    limiter: RedisLimiter
    liveness: Liveness

    @classmethod
    def from_environment(cls, owner: str | None = None, *, threads: int = 1, by_index: bool = False) -> Self:
        """Read the settings and connect everything.

        Args:
            by_index: as `Database` takes it.

        Raises:
            SettingsError: a setting is missing or invalid.
        """
        settings = Settings.load()
        set_up_logging(settings)
        spans.start(settings)
        return cls.assemble(settings, owner, threads=threads, by_index=by_index)

    @classmethod
    def assemble(
        cls, settings: Settings, owner: str | None = None, *, threads: int = 1, by_index: bool = False
    ) -> Self:
        sources = Sources()
        database = Database(settings.database_url, sources, pool_size=threads + 2, by_index=by_index)
        limiter = limiter_of(settings, connect(settings))
        watched = Outages(database, sources)
        services = Services(
            database=database,
            xpm=XpmApi(settings.xpm_api_url, limiter=WatchedLimiter(limiter, watched)),
            mailer=WatchedMailer(SmtpMailer(settings.smtp_url), watched),
            settings=settings,
            sources=sources,
        )
        liveness = Liveness(sources.monotonic)
        leases = Leases(
            database,
            owner or name_of_process(sources),
            lease_seconds=settings.lease_seconds,
            every_seconds=settings.heartbeat_seconds,
            goes_round=liveness.expect("heartbeat", within_seconds=HEARTBEAT_WITHIN_SECONDS),
        )
        bell = RedisBell(connect(settings), settings.redis_namespace, sources)
        return cls(settings, services, bell, leases, limiter, liveness)

    def runner(self, *, run_isolated: Callable[[UUID], None] | None, stopping: threading.Event) -> Runner:
        return Runner(self.services, self.bell, self.leases, HANDLERS, run_isolated=run_isolated, stopping=stopping)

    def __enter__(self) -> Self:
        self.leases.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leases.stop()
        self.limiter.close()
        self.services.xpm.close()
        self.services.mailer.close()
        self.services.database.close()
        spans.stop()


def name_of_process(sources: Sources) -> str:
    """The name of this process in the record: its host, its pid, and a random part, since pids are reused."""
    return f"{socket.gethostname()[:40]}/{os.getpid()}/{sources.new_id().hex[-8:]}"
