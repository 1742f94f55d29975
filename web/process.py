"""A process that serves pages: built from the settings, served until a signal, and closed in order."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import structlog
import uvicorn
from fastapi import FastAPI

from config import spans
from config.exposure import require_safe
from config.heap import freeze_loaded
from config.listener import listening
from config.logging import set_up_logging
from config.metrics import metrics_answer
from config.settings import Settings, SettingsError
from config.sources import Sources
from handlers.email.smtp import SmtpMailer
from handlers.outages import Outages, WatchedLimiter, WatchedMailer
from handlers.services import Services
from portal_db.database import Database
from web import hashing
from web.app import THREADS, create_app
from web.counting import SharedCounts
from web.http.patience import PatientProtocol
from web.http.sign_in_limits import SignInLimits
from web.portal import Portal
from web.streams import Streams
from web.usage import UsageLimits
from worker.queue.bell import RedisBell, connect
from xpm.client import XpmApi
from xpm.quota import limiter_of

#: Connections of a process, streams included; requests on further ones are answered with 503. Each is a file descriptor.
MOST_CONNECTIONS = 800

log = structlog.stdlib.get_logger(__name__)


P = TypeVar("P", bound=Portal)


@dataclass(frozen=True)
class Address:
    """Where a process listens; `name` is that of its settings: WEB_HOST and WEB_PORT, or OPS_HOST and OPS_PORT."""

    name: str
    host: str
    port: int


@contextmanager
def opened(settings: Settings, make: type[P], *, threads: int) -> Iterator[P]:
    """A portal with these settings, until the block ends."""
    sources = Sources()
    client = connect(settings)
    limiter = limiter_of(settings, client)
    database = Database(settings.database_url, sources, pool_size=threads + hashing.THREADS)
    watched = Outages(database, sources)
    xpm = XpmApi(settings.xpm_api_url, limiter=WatchedLimiter(limiter, watched))
    services = Services(database, xpm, WatchedMailer(SmtpMailer(settings.smtp_url), watched), settings, sources)
    bell = RedisBell(client, settings.redis_namespace, sources)
    try:
        uses = UsageLimits(SharedCounts(settings, sources, "usage"))
        yield make(services, bell, SignInLimits(settings, sources), uses, Streams(), limiter)
    finally:
        limiter.close()
        xpm.close()
        services.mailer.close()
        database.close()


def run_web(settings: Settings) -> None:
    """Serve the portal until a signal.

    Raises:
        SettingsError: a setting is missing or invalid.
    """
    run(settings, Portal, create_app, Address("web", settings.web_host, settings.web_port))


def run(
    settings: Settings, make: type[P], create: Callable[[P], FastAPI], address: Address, *, threads: int = THREADS
) -> None:
    """Serve until a signal; running requests are finished first, within the grace period.

    Raises:
        SettingsError: a setting is missing or invalid, or exposes something to others.
    """
    require_safe(settings)
    set_up_logging(settings)
    spans.start(settings)
    _require_free(address)
    with opened(settings, make, threads=threads) as portal:
        app = create(portal)
        freeze_loaded()
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn raises the signal again once it has stopped; by then nothing is left to do.
            signal.signal(number, lambda *_: None)
        with listening(settings, {"/metrics": metrics_answer}):
            log.info(f"{address.name}.ready", port=address.port)
            server_of(app, settings, address).run()
            log.info(f"{address.name}.stopped", port=address.port)
    spans.stop()


def server_of(app: FastAPI, settings: Settings, address: Address) -> uvicorn.Server:
    """The server of an application; a signal or its `should_exit` ends it."""
    config = uvicorn.Config(
        app,
        host=address.host,
        port=address.port,
        log_config=None,  # ours is set up already
        access_log=False,  # ours logs no addresses and no paths
        server_header=False,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_graceful_shutdown=round(settings.shutdown_grace_seconds),
        timeout_keep_alive=30,
        limit_concurrency=MOST_CONNECTIONS,
        http=PatientProtocol,
        ws="none",  # we have none
    )
    return uvicorn.Server(config)


def _require_free(address: Address) -> None:
    try:
        with socket.create_server((address.host, address.port)):
            pass
    except OSError as error:
        name, where = address.name.upper(), f"{address.host}:{address.port}"
        raise SettingsError(f"{name}_HOST, {name}_PORT: cannot listen on {where}: {error.strerror}.") from None
