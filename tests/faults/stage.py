"""What faults run on: PostgreSQL or an SQLite file, Redis, a simulated XPM, a mail catcher, two workers and a relay.

Everything outside the product runs in this process, so that a fault can control it; the product's processes are real
ones, each in its own process group, and are restarted when they end, as a supervisor would.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import make_url

from config.settings import Settings
from config.sources import Sources
from portal_db import migrate
from portal_db.database import Database
from portal_db.states import ClientKind
from tests.faults.alarms import scrape
from tests.servers.postgres import PostgresServer, fresh_database, own_postgres_server
from tests.servers.redis import RedisServer, redis_server
from tests.world import TENANT
from worker.local.mail_catcher import MailCatcher, catching
from worker.local.processes import Process, Supervised, free_port, log_line, port_open
from worker.queue.bell import RedisBell, connect
from xpm.simulator.faults import FaultRule
from xpm.simulator.serve import SimulatorConfig, SimulatorHandle, running

#: XPM's sixty calls a minute become a thousand a second, so that the quota is not what is measured.
QUOTA_TIME_SCALE = 1000.0
#: Each call to XPM takes this long, so that imports are in flight for a while.
LATENCY_SECONDS = 0.03
#: In a short run a dead worker is detected sooner; both are settings.
SHORT_LEASE = {"LEASE_SECONDS": "4", "HEARTBEAT_SECONDS": "1"}
#: Imports of a fault in a short and in a long run.
QUICK_IMPORTS, LONG_IMPORTS = 24, 200
WORKERS = ("worker-1", "worker-2")
#: What workers and relays load.
LOADED = ("worker.cli.processes",)
_ROOT = Path(__file__).parents[2]
_ENTITIES = ("Company", "Family Trust", "Unit Trust", "Partnership")

Environment = Mapping[str, str]


@dataclass
class Stage:
    """Servers, and the processes that should be running on them: their names, each with its additional settings."""

    #: Where the record is; `None` where it is an SQLite file.
    server: PostgresServer | None
    redis: RedisServer
    xpm: SimulatorHandle
    mail: MailCatcher
    database: Database
    settings: Settings
    processes: Supervised
    traps: Path
    quick: bool
    imports: int
    #: Ends what a fault has started and that stays until the end of the stage.
    keep: ExitStack
    wanted: dict[str, dict[str, str]] = field(default_factory=dict)
    metrics_port: int = field(default_factory=free_port)
    #: What the command of a process is put behind.
    behind: Sequence[str] = ()

    @property
    def postgres(self) -> PostgresServer:
        """The record's server, for a fault that only a server can have."""
        assert self.server is not None
        return self.server

    @property
    def usual(self) -> dict[str, str]:
        """Settings of every process, unless a fault changes them."""
        return dict(SHORT_LEASE) if self.quick else {}

    @property
    def lease_seconds(self) -> float:
        return float(self.usual.get("LEASE_SECONDS", self.settings.lease_seconds))

    @cached_property
    def bell(self) -> RedisBell:
        return RedisBell(connect(self.settings), self.settings.redis_namespace, Sources())

    def records(self) -> list[tuple[UUID, ClientKind]]:
        """The XPM records that can be imported: three people to each entity, while there are enough."""
        found = self.xpm.simulator.practices[TENANT].clients.values()
        alive = [one for one in found if not one.is_archived and not one.is_deleted]
        people = [(one.uuid, ClientKind.INDIVIDUAL) for one in alive if one.business_structure == "Individual"]
        entities = [(one.uuid, ClientKind.ENTITY) for one in alive if one.business_structure in _ENTITIES]
        return [*people, *entities[: len(people) // 3]]

    def run(self, **wanted: Environment) -> None:
        """Run two workers and a relay, with these additional settings; processes that are not named get the usual ones.

        `worker_1={…}` names a process; one that already runs with these settings is not restarted.
        """
        for name in (*WORKERS, "relay"):
            environment = {**self.usual, **wanted.get(name.replace("-", "_"), {})}
            if self.wanted.get(name) != environment:
                self.processes.stop(name)
                self.wanted[name] = environment
        self.revive()

    def revive(self) -> None:
        """Restart the processes that have ended."""
        ended = [name for name in self.wanted if not self.is_running(name)]
        if ended:
            with ThreadPoolExecutor(len(ended)) as pool:
                list(pool.map(self.start, ended))

    def is_running(self, name: str) -> bool:
        try:
            return self.processes[name].exit_code is None
        except KeyError:
            return False

    def stop_worker(self, name: str) -> None:
        """Stop this process until `run` starts it again."""
        del self.wanted[name]
        self.processes.stop(name)

    def named(self, pid: int) -> Process | None:
        """Our process with this id."""
        found = (self.processes[name] for name in self.wanted)
        return next((process for process in found if process.pid == pid), None)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        os.kill(self.processes[name].pid, number)

    def start(self, name: str, ready: str | None = None, module: str = "tests.faults.start") -> None:
        """Start a process that is wanted, and return when it has logged that it is ready, or this. As `worker.cli` it is the
        product's own command, without traps."""
        role = "relay" if name == "relay" else "worker"
        command = [*self.behind, sys.executable, "-m", module, role]
        environment, wanted = {**self._environment(), **self.wanted[name]}, log_line(ready or f"{role}.ready")
        self.processes.start(name, command, ready=wanted, env=environment, cwd=_ROOT)

    def move_to(self, server: PostgresServer) -> None:
        """From now on the record is on another server, which has all of it."""
        there = make_url(self.settings.database_url).set(port=server.url.port)
        self.server = server
        self.settings = self.settings.model_copy(update={"database_url": there.render_as_string(hide_password=False)})
        self.database.close()
        self.database = Database(self.settings.database_url)
        self.keep.callback(self.database.close)

    def start_web(self, port: int) -> None:
        """Start the web process `web` at a port of this machine; whoever starts it stops it."""
        environment = {**self._environment(), "WEB_PORT": str(port)}
        command = [sys.executable, "-m", "web"]
        self.processes.start("web", command, ready=port_open(port), env=environment, cwd=_ROOT)

    def _environment(self) -> dict[str, str]:
        fields = {
            "database_url",
            "redis_url",
            "unsigned_requests",
            "xpm_api_url",
            "xpm_quota_time_scale",
            "smtp_url",
            "log_format",
        }
        fields |= {"xero_identity_url", "xero_connections_url", "xero_authorize_url", "xero_client_id"}
        given = {name.upper(): str(value) for name, value in self.settings.model_dump(include=fields).items()}
        keys = ",".join(key.get_secret_value() for key in self.settings.token_keys)
        secret = self.settings.xero_client_secret.get_secret_value()
        given |= {"METRICS_PORT": str(self.metrics_port), "FAULT_GAUGES_SECONDS": "1"}
        return {**given, "TOKEN_KEYS": keys, "XERO_CLIENT_SECRET": secret, "FAULT_TRAPS": str(self.traps)}

    def alerts(self) -> set[str]:
        """The alerts whose expressions are true of what the processes that run answer now."""
        return scrape([self.processes[name] for name in self.wanted if self.is_running(name)], time.time()).alerts()

    def fault(self, rule: FaultRule) -> None:
        """Make XPM's calls fail in this way; this rule goes before the others."""
        self.xpm.simulator.faults.rules.insert(0, rule)


@contextmanager
def staged(*, quick: bool, seed: int, imports: int = QUICK_IMPORTS, on_sqlite: bool = False) -> Iterator[Stage]:
    """Start the servers; processes come with the first fault. Raises Missing."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portal-sync-faults-")))
        server = None if on_sqlite else stack.enter_context(own_postgres_server())
        database_url = f"sqlite:///{folder}/portal.db"
        if server is not None:
            database_url = stack.enter_context(fresh_database(server))
        redis = stack.enter_context(redis_server(folder / "redis"))
        # The limiter trusts its quota headers, so its days must pass as fast as ours: the matrix makes more calls than
        # a day allows.
        config = SimulatorConfig(
            clients=100 + 4 * imports, seed=seed, port=0, enforce_quota=False, time_scale=QUOTA_TIME_SCALE
        )
        xpm = stack.enter_context(running(config))
        xpm.simulator.faults.add(FaultRule("latency", count=10**9, seconds=LATENCY_SECONDS))
        mail = stack.enter_context(catching(folder / "mail"))
        settings = _settings(database_url, redis, xpm, mail)
        database = Database(database_url)
        stack.callback(database.close)
        migrate.upgrade(database)
        (folder / "traps").mkdir()
        processes = stack.enter_context(Supervised(folder / "logs", loaded=LOADED))
        yield Stage(server, redis, xpm, mail, database, settings, processes, folder / "traps", quick, imports, stack)


def _settings(database_url: str, redis: RedisServer, xpm: SimulatorHandle, mail: MailCatcher) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=redis.url,
        xpm_api_url=xpm.api_url,
        xpm_quota_time_scale=QUOTA_TIME_SCALE,
        xero_authorize_url=f"{xpm.url}/identity/connect/authorize",
        xero_identity_url=xpm.url,
        xero_connections_url=f"{xpm.url}/connections",
        xero_client_id=xpm.config.client_id,
        xero_client_secret=SecretStr(xpm.config.client_secret),
        smtp_url=mail.url,
        unsigned_requests=True,
        token_keys=Fernet.generate_key().decode(),
        log_format="json",
    )


def through(settings: Settings, port: int) -> dict[str, Any]:
    """The setting by which a process reaches the database through another port of this machine."""
    return {"DATABASE_URL": make_url(settings.database_url).set(port=port).render_as_string(hide_password=False)}
