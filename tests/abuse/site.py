"""What is attacked: the web process, a relay and workers as real processes, on PostgreSQL and Redis, with two firms.

The web process is given an XPM of the attacker's: every answer of it is a bomb. The workers have the simulator.
"""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import httpx
from cryptography.fernet import Fernet

from config.settings import Settings
from handlers.access import api_keys
from handlers.access.caller import Scope
from handlers.access.practices import add_staff
from portal_db import migrate
from portal_db.database import Database
from portal_db.states import Role
from tests.servers.postgres import fresh_database, own_postgres_server
from tests.servers.receiver import Receiver, receiving
from tests.servers.redis import redis_server
from tests.world import connect_practice, is_importable_person
from worker.local.mail_catcher import MailCatcher, catching
from worker.local.processes import LOOPBACK, Supervised, free_port, log_line, port_open
from xpm.simulator.serve import SimulatorConfig, running

API = "/api/v1"
ROOT = Path(__file__).parents[2]
#: Calls stay on loopback: the authorities that httpx trusts would be read for each client.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
#: Clients of the firm that is not attacked. Each gets one welcome email.
NEIGHBOURS = 6


@dataclass(frozen=True)
class Firm:
    """A firm: its partner, who is connected to XPM, and its owner; each as a program that acts for them."""

    practice_id: UUID
    partner: Mapping[str, str]
    owner: Mapping[str, str]


@dataclass
class Site:
    """The portal under attack."""

    url: str
    redis_url: str
    attacker: Firm
    neighbour: Firm
    mail: MailCatcher
    processes: Supervised
    waiting: list[str]
    streams_opened: int | None = None
    #: The neighbour's receiver of webhooks, and the path of its webhook.
    receiver: Receiver = field(default_factory=Receiver)
    webhook: str = ""

    def client(self, headers: Mapping[str, str] | None = None, *, seconds: float = 60) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers=dict(headers or {}), timeout=seconds, trust_env=False, verify=_NO_TLS
        )

    def email_seconds(self) -> float:
        """How long it takes from the neighbour's request until their client has the welcome email."""
        client_id, before = self.waiting.pop(), len(self.mail.deliveries())
        with self.client(self.neighbour.partner) as program:
            began = time.monotonic()
            key = {"Idempotency-Key": uuid4().hex}
            program.post(f"{API}/clients/{client_id}/welcome-email", headers=key).raise_for_status()
            _until(lambda: len(self.mail.deliveries()) > before, "the neighbour's email")
        return time.monotonic() - began

    def webhook_seconds(self) -> float:
        """How long it takes from the neighbour's request until a webhook of theirs has its message."""
        before = len(self.receiver.came)
        with self.client(self.neighbour.owner) as program:
            began = time.monotonic()
            program.post(f"{self.webhook}/test").raise_for_status()
            _until(lambda: len(self.receiver.came) > before, "the neighbour's webhook")
        return time.monotonic() - began

    @property
    def web_megabytes(self) -> float:
        """The most memory that the web process held since it started."""
        status = Path(f"/proc/{self.processes['web'].pid}/status").read_text()
        kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(kilobytes) / 1024


@contextmanager
def started(bombs_url: str) -> Iterator[Site]:
    """Start everything, and import the neighbour's clients. Raises Missing.

    Args:
        bombs_url: the XPM that the web process is given.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portal-sync-abuse-")))
        postgres = stack.enter_context(own_postgres_server())
        database_url = stack.enter_context(fresh_database(postgres))
        redis = stack.enter_context(redis_server(folder / "redis"))
        xpm = stack.enter_context(running(SimulatorConfig(clients=100, port=0, enforce_quota=False)))
        mail = stack.enter_context(catching(folder / "mail"))
        port = free_port()
        url = f"http://{LOOPBACK}:{port}"
        environment = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis.url,
            "XPM_API_URL": xpm.api_url,
            "SMTP_URL": mail.url,
            "PUBLIC_URL": url,
            "WEB_PORT": str(port),
            "TOKEN_KEYS": Fernet.generate_key().decode(),
        }
        settings = Settings.model_validate({name.lower(): value for name, value in environment.items()})
        database = Database(database_url)
        stack.callback(database.close)
        migrate.upgrade(database)
        attacker, neighbour = (
            _firm(database, settings, name, xpm.config.access_token) for name in ("Storm", "Harbour")
        )
        loaded = ("worker.cli.processes", "web.process")
        processes = stack.enter_context(Supervised(folder / "logs", loaded=loaded))
        usual = {**os.environ, **environment}
        for lane in ("interactive", "email", "webhooks"):
            command = [sys.executable, "-m", "worker.cli", "worker", "--lanes", lane, "--threads", "4"]
            processes.start(f"worker-{lane}", command, ready=log_line("worker.ready"), env=usual, cwd=ROOT)
        command = [sys.executable, "-m", "worker.cli", "relay"]
        processes.start("relay", command, ready=log_line("relay.ready"), env=usual, cwd=ROOT)
        of_web = {**usual, "XPM_API_URL": bombs_url}
        processes.start("web", [sys.executable, "-m", "web"], ready=port_open(port), env=of_web, cwd=ROOT)
        receiver = stack.enter_context(receiving())
        site = Site(url, redis.url, attacker, neighbour, mail, processes, [], receiver=receiver)
        with site.client(neighbour.owner) as program:
            added = program.post(f"{API}/webhooks", json={"url": receiver.url, "events": ["batch.closed"]})
        site.webhook = f"{API}/webhooks/{added.raise_for_status().json()['id']}"
        records = xpm.simulator.practices[xpm.config.tenant_id].clients.values()
        people = [str(each.uuid) for each in records if is_importable_person(each)]
        site.waiting += _imported(site, people[:NEIGHBOURS])
        yield site


def _firm(database: Database, settings: Settings, name: str, token: str) -> Firm:
    practice_id, partner_id, _ = connect_practice(database, settings, token, name=name)
    owner_id = add_staff(database, practice_id, "An owner", f"owner@{name.lower()}.example", Role.OWNER)
    key = api_keys.add(database, practice_id, "abuse", set(Scope)).secret
    bearer = {"Authorization": f"Bearer {key}"}
    return Firm(practice_id, bearer | {"X-Staff-Id": str(partner_id)}, bearer | {"X-Staff-Id": str(owner_id)})


def _imported(site: Site, records: list[str]) -> list[str]:
    """Import people for the neighbour, without a welcome email. Returns the ids of their clients."""
    wanted = {"kind": "individual", "client_type": "Personal", "subscription": "Starter", "send_welcome_email": False}
    with site.client(site.neighbour.partner) as program:
        for record in records:
            key = {"Idempotency-Key": record}
            program.post(f"{API}/imports", json={"xpm_uuid": record, **wanted}, headers=key).raise_for_status()

        def clients() -> list[str]:
            return [each["id"] for each in program.get(f"{API}/clients", params={"limit": 50}).json()["items"]]

        _until(lambda: len(clients()) == len(records), "the neighbour's clients")
        return clients()


def _until(holds: Callable[[], bool], what: str, *, within: float = 300) -> None:
    until = time.monotonic() + within
    while not holds():
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not within {within:g} seconds")
        threading.Event().wait(0.02)
