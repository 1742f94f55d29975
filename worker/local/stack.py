"""The embedded shape as separate processes: Valkey, simulator, mail catcher, workers, relay and, if it is to be looked at,
the web process; on loopback ports.

Each stands behind a guard, so none outlives us, and writes to its own log. What must last is in one folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from cryptography.fernet import Fernet
from pydantic import SecretStr

from config.settings import Settings
from portal_db.database import Database
from portal_db.migrate import upgrade
from worker.local import valkey
from worker.local.mail_catcher import Mailbox
from worker.local.processes import LOOPBACK, Process, ProcessFailed, Ready, Supervised, free_port, port_open
from xpm.client import XpmApi
from xpm.limiter import UnlimitedLimiter
from xpm.simulator.serve import SimulatorConfig
from xpm.simulator.tenants import BASE_PATH

READY_SECONDS = 60.0
#: Threads of a background worker: below XPM's five calls at once.
BACKGROUND_THREADS = 4
GRACE_SECONDS = 5.0


class FolderInUse(Exception):
    """Another one runs on this folder."""


@dataclass(frozen=True)
class Plan:
    """What to start. Addresses that are given are used; for the others a server of our own is started.

    background: how many worker processes work on imports. enforce_quota: whether the simulator refuses calls beyond XPM's
    limits. time_scale: how much faster its quota passes. tenant_names: of its practices, if they are to have names or to be
    several. web_port: where the portal's pages and API are served, if they are; the simulator then asks people for consent.
    """

    folder: Path
    clients: int
    seed: int
    database_url: str | None = None
    redis_url: str | None = None
    background: int = 1
    enforce_quota: bool = True
    time_scale: float = 1.0
    tenant_names: tuple[str, ...] = ()
    web_port: int | None = None


class EmbeddedShape:
    """The running processes, and what talks to them. A context manager: leaving it stops every one of them.

    Raises (on entering):
        FolderInUse: another one runs on the folder.
        ProcessFailed: one of the processes did not come up.
        SettingsError, SQLAlchemyError: a setting or the database that was given does not fit.
    """

    settings: Settings
    database: Database
    xpm: XpmApi

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.mailbox = Mailbox(plan.folder / "mail")
        self.simulator = SimulatorConfig(clients=plan.clients, seed=plan.seed, port=free_port())
        self.processes = Supervised(plan.folder / "logs")
        self._stack = ExitStack()

    @property
    def logs(self) -> Path:
        return self.plan.folder / "logs"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(_held(self.plan.folder))
            stack.enter_context(self.processes)
            stack.callback(self._ask_all_to_stop)
            self._start()
            stack.callback(self.database.close)
            stack.callback(self.xpm.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self) -> None:
        """Start what starts slowly first, and wait only for what the next step needs."""
        smtp_port = free_port()
        redis_url = self.plan.redis_url or valkey.start(self.processes, self.plan.folder / "valkey")
        self.settings = self._settings(redis_url, smtp_port)
        plan, simulator = self.plan, self.simulator
        self._launch("simulator", "-m", "worker.cli", "simulator", "--port", simulator.port, "--clients", plan.clients,
                     "--seed", plan.seed, "--time-scale", plan.time_scale,
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
        return [*background, ("worker-email", "email", 2), ("worker-interactive", "interactive", 2)]

    def counters(self) -> dict[str, Any]:
        """What the simulator says it was asked."""
        answer = httpx.get(f"http://{LOOPBACK}:{self.simulator.port}/_sim/counters", timeout=10, trust_env=False)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def _settings(self, redis_url: str, smtp_port: int) -> Settings:
        folder, simulator = self.plan.folder, f"http://{LOOPBACK}:{self.simulator.port}"
        database_url = self.plan.database_url or f"sqlite:///{folder / 'portal-sync.db'}?synchronous=normal"
        return Settings.load().model_copy(
            update={
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
                "token_keys": (SecretStr(_key_kept_in(folder / "token-keys")),),
                "shutdown_grace_seconds": GRACE_SECONDS,
                **self._served_at(),
            }
        )

    def _served_at(self) -> dict[str, object]:
        port = self.plan.web_port
        return {"web_host": LOOPBACK, "web_port": port, "public_url": f"http://{LOOPBACK}:{port}"} if port else {}

    def _environment(self) -> Mapping[str, str]:
        """The settings as our processes read them."""
        settings = self.settings
        return {
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "REDIS_NAMESPACE": settings.redis_namespace,
            "XPM_API_URL": settings.xpm_api_url,
            "XPM_QUOTA_TIME_SCALE": str(settings.xpm_quota_time_scale),
            "XERO_AUTHORIZE_URL": settings.xero_authorize_url,
            "XERO_IDENTITY_URL": settings.xero_identity_url,
            "XERO_CONNECTIONS_URL": settings.xero_connections_url,
            "XERO_CLIENT_ID": settings.xero_client_id,
            "XERO_CLIENT_SECRET": settings.xero_client_secret.get_secret_value(),
            "SMTP_URL": settings.smtp_url,
            "TOKEN_KEYS": settings.token_keys[0].get_secret_value(),
            "SHUTDOWN_GRACE_SECONDS": str(settings.shutdown_grace_seconds),
            "WEB_HOST": settings.web_host,
            "WEB_PORT": str(settings.web_port),
            "PUBLIC_URL": settings.public_url,
        }

    def _launch(self, name: str, *arguments: object) -> None:
        """Start one of our own modules, and do not wait for it."""
        self.processes.start(
            name,
            [sys.executable, "-P", *map(str, arguments)],
            ready=lambda _process: True,
            grace=GRACE_SECONDS * 2,
            env=self._environment(),
        )

    def _await(self, name: str, ready: Ready) -> None:
        until = time.monotonic() + READY_SECONDS
        process: Process = self.processes[name]
        while not ready(process):
            self.processes.check()
            if time.monotonic() > until:
                raise ProcessFailed(process, f"was not ready within {READY_SECONDS:g} seconds")
            time.sleep(0.02)

    def _ask_all_to_stop(self) -> None:
        """Let our own processes end side by side; the servers they talk to are stopped after them."""
        for name in ["web", *(name for name, _, _ in self._workers()), "relay"]:
            with suppress(KeyError, ProcessLookupError):
                os.kill(self.processes[name].guard_pid, signal.SIGTERM)


def _key_kept_in(path: Path) -> str:
    """The folder's own encryption key, made at its first use; for nobody else to read."""
    with suppress(FileExistsError), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(Fernet.generate_key().decode())
    return path.read_text()


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """A folder for one at a time; the system frees it with our process."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FolderInUse(f"A demo or a served portal is running on {folder} already.") from None
        yield
