"""Where the sides are measured: each run begins with the same database, an empty Redis, and processes of its own.

The practices and their directories are made once and copied for each run, so that no run finds another's rows. The mail
catcher, the simulator and the size of workers (one process of eight threads) are the same for all.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import redis
from sqlalchemy import make_url

from bench.deployment import THREADS, Deployment, deployed
from bench.rivals.steps import STARTED
from handlers.directory.classification import suggested_kind
from portal_db.database import Database
from portal_db.states import ClientKind
from tests.servers.postgres import connection_to, fresh_database
from tests.world import begin_directory_sync, connect_practice
from worker.local.mail_catcher import Mailbox
from worker.local.processes import Supervised, free_port, log_line, port_open
from xpm.client import XpmApi
from xpm.limiter import UnlimitedLimiter

#: Fields of a request that differ from import to import.
Wish = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """A queue to measure: its module in `bench.rivals`, the command of a worker (its name is added), and the line of its log
    that says it is ready. Ours has no command: the deployment starts it."""

    name: str
    module: str
    command: Callable[[str], list[str]] | None = None
    ready: str = ""


def _celery(name: str) -> list[str]:
    shape = ["--pool", "threads", "--concurrency", str(THREADS), "--loglevel", "INFO"]
    return ["celery", "-A", "bench.rivals.with_celery", "worker", "-Q", "interactive,batch", "-n", f"{name}@%h", *shape]


def _dramatiq(_name: str) -> list[str]:
    return ["dramatiq", "bench.rivals.stock_dramatiq", "--processes", "1", "--threads", str(THREADS)]


def _procrastinate(name: str) -> list[str]:
    worker = ["worker", "--concurrency", str(THREADS), "--name", name]
    return ["procrastinate", "--log-level", "info", "--app", "bench.rivals.with_procrastinate.app", *worker]


SIDES = {
    side.name: side
    for side in (
        Side("ours", "ours"),
        Side("dramatiq", "stock_dramatiq", _dramatiq, ready="ready for action"),
        Side("celery", "with_celery", _celery, ready=" ready."),
        Side("procrastinate", "with_procrastinate", _procrastinate, ready="Starting worker"),
    )
}


@dataclass(frozen=True)
class Stage:
    """Two practices with the same directory, the people to import one by one, and the records to import in batches."""

    deployment: Deployment
    practices: tuple[tuple[UUID, UUID], tuple[UUID, UUID]]
    people: Sequence[Wish]
    records: Sequence[Wish]

    @contextmanager
    def run(self, side: Side, *, workers: int) -> Iterator[Run]:
        """Start a side's processes on a copy of the database."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portal-sync-bench-")))
            server, settings = self.deployment.server, self.deployment.settings
            with redis.Redis.from_url(settings.redis_url) as client:
                client.flushall()
            template = make_url(settings.database_url).database
            assert template is not None
            url = stack.enter_context(fresh_database(server, template))
            mail, port = folder / "mail", free_port()
            settings = settings.model_copy(update={"database_url": url, "smtp_url": f"smtp://127.0.0.1:{port}"})
            processes = stack.enter_context(Supervised(folder / "logs"))
            catcher = ["-m", "worker.local.mail_catcher", "--port", str(port), "--dir", str(mail)]
            processes.start("mail", [sys.executable, *catcher], ready=port_open(port))
            database = Database(url)
            stack.callback(database.close)
            mine = dataclasses.replace(
                self.deployment, settings=settings, database=database, processes=processes, mail=mail
            )
            watcher = stack.enter_context(connection_to(server, make_url(url).database))
            run = Run(side, self, mine, watcher, stack.enter_context(_requester(side, mine.environment())))
            run.prepare()
            for number in range(workers):
                run.start_worker(f"worker-{number + 1}")
            yield run


@contextmanager
def staged(*, people: int, records: int) -> Iterator[Stage]:
    """Make the practices, with at least as many people and records in the directory of each."""
    with deployed(clients=2 * people + records + 50) as deployment:
        other = connect_practice(deployment.database, deployment.settings, deployment.access.access_token, name="Other")
        deployment.start_worker("worker")
        deployment.start_relay()
        for connection_id in (deployment.connection_id, other[2]):
            is_synced = begin_directory_sync(deployment.database, connection_id)
            while not is_synced():
                deployment.processes.check()
                time.sleep(0.1)
        deployment.processes.stop("relay")
        deployment.processes.stop("worker")
        deployment.database.close()  # a database that somebody uses cannot be copied
        alone, together = _wishes(deployment, people)
        practices = ((deployment.practice_id, deployment.staff_id), (other[0], other[1]))
        yield Stage(deployment, practices, alone, together[:records])


def _wishes(deployment: Deployment, people: int) -> tuple[list[Wish], list[Wish]]:
    """People who can be imported one by one, and all other records."""
    xpm = XpmApi(deployment.settings.xpm_api_url, limiter=UnlimitedLimiter())
    alone: list[Wish] = []
    together: list[Wish] = []
    with closing(xpm), xpm.list(deployment.access, lane="import", deadline_seconds=120) as listing:
        every = list(listing)
    addresses = [(record.email or "").casefold() for record in every]
    for record, address in zip(every, addresses, strict=True):
        kind = suggested_kind(record)
        wish = {"xpm_uuid": str(record.uuid), "kind": kind, "send_welcome_email": kind is ClientKind.INDIVIDUAL}
        is_active = not (record.is_archived or record.is_deleted)
        is_usable = is_active and record.business_structure == "Individual" and addresses.count(address) == 1
        (alone if is_usable and "@" in address and len(alone) < people else together).append(wish)
    return alone, together


@contextmanager
def _requester(side: Side, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The process that requests imports."""
    command = [sys.executable, "-m", "bench.rivals.requester", side.module]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@dataclass(frozen=True)
class Run:
    """One side at work."""

    side: Side
    stage: Stage
    deployment: Deployment
    watcher: psycopg.Connection[Any]
    requester: subprocess.Popen[str]

    def prepare(self) -> None:
        """Start what a side needs once: the relay, or its tables."""
        if self.side.name == "ours":
            self.deployment.start_relay()
        if self.side.name == "procrastinate":
            command = ["-m", "procrastinate", "--app", "bench.rivals.with_procrastinate.app", "schema", "--apply"]
            environment = {**os.environ, **self.deployment.environment()}
            subprocess.run([sys.executable, *command], env=environment, check=True, capture_output=True)
        assert self._answer() == "ready"

    def start_worker(self, name: str) -> None:
        """Start a worker process; one that was killed starts again under its name."""
        if self.side.command is None:
            self.deployment.start_worker(name)
            return
        command = [sys.executable, "-m", *self.side.command(name)]
        environment = self.deployment.environment()
        self.deployment.processes.start(name, command, ready=log_line(self.side.ready), env=environment, grace=2)

    def kill_worker(self, name: str) -> None:
        """Kill a worker with all its processes, as when a machine loses its power."""
        process = self.deployment.processes[name]
        os.killpg(process.pid, signal.SIGKILL)
        process.ended_within(10)
        self.deployment.processes.stop(name)

    def request(self, wishes: Sequence[Wish], practice: int = 0) -> tuple[list[UUID], float]:
        """Request imports, a single one as interactive. Returns their ids and when the request began."""
        practice_id, staff_id = self.stage.practices[practice]
        same = {"practice_id": str(practice_id), "requested_by": str(staff_id)}
        assert self.requester.stdin is not None
        print(json.dumps([{**same, **wish, "request_id": uuid4().hex} for wish in wishes]), file=self.requester.stdin)
        self.requester.stdin.flush()
        answer = json.loads(self._answer())
        return [UUID(each) for each in answer["ids"]], answer["began"]

    def _answer(self) -> str:
        assert self.requester.stdout is not None
        return self.requester.stdout.readline().strip()

    def open_imports(self, ids: Sequence[UUID]) -> int:
        """How many of these imports are not closed."""
        found = self.watcher.execute(
            "SELECT count(*) FROM imports WHERE id = ANY(%s) AND closed_at IS NULL", (list(ids),)
        ).fetchone()
        assert found is not None
        return int(found[0])

    def wait(self, ids: Sequence[UUID], until: float, *, left: int = 0, every: float = 0.05) -> bool:
        """Wait until at most `left` of the imports are open. False if `until` (by `time.time`) passed first."""
        while self.open_imports(ids) > left:
            self.deployment.processes.check()
            if time.time() > until:
                return False
            time.sleep(every)
        return True

    def started_at(self, import_id: UUID, until: float) -> float:
        """When the first step of an import started; `until` if it has not by then (both by `time.time`)."""
        with redis.Redis.from_url(self.deployment.settings.redis_url) as client:
            while time.time() < until:
                found = self._started_at(client, import_id)
                if found is not None:
                    return found
                time.sleep(0.01)
        return until

    def _started_at(self, client: redis.Redis, import_id: UUID) -> float | None:
        if self.side.name != "ours":
            noted = client.hget(STARTED, str(import_id))
            return float(str(noted, "ascii")) if isinstance(noted, bytes) else None
        statement = "SELECT extract(epoch FROM min(started_at)) FROM jobs WHERE import_id = %s"
        found = self.watcher.execute(statement, (import_id,)).fetchone()
        return float(found[0]) if found is not None and found[0] is not None else None

    def rows(self) -> dict[str, int]:
        """Rows of each table of the portal that has any."""
        tables = [name for (name,) in self.watcher.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'procrastinate%'"
        )]  # fmt: skip
        counts = {}
        for name in tables:
            found = self.watcher.execute(f"SELECT count(*) FROM {name}").fetchone()  # noqa: S608
            assert found is not None
            counts[name] = int(found[0])
        return {name: count for name, count in sorted(counts.items()) if count}

    def emails(self) -> list[str]:
        """The Message-ID of each email delivered so far; an email that was sent twice is in it twice."""
        return [delivery.message_id for delivery in Mailbox(self.deployment.mail).deliveries()]

    def unknown_emails(self) -> int:
        """Emails of which nobody can know whether they were sent, marked so."""
        found = self.watcher.execute("SELECT count(*) FROM welcome_emails WHERE state = 'unknown'").fetchone()
        assert found is not None
        return int(found[0])
