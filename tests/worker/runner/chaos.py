"""What the state machine's steps are made of: an upstream and a mail server that fail on demand, killed workers,
and the questions that an import must always answer."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast
from uuid import UUID

from fakeredis import FakeRedis
from sqlalchemy import select
from structlog.testing import capture_logs

from handlers.imports.settle import settle
from handlers.registry import HANDLERS
from handlers.services import Mailer, Services
from portal_db.states import OPEN_IMPORT_STATES, OPEN_JOB_STATES, ImportState, JobState, Lane
from portal_db.tables import Client, Import, ImportEvent, Job, Login, XpmLink
from portal_db.work import imports, jobs
from portal_db.work.due import is_due
from portal_db.xero import connections
from tests.handlers.one_job import apply_one, fetch_one
from tests.making import take_back
from tests.racing import at_once, failures
from tests.worker.queue.desk import Desk
from tests.worker.runner.running import changed
from tests.world import World
from worker.runner.leases import Leases
from worker.runner.runner import Runner
from xpm.client import XpmApi


class Killed(BaseException):
    """The worker is gone from here on; no handler may catch it."""


@dataclass
class Failing:
    """XPM, or a mail server, that raises what is in `next` before it does its work."""

    real: Any
    next: list[Exception] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def get(self, *args: Any, **named: Any) -> Any:
        self._fail()
        return self.real.get(*args, **named)

    def send(self, message: Any, recipient: str) -> None:
        self._fail()
        self.sent.append(f"{recipient} {message['Message-ID']}")

    def _fail(self) -> None:
        if self.next:
            raise self.next.pop(0)


class Chaos:
    """A world whose messages, workers and time do what a test says."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.xpm, self.mail = Failing(world.services.xpm), Failing(None)
        services = replace(world.services, xpm=cast(XpmApi, self.xpm), mailer=cast(Mailer, self.mail))
        self.desk = replace(Desk.at(world, "redis://nowhere.invalid", FakeRedis()), services=services)
        self.relay = self.desk.relay(limit=3)

    def runner(self, owner: str = "worker-1", **functions: Any) -> Runner:
        """A worker; `functions` exchange parts of kinds of jobs."""
        leases = Leases(self.world.database, owner, lease_seconds=10, every_seconds=3)
        kinds = changed(**functions)
        stopping = self.world.stopping
        return Runner(self.desk.services, self.desk.bell, leases, kinds, run_isolated=None, stopping=stopping)

    def due(self) -> list[Job]:
        with self.world.database.read() as tx:
            return list(tx.session.scalars(select(Job).where(is_due()).order_by(Job.created_at, Job.id)))

    def all_jobs(self) -> list[Job]:
        with self.world.database.read() as tx:
            return list(tx.session.scalars(select(Job).order_by(Job.created_at, Job.id)))

    def all_imports(self) -> list[Import]:
        with self.world.database.read() as tx:
            return list(tx.session.scalars(select(Import).order_by(Import.created_at, Import.id)))

    def messages(self) -> Iterator[UUID]:
        """Take every message off the lanes, one after the other."""
        for lane in Lane:
            yield from self.desk.rung(lane)
            self.desk.client.delete(self.desk.key(lane.value), self.desk.key(f"{lane.value}.msgs"))

    def deliver(self, *, limit: int = 1000) -> None:
        waiting = list(self.messages())
        for job_id in waiting[:limit]:
            self.runner().run(job_id)

    def crash(self, job: Job, where: str) -> None:
        """Run a job in a worker that is killed: after its claim, after its fetch, or with its effect uncommitted."""

        def die_in_fetch(services: Services, row: Job) -> Any:
            if where == "fetch":
                fetch_one(HANDLERS[job.kind], services, row)
            raise Killed

        def die_in_apply(tx: Any, row: Job, import_row: Any, fetched: Any) -> Any:
            apply_one(HANDLERS[job.kind].apply, tx, row, import_row, fetched)
            raise Killed

        functions = {"apply": die_in_apply} if where == "apply" else {"fetch": die_in_fetch}
        with suppress(Killed):
            self.runner(owner="doomed", **{job.kind: functions}).run(job.id)

    def finish_late(self, job: Job) -> None:
        """Run a job in a worker that is stopped after its fetch until others have taken its job over, and then goes on."""

        def fetch(services: Services, row: Job) -> Any:
            fetched = fetch_one(HANDLERS[job.kind], services, row)
            self.world.pass_time(11)
            take_back(self.world)
            self.runner(owner="other").run(job.id)
            return fetched

        self.runner(owner="slow", **{job.kind: {"fetch": fetch}}).run(job.id)

    def finish_late_beside_another(self, job: Job) -> None:
        """Run a job in a worker that is stopped after its fetch until another has taken its job over, and that goes on
        while the other is still at it: the late one must find its lease lost, and nothing else."""
        taken, late_one_ended = threading.Event(), threading.Event()
        came_late = []

        def wait_for_the_late_one(services: Services, row: Job) -> Any:
            taken.set()
            assert late_one_ended.wait(30)
            return fetch_one(HANDLERS[job.kind], services, row)

        def take_over() -> None:
            self.runner(owner="other", **{job.kind: {"fetch": wait_for_the_late_one}}).run(job.id)
            taken.set()  # also when it was not there to claim

        other = threading.Thread(target=take_over, daemon=True)

        def fetch(services: Services, row: Job) -> Any:
            fetched = fetch_one(HANDLERS[job.kind], services, row)
            self.world.pass_time(11)
            take_back(self.world)
            other.start()
            assert taken.wait(30)
            came_late.append(row.id)
            return fetched

        with capture_logs() as logs:
            self.runner(owner="slow", **{job.kind: {"fetch": fetch}}).run(job.id)
        late_one_ended.set()
        if came_late:
            other.join(30)
            assert not other.is_alive(), "the other worker did not end"
            events = [line["event"] for line in logs]
            assert "job.lease_lost" in events, f"a worker that came late was told {events}"
            assert "job.failed" not in events, f"a worker that came late was told {events}"

    def run_at_once(self, *job_ids: UUID) -> None:
        runs = [lambda job_id=job_id: self.runner(owner=str(job_id)).run(job_id) for job_id in job_ids]
        assert failures(at_once(*runs)) == []

    def cancel(self, import_id: UUID) -> None:
        """As operations do it: a job that may be sending an email is left alone."""
        with self.world.database.write() as tx:
            row = imports.lock(tx, import_id)
            if row.state in OPEN_IMPORT_STATES:
                jobs.cancel_open(tx, import_id, except_kinds=["send_welcome_email"])
                settle(tx, row)

    def requeue(self, job: Job) -> None:
        """Bring a dead letter back, as operations do it."""
        assert job.import_id is not None
        with self.world.database.write() as tx:
            row = imports.lock(tx, job.import_id)
            epoch = imports.reopen(tx, row) if row.state not in OPEN_IMPORT_STATES else row.epoch
            assert jobs.requeue(tx, job.id, epoch)
            settle(tx, imports.lock(tx, job.import_id))

    def reconnect(self) -> None:
        """As the staff member does it, once Xero has said yes."""
        with self.world.database.write() as tx:
            live = connections.live_connection_of(tx, self.world.staff_id)
            assert live is not None
            connections.reconnect(tx, live.id, xero_login_id=live.xero_login_id, tenant_name=None)
            connections.resume_waiting_jobs(tx, self.world.staff_id)

    def dead(self) -> list[Job]:
        """The dead letters of imports."""
        return [job for job in self.all_jobs() if job.state is JobState.DEAD and job.import_id is not None]

    def drain(self) -> None:
        """Everything works again, and time goes by."""
        self.xpm.next.clear()
        self.mail.next.clear()
        self.reconnect()
        for _ in range(100):
            self.relay.tick()
            self.deliver()
            if not any(job.state in OPEN_JOB_STATES for job in self.all_jobs()):
                return
            self.world.pass_time(400)
        raise AssertionError("still not done after eleven hours")

    def check(self) -> None:
        """What holds at every moment."""
        with self.world.database.read() as tx:
            rows = {row.id: row for row in tx.session.scalars(select(Import))}
            events = Counter((event.import_id, event.epoch) for event in tx.session.scalars(select(ImportEvent)))
            open_jobs = set(tx.session.scalars(select(Job.import_id).where(Job.state.in_(OPEN_JOB_STATES))))
            for table, column in ((Client, Client.import_id), (Login, Login.email_key), (XpmLink, XpmLink.xpm_uuid)):
                found = Counter(tx.session.scalars(select(column)))
                assert max(found.values(), default=1) == 1, f"{table.__tablename__} has a twin"
        assert max(events.values(), default=1) == 1, "an epoch was closed twice"
        for row in rows.values():
            if row.state.is_open:
                assert row.id in open_jobs, "an open import that nothing will ever close"
                assert (row.id, row.epoch) not in events, "an import that is open and closed"
            else:
                assert (row.id, row.epoch) in events, "a close without an event"
        assert max(Counter(self.mail.sent).values(), default=1) == 1, "an email was sent twice"

    def check_drained(self) -> None:
        """What holds once nothing is left to do: each import was closed once per epoch, and says why."""
        self.check()
        with self.world.database.read() as tx:
            events = {(event.import_id, event.epoch): event.state for event in tx.session.scalars(select(ImportEvent))}
            clients = set(tx.session.scalars(select(Client.import_id)))
        for row in self.all_imports():
            assert not row.state.is_open
            assert row.closed_at is not None
            assert events[row.id, row.epoch] is row.state
            assert all((row.id, epoch) in events for epoch in range(1, row.epoch + 1))
            assert (row.outcome_code is None) is (row.state is ImportState.SUCCEEDED)
            assert bool(row.outcome_message) is (row.outcome_code is not None)
            made = row.state in (ImportState.SUCCEEDED, ImportState.PARTLY_SUCCEEDED)
            assert made is (row.id in clients), f"{row.state} and a client made: {row.id in clients}"
        assert not [job for job in self.all_jobs() if job.state is JobState.RUNNING]
