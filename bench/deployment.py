"""The production shape on one machine, for measuring: PostgreSQL, Redis, simulator, mail catcher, workers and relay, each a
process of its own, and one connected practice."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from cryptography.fernet import Fernet

from config.settings import Settings
from portal_db import migrate
from portal_db.database import Database
from portal_db.states import Lane
from tests.servers.postgres import fresh_database, postgres_server
from tests.servers.redis import redis_server
from tests.world import connect_practice
from worker.local.processes import Supervised, free_port, log_line, port_open
from worker.queue.door import QUEUE
from xpm.client import Access
from xpm.simulator.serve import SimulatorConfig
from xpm.simulator.tenants import BASE_PATH

#: So that XPM's sixty calls a minute are a thousand a second, and what is measured is us.
QUOTA_TIME_SCALE = 1000.0
ALL_QUEUES = (*(lane.value for lane in Lane), QUEUE)


@dataclass(frozen=True)
class Deployment:
    """A running deployment: where it is, and who may ask it for what."""

    settings: Settings
    database: Database
    processes: Supervised
    mail: Path
    practice_id: UUID
    staff_id: UUID
    access: Access

    def start_worker(self, name: str, queues: Sequence[str] = ALL_QUEUES, *, threads: int = 8) -> None:
        code = f"import sys; from worker.process import run_worker; sys.exit(run_worker({queues!r}, threads={threads}))"
        command = [sys.executable, "-c", code]
        self.processes.start(name, command, ready=log_line("worker.ready"), env=self.environment())

    def start_relay(self) -> None:
        command = [sys.executable, "-c", "import sys; from worker.process import run_relay; sys.exit(run_relay())"]
        self.processes.start("relay", command, ready=log_line("relay.ready"), env=self.environment())

    def environment(self) -> dict[str, str]:
        """The settings as processes read them."""
        given = self.settings.model_dump(
            include={"database_url", "redis_url", "xpm_api_url", "xpm_quota_time_scale", "smtp_url"}
        )
        keys = ",".join(key.get_secret_value() for key in self.settings.token_keys)
        return {name.upper(): str(value) for name, value in given.items()} | {"TOKEN_KEYS": keys}


@contextmanager
def deployed(*, clients: int, seed: int = 7) -> Iterator[Deployment]:
    """Start everything but workers and relay, with a simulated practice of so many XPM clients and no quota."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portal-sync-bench-")))
        database_url = stack.enter_context(fresh_database(stack.enter_context(postgres_server())))
        redis = stack.enter_context(redis_server(folder / "redis"))
        processes = stack.enter_context(Supervised(folder / "logs"))
        xpm_port, mail_port = free_port(), free_port()
        simulator = (
            "from xpm.simulator.serve import SimulatorConfig, run; "
            f"run(SimulatorConfig(clients={clients}, seed={seed}, port={xpm_port}, enforce_quota=False))"
        )
        processes.start("simulator", [sys.executable, "-c", simulator], ready=port_open(xpm_port))
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
        practice_id, staff_id, _ = connect_practice(database, settings, token)
        access = Access(SimulatorConfig().tenant_id, token)
        yield Deployment(settings, database, processes, mail, practice_id, staff_id, access)
