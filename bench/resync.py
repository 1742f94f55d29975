"""The time, XPM calls and memory that the re-sync of a whole practice takes, and the cost of a few changes.

XPM is a loopback server that streams the clients, and PostgreSQL a server for this run only. The measured process is a
worker with nothing else to do: `peak_rss_mb_above_idle` is its peak memory minus its memory before the first sync.
`python -m bench.resync DATABASE_URL PORT CLIENTS` is that process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.fernet import Fernet
from sqlalchemy import Engine, event, func, insert, select

from bench.listing import uuid_of
from bench.parse import MEGABYTE, peak, resident
from config.settings import Settings
from handlers.directory.sync import begin_sync
from handlers.email.smtp import SmtpMailer
from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db import migrate
from portal_db.database import Database
from portal_db.directory import directories
from portal_db.states import ClientKind, EntityType, JobState, SyncMode
from portal_db.tables import Client, ClientChange, DirectorySync, Job, Relationship, RelationshipSync, XpmLink
from portal_db.types import db_now
from portal_db.xero import connections
from tests.servers.postgres import fresh_database, postgres_server
from tests.world import TENANT, RememberingBell, connect_practice
from worker.local.processes import Supervised, free_port, port_open
from worker.runner.leases import Leases
from worker.runner.runner import Runner
from xpm.client import XpmApi
from xpm.limiter import UnlimitedLimiter

CHANGES = 50


def measure(*, clients: int, relationships: int) -> dict[str, Any]:
    """Sync a practice whose clients are all in the portal, then a few changes."""
    with (
        tempfile.TemporaryDirectory(prefix="portal-sync-bench-") as folder,
        Supervised(Path(folder)) as processes,
        postgres_server() as server,
        fresh_database(server) as database_url,
    ):
        port = free_port()
        serve = [sys.executable, "-m", "bench.listing", *map(str, (port, clients, relationships, CHANGES))]
        processes.start("xpm", serve, ready=port_open(port))
        command = [sys.executable, "-m", "bench.resync", database_url, str(port), str(clients)]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return {"clients": clients, "relationships": relationships, **json.loads(run.stdout.splitlines()[-1])}


@dataclass
class Counted:
    """Counts of database statements, and of the rows that they inserted, changed or deleted."""

    statements: int = 0
    rows: int = 0


@contextmanager
def counting(engine: Engine) -> Iterator[Counted]:
    """Count while the block runs."""
    found = Counted()

    def after(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        found.statements += 1
        if not statement.lstrip().upper().startswith(("SELECT", "WITH")):
            found.rows += max(cursor.rowcount, 0)

    event.listen(engine, "after_cursor_execute", after)
    try:
        yield found
    finally:
        event.remove(engine, "after_cursor_execute", after)


class Worker:
    """A practice with all clients of the list, linked and imported once, and a worker that runs its syncs."""

    def __init__(self, database_url: str, port: int, clients: int) -> None:
        url = f"http://127.0.0.1:{port}"
        settings = Settings(
            database_url=database_url,
            xpm_api_url=url,
            token_keys=Fernet.generate_key().decode(),
            smtp_url="smtp://127.0.0.1:1",
        )
        self.database = Database(database_url)
        migrate.upgrade(self.database)
        self.practice_id, staff_id, connection_id = connect_practice(self.database, settings, "token")
        self._add_clients(clients, staff_id, connection_id)
        with self.database.write() as tx:
            connection = connections.get_one(tx, connection_id)
            self.directory = directories.ensure(tx, connection.xero_login_id, connection.tenant_id)
        xpm = XpmApi(url, limiter=UnlimitedLimiter())
        services = Services(self.database, xpm, SmtpMailer(settings.smtp_url), settings, self.database.sources)
        leases = Leases(self.database, "bench", lease_seconds=10, every_seconds=3)
        leases.start()
        self._runner = Runner(
            services, RememberingBell(), leases, HANDLERS, run_isolated=None, stopping=threading.Event()
        )

    def _add_clients(self, count: int, staff_id: UUID, connection_id: UUID) -> None:
        fixed = {"practice_id": self.practice_id, "kind": ClientKind.ENTITY, "entity_type": EntityType.COMPANY}
        rows = [{"id": uuid_of(number), "name": f"Company {number} Pty Ltd"} for number in range(count)]
        link = {"practice_id": self.practice_id, "connection_id": connection_id, "tenant_id": TENANT}
        link |= {"linked_by": staff_id, "synced_hash": ""}
        links = [{**link, "id": row["id"], "client_id": row["id"], "xpm_uuid": row["id"]} for row in rows]
        with self.database.write() as tx:
            made = {"created_by": staff_id, "is_new": True, "created_at": db_now()}
            tx.session.execute(insert(Client).values(**fixed, **made), rows)
            tx.session.execute(insert(XpmLink).values(linked_at=db_now()), links)

    def sync(self, mode: SyncMode) -> tuple[float, Counted]:
        """Sync the directory, then the relationships, in this thread."""
        with self.database.write() as tx:
            job = begin_sync(tx, self.directory.id, mode, asked_by="bench")
        assert job is not None, "no other sync is under way"
        began = time.monotonic()
        with counting(self.database.engine) as counted:
            self._runner.run(job.id)
        seconds = time.monotonic() - began
        self._require_done()
        return seconds, counted

    def _require_done(self) -> None:
        with self.database.read() as tx:
            left = select(Job.kind, Job.state, Job.attempts, Job.error_code).where(Job.state != JobState.SUCCEEDED)
            if unfinished := tx.session.execute(left).all():
                raise RuntimeError(f"not everything was done: {unfinished}")

    def summary(self) -> RelationshipSync:
        """The summary of the last sync."""
        with self.database.read() as tx:
            statement = select(RelationshipSync).join(DirectorySync, DirectorySync.id == RelationshipSync.sync_id)
            return tx.session.scalars(statement.order_by(DirectorySync.started_at.desc()).limit(1)).one()

    def count(self, table: Any) -> int:
        with self.database.read() as tx:
            return tx.session.scalar(select(func.count()).select_from(table)) or 0


def work(database_url: str, port: int, clients: int) -> dict[str, Any]:
    """Sync in this process."""
    worker = Worker(database_url, port, clients)
    idle, calls = resident(), _calls(port)
    seconds, counted = worker.sync(SyncMode.FULL)
    above = (peak() - idle) / MEGABYTE
    full_calls = _calls(port) - calls
    items, before = worker.count(Relationship), worker.count(ClientChange)
    again, few = worker.sync(SyncMode.INCREMENTAL)
    summary = worker.summary()
    return {
        "items": items,
        "xpm_calls": full_calls,
        "seconds": round(seconds, 1),
        "statements": counted.statements,
        "peak_rss_mb_above_idle": round(max(0.0, above), 1),
        "incremental": {
            "changed": summary.changed,
            "clients": summary.clients,
            "history": worker.count(ClientChange) - before,
            "rows_touched": few.rows,
            "statements": few.statements,
            "seconds": round(again, 2),
            "xpm_calls": _calls(port) - calls - full_calls,
        },
    }


def _calls(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/calls", timeout=30) as answer:
        return int(answer.read())


if __name__ == "__main__":
    print(json.dumps(work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
