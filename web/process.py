"""The web process: builds the portal from its settings, serves it until a signal, and closes everything in order."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from config.exposure import require_safe
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
from web.http.patience import PatientProtocol
from web.http.sign_in_limits import SignInLimits
from web.portal import Portal
from web.streams import Streams
from worker.queue.bell import RedisBell, connect
from xpm.client import XpmApi
from xpm.quota import limiter_of

#: Connections of a process, streams included; requests on further ones are answered with 503. Each is a file descriptor.
MOST_CONNECTIONS = 800

log = structlog.stdlib.get_logger(__name__)


@contextmanager
def opened(settings: Settings, sources: Sources | None = None) -> Iterator[Portal]:
    """A portal with these settings, until the block ends."""
    sources = sources or Sources()
    client = connect(settings)
    limiter = limiter_of(settings, client)
    database = Database(settings.database_url, sources, pool_size=THREADS + hashing.THREADS)
    watched = Outages(database, sources)
    xpm = XpmApi(settings.xpm_api_url, limiter=WatchedLimiter(limiter, watched))
    services = Services(database, xpm, WatchedMailer(SmtpMailer(settings.smtp_url), watched), settings, sources)
    bell = RedisBell(client, settings.redis_namespace, sources)
    try:
        yield Portal(services, bell, SignInLimits(settings, sources), Streams(), limiter)
    finally:
        limiter.close()
        xpm.close()
        services.mailer.close()
        database.close()


def run(settings: Settings) -> None:
    """Serve until a signal; running requests are finished first, within the grace period.

    Raises:
        SettingsError: a setting is missing or invalid, or exposes something to others.
    """
    require_safe(settings)
    set_up_logging(settings)
    _require_free(settings)
    with opened(settings) as portal:
        app = create_app(portal)
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn raises the signal again once it has stopped; by then nothing is left to do.
            signal.signal(number, lambda *_: None)
        with listening(settings, {"/metrics": metrics_answer}):
            log.info("web.ready", port=settings.web_port)
            server_of(app, settings).run()
            log.info("web.stopped", port=settings.web_port)


def server_of(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """The server of an application; a signal or its `should_exit` ends it."""
    config = uvicorn.Config(
        app,
        host=settings.web_host,
        port=settings.web_port,
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


def _require_free(settings: Settings) -> None:
    try:
        with socket.create_server((settings.web_host, settings.web_port)):
            pass
    except OSError as error:
        where = f"{settings.web_host}:{settings.web_port}"
        raise SettingsError(f"WEB_HOST, WEB_PORT: cannot listen on {where}: {error.strerror}.") from None
