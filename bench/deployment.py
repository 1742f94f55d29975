"""The production set-up on one machine, for measuring: PostgreSQL, Redis, simulator, mail catcher, workers and relay as
separate processes, and one connected practice."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

from cryptography.fernet import Fernet

from bench.figures import start_simulator
from config.settings import Settings
from portal_db import migrate
from portal_db.database import Database
from portal_db.states import Lane
from tests.servers.postgres import PostgresServer, fresh_database, own_postgres_server
from tests.servers.redis import redis_server
from tests.world import begin_directory_sync, connect_practice
from worker.local.processes import Process, Supervised, free_port, log_line, port_open
from worker.queue.bell import RedisBell, connect
from worker.queue.door import QUEUE
from xpm.client import Access
from xpm.simulator.serve import SimulatorConfig
from xpm.simulator.tenants import BASE_PATH

#: Makes XPM's sixty calls a minute a thousand a second, so that the portal itself is measured.
QUOTA_TIME_SCALE = 1000.0
QUEUES = (*(lane.value for lane in Lane), QUEUE)
#: Of each worker.
THREADS = 8
#: Settings besides those of the deployment.
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Deployment:
    """A running deployment: its addresses, and the staff member and token to use."""

    server: PostgresServer
    settings: Settings
    database: Database
    bell: RedisBell
    processes: Supervised
    mail: Path
    practice_id: UUID
    staff_id: UUID
    connection_id: UUID
    access: Access

    def start_worker(self, name: str, more: Mapping[str, str] = NOTHING, *, queues: Sequence[str] = QUEUES) -> Process:
        command = _running("run_worker", f"{queues!r}, threads={THREADS}")
        return self.processes.start(name, command, ready=log_line("worker.ready"), env={**self.environment(), **more})

    def start_relay(self, more: Mapping[str, str] = NOTHING) -> None:
        command = _running("run_relay")
        self.processes.start("relay", command, ready=log_line("relay.ready"), env={**self.environment(), **more})

    def sync_directory(self) -> None:
        """Sync the practice's directory, as every practice's is once it has connected: by one call of XPM."""
        is_synced = begin_directory_sync(self.database, self.connection_id)
        while not is_synced():
            self.processes.check()
            time.sleep(0.1)

    def environment(self) -> dict[str, str]:
        """The settings as processes read them."""
        given = self.settings.model_dump(
            include={"database_url", "redis_url", "xpm_api_url", "xpm_quota_time_scale", "smtp_url"}
        )
        keys = ",".join(key.get_secret_value() for key in self.settings.token_keys)
        return {name.upper(): str(value) for name, value in given.items()} | {"TOKEN_KEYS": keys}


def _running(function: str, arguments: str = "") -> list[str]:
    """The command that runs a function of `worker.process`, loaded as the product's own commands load it."""
    load = f"from config.loading import loading\nwith loading():\n    from worker.process import {function}\n"
    return [sys.executable, "-c", f"import sys\n{load}sys.exit({function}({arguments}))"]


@contextmanager
def deployed(*, clients: int, enforce_quota: bool = False) -> Iterator[Deployment]:
    """Start everything except workers and relay, with a simulated practice of `clients` XPM clients.

    Args:
        enforce_quota: whether XPM refuses calls above its quota, whose minutes and days are as short as the portal's.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portal-sync-bench-")))
        server = stack.enter_context(own_postgres_server())
        database_url = stack.enter_context(fresh_database(server))
        redis = stack.enter_context(redis_server(folder / "redis"))
        processes = stack.enter_context(Supervised(folder / "logs"))
        xpm = f"clients={clients}, seed=7, enforce_quota={enforce_quota}, time_scale={QUOTA_TIME_SCALE}"
        xpm_port, mail_port = start_simulator(processes, xpm), free_port()
        mail = folder / "mail"
        catcher = [sys.executable, "-m", "worker.local.mail_catcher", "--port", str(mail_port), "--dir", str(mail)]
        processes.start("mail", catcher, ready=port_open(mail_port))
        settings = Settings(
            database_url=database_url,
            redis_url=redis.fresh(),
            xpm_api_url=f"http://127.0.0.1:{xpm_port}{BASE_PATH}",
            xpm_quota_time_scale=QUOTA_TIME_SCALE,
            smtp_url=f"smtp://127.0.0.1:{mail_port}",
            token_keys=Fernet.generate_key().decode(),
        )
        database = Database(database_url)
        stack.callback(database.close)
        migrate.upgrade(database)
        token = SimulatorConfig().access_token
        practice_id, staff_id, connection_id = connect_practice(database, settings, token)
        access = Access(SimulatorConfig().tenant_id, token)
        bell = RedisBell(stack.enter_context(closing(connect(settings))), settings.redis_namespace, database.sources)
        yield Deployment(
            server, settings, database, bell, processes, mail, practice_id, staff_id, connection_id, access
        )
