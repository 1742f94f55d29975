"""The local system as separate processes on loopback ports: Valkey, simulator, mail catcher, workers, relay and, for a
served portal, the web process.

Each runs behind a guard, so none outlives us, and writes its own log. All lasting state is in one folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from cryptography.fernet import Fernet
from pydantic import SecretStr

from config.settings import Settings
from config.sources import Sources
from portal_db.database import Database
from portal_db.migrate import upgrade
from worker.local import valkey
from worker.local.mail_catcher import Mailbox
from worker.local.processes import LOOPBACK, Process, ProcessFailed, Ready, Supervised, free_port, port_open
from worker.queue.bell import RedisBell, connect
from xpm.client import XpmApi
from xpm.limiter import UnlimitedLimiter
from xpm.quota import limiter_of
from xpm.simulator.serve import SimulatorConfig
from xpm.simulator.tenants import BASE_PATH

READY_SECONDS = 60.0
#: Threads of a background worker: fewer than XPM's five calls at once.
BACKGROUND_THREADS = 4
GRACE_SECONDS = 5.0
#: The file in the folder with its encryption keys.
KEYS = "token-keys"


class FolderInUse(Exception):
    """Another demo or served portal uses this folder."""


@dataclass(frozen=True)
class Plan:
    """What to start. A server is started for each address that is not given.

    background: how many worker processes run imports. enforce_quota: whether the simulator refuses calls beyond XPM's
    limits. odd_percent: how odd its clients and answers are. time_scale: how much faster its quota refills.
    tenant_names: the names of its practices, one practice for each. web_port: where to serve the portal's pages and API;
    the simulator then shows a consent page.
    """

    folder: Path
    clients: int
    seed: int
    database_url: str | None = None
    redis_url: str | None = None
    background: int = 1
    enforce_quota: bool = True
    odd_percent: float = 0.0
    time_scale: float = 1.0
    tenant_names: tuple[str, ...] = ()
    web_port: int | None = None


class LocalStack:
    """The running processes, and the clients that talk to them. Leaving the context manager stops every process.

    Raises (on entering):
        FolderInUse: another demo or served portal uses the folder.
        ProcessFailed: one of the processes did not start.
        SettingsError, SQLAlchemyError: a setting, or the given database, cannot be used.
    """

    settings: Settings
    database: Database
    bell: RedisBell
    xpm: XpmApi

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.mailbox = Mailbox(plan.folder / "mail")
        self.simulator = SimulatorConfig(clients=plan.clients, seed=plan.seed, port=free_port())
        loaded = ("worker.local.commands", "worker.cli.processes", *(["web.process"] if plan.web_port else []))
        self.processes = Supervised(plan.folder / "logs", loaded=loaded)
        self._stack = ExitStack()

    @property
    def logs(self) -> Path:
        return self.plan.folder / "logs"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(_locked(self.plan.folder))
            stack.enter_context(self.processes)
            stack.callback(self._stop_own_processes)
            self._start()
            stack.callback(self._redis.close)
            stack.callback(self.database.close)
            stack.callback(self.xpm.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self) -> None:
        """Start the slowest first, and wait only for what the next step needs."""
        smtp_port = free_port()
        redis_url = self.plan.redis_url or valkey.start(self.processes, self.plan.folder / "valkey")
        own = self._own_settings(redis_url, smtp_port)
        self.settings = Settings.load().model_copy(update=own)
        self._environment = {name.upper(): _as_text(value) for name, value in own.items()}
        self._redis = connect(self.settings)
        if self.plan.redis_url is None:  # ours, and so is everyone who will call XPM
            limiter_of(self.settings, self._redis).open()
        self.bell = RedisBell(self._redis, self.settings.redis_namespace, Sources())
        plan, simulator = self.plan, self.simulator
        self._launch("simulator", "-m", "worker.cli", "simulator", "--port", simulator.port, "--clients", plan.clients,
                     "--seed", plan.seed, "--time-scale", plan.time_scale,
                     "--odd", plan.odd_percent,
                     "--quota" if plan.enforce_quota else "--no-quota",
                     "--truth-file", plan.folder / "truth.jsonl",
                     *(["--consent-page"] if plan.web_port else []),
                     *(option for name in plan.tenant_names for option in ("--tenant-name", name)))  # fmt: skip
        self._launch(
            "mail-catcher", "-m", "worker.local.mail_catcher", "--port", smtp_port, "--dir", self.mailbox.folder
        )
        self.database = Database(self.settings.database_url)
        upgrade(self.database)
        self.xpm = XpmApi(self.settings.xpm_api_url, limiter=UnlimitedLimiter())
        self._launch("relay", "-m", "worker.cli", "relay")
        if plan.web_port:
            self._launch("web", "-m", "web")
        for name, lanes, threads in self._workers():
            self._launch(name, "-m", "worker.cli", "worker", "--lanes", lanes, "--threads", threads)
            self._await("simulator", port_open(simulator.port))
        self._await("mail-catcher", port_open(smtp_port))
        if plan.web_port:
            self._await("web", port_open(plan.web_port))

    def _workers(self) -> list[tuple[str, str, int]]:
        count = self.plan.background
        names = ["worker-background"] if count == 1 else [f"worker-background-{n}" for n in range(1, count + 1)]
        background = [(name, "background", BACKGROUND_THREADS) for name in names]
        return [*background, ("worker-email", "email,webhooks", 2), ("worker-interactive", "interactive", 2)]

    def counters(self) -> dict[str, Any]:
        """The simulator's counts of the calls it received."""
        answer = httpx.get(f"http://{LOOPBACK}:{self.simulator.port}/_sim/counters", timeout=10, trust_env=False)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def _own_settings(self, redis_url: str, smtp_port: int) -> dict[str, object]:
        """The settings that differ from the command's own, by name."""
        folder, port, simulator = self.plan.folder, self.plan.web_port, f"http://{LOOPBACK}:{self.simulator.port}"
        database_url = self.plan.database_url or f"sqlite:///{folder / 'portal-sync.db'}?synchronous=normal"
        own: dict[str, object] = {
            "database_url": database_url,
            "redis_url": redis_url,
            "redis_namespace": f"demo-{hashlib.sha256(database_url.encode()).hexdigest()[:10]}",
            "xpm_api_url": f"{simulator}{BASE_PATH}",
            "xpm_quota_time_scale": self.plan.time_scale,
            "xero_authorize_url": f"{simulator}/identity/connect/authorize",
            "xero_identity_url": simulator,
            "xero_connections_url": f"{simulator}/connections",
            "xero_client_id": self.simulator.client_id,
            "xero_client_secret": SecretStr(self.simulator.client_secret),
            "smtp_url": f"smtp://{LOOPBACK}:{smtp_port}",
            "unsigned_requests": self.plan.redis_url is None,
            "token_keys": (SecretStr(_key_kept_in(folder / KEYS)),),
            "shutdown_grace_seconds": GRACE_SECONDS,
        }
        return own | (
            {"web_host": LOOPBACK, "web_port": port, "public_url": f"http://{LOOPBACK}:{port}"} if port else {}
        )

    def _launch(self, name: str, *arguments: object) -> None:
        """Start one of our modules without waiting for it."""
        self.processes.start(
            name,
            [sys.executable, "-P", *map(str, arguments)],
            ready=lambda _process: True,
            grace=GRACE_SECONDS * 2,
            env=self._environment,
        )

    def _await(self, name: str, ready: Ready) -> None:
        until = time.monotonic() + READY_SECONDS
        process: Process = self.processes[name]
        while not ready(process):
            self.processes.check()
            if time.monotonic() > until:
                raise ProcessFailed(process, f"was not ready within {READY_SECONDS:g} seconds")
            time.sleep(0.02)

    def _stop_own_processes(self) -> None:
        """Let our own processes end in parallel. The servers they use are stopped after them."""
        for name in ["web", *(name for name, _, _ in self._workers()), "relay"]:
            with suppress(KeyError, ProcessLookupError):
                os.kill(self.processes[name].guard_pid, signal.SIGTERM)


def _as_text(value: object) -> str:
    """A setting as an environment variable holds it."""
    if isinstance(value, tuple):
        return ",".join(map(_as_text, value))
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _key_kept_in(path: Path) -> str:
    """The folder's encryption key, made at first use and readable by its owner only."""
    with suppress(FileExistsError), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(Fernet.generate_key().decode())
    return path.read_text()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder. The system releases the lock when our process ends."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FolderInUse(
                f"Another demo or served portal is already using {folder}. Stop it, or choose another folder."
            ) from None
        yield
