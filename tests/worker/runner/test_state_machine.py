"""Any order of asking, running, killing, doubling, losing, cancelling and mending: every import is closed once an epoch and
says why, nothing is made twice, and nothing is lost (invariants 1, 2, 3 and 5)."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from handlers.errors import OutcomeUnknown, Rejected, Transient
from portal_db import migrate
from portal_db.database import Database
from portal_db.states import OPEN_IMPORT_STATES
from portal_db.tables import Job
from tests.making import importable, take_back
from tests.servers.fixtures import SEED
from tests.worker.runner.chaos import Chaos
from tests.world import building
from worker.local.mail_catcher import MailCatcher
from xpm.errors import QuotaDeferred, XpmForbidden, XpmNotFound, XpmServerError, XpmTimeout
from xpm.simulator.practice.model import Client
from xpm.simulator.serve import SimulatorHandle

UPSTREAM_ERRORS = (
    XpmServerError(503),
    XpmTimeout(),
    QuotaDeferred("minute", 20),
    XpmForbidden("disconnected"),
    XpmNotFound(404),
    RuntimeError("a bug"),
)
MAIL_ERRORS = (
    Transient("smtp_refused_for_now", "Later."),
    Rejected("email_refused", "No."),
    OutcomeUnknown("email_outcome_unknown", "Silence."),
    RuntimeError("a bug"),
)
#: Several of these share an address, so that imports compete for it; `None` takes XPM's.
ADDRESSES = st.sampled_from([None, None, "shared@example.com", "Shared@Example.com"])
PEOPLE = st.integers(0, 4)
ANY = st.integers(0, 1000)


class Portal(RuleBasedStateMachine):
    """One practice, a few people in XPM, and everything that can go wrong between."""

    simulator: ClassVar[SimulatorHandle]
    mail: ClassVar[MailCatcher]
    people: ClassVar[list[Client]]
    #: A database with tables and nothing in them: migrating a new one each time would be most of the work.
    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="portal-chaos-"))
        shutil.copy(self.template, self.folder / "portal.db")
        url = f"sqlite:///{self.folder / 'portal.db'}?synchronous=normal"
        token = self.simulator.config.access_token
        self.chaos = Chaos(self.stack.enter_context(building(url, self.simulator.api_url, token, self.mail)))

    def pick(self, jobs: list[Job], number: int) -> Job:
        return jobs[number % len(jobs)]

    @initialize(first=PEOPLE, second=PEOPLE)
    def some_are_asked_for(self, first: int, second: int) -> None:
        self.ask(first, None, letter=True)
        self.ask(second, "shared@example.com", letter=False)

    @rule(person=PEOPLE, email=ADDRESSES, letter=st.booleans())
    def ask(self, person: int, email: str | None, letter: bool) -> None:
        self.chaos.desk.ask(self.people[person].uuid, email=email, send_welcome_email=letter)

    @rule(people=st.lists(st.tuples(PEOPLE, ADDRESSES), min_size=2, max_size=3), key=ANY)
    def ask_batch(self, people: list[tuple[int, str | None]], key: int) -> None:
        world = self.chaos.world
        rows = [world.request(self.people[person].uuid, email=email) for person, email in people]
        if world.scalar("SELECT count(*) FROM batches WHERE idempotency_key = :key", key=str(key)) == 0:
            world.ask_batch(rows, key=str(key))

    @rule()
    def relay_ticks(self) -> None:
        self.chaos.relay.tick()

    @rule(limit=st.integers(1, 4))
    def messages_arrive_and_the_rest_are_lost(self, limit: int) -> None:
        self.chaos.deliver(limit=limit)

    @rule()
    def redis_forgets(self) -> None:
        self.chaos.desk.client.flushall()

    @precondition(lambda self: self.chaos.due())
    @rule(number=ANY)
    def a_job_runs(self, number: int) -> None:
        self.chaos.runner().run(self.pick(self.chaos.due(), number).id)

    @precondition(lambda self: self.chaos.all_jobs())
    @rule(number=ANY)
    def an_old_message_comes_again(self, number: int) -> None:
        self.chaos.runner().run(self.pick(self.chaos.all_jobs(), number).id)

    @precondition(lambda self: self.chaos.due())
    @rule(number=ANY, where=st.sampled_from(["claim", "fetch", "apply"]))
    def a_worker_is_killed(self, number: int, where: str) -> None:
        self.chaos.crash(self.pick(self.chaos.due(), number), where)

    @precondition(lambda self: self.chaos.due())
    @rule(number=ANY)
    def a_worker_finishes_late(self, number: int) -> None:
        self.chaos.finish_late(self.pick(self.chaos.due(), number))

    @precondition(lambda self: self.chaos.due())
    @rule(number=ANY)
    def a_worker_finishes_late_beside_another(self, number: int) -> None:
        self.chaos.finish_late_beside_another(self.pick(self.chaos.due(), number))

    @precondition(lambda self: self.chaos.due())
    @rule(one=ANY, other=ANY)
    def two_run_at_once(self, one: int, other: int) -> None:
        due = self.chaos.due()
        self.chaos.run_at_once(self.pick(due, one).id, self.pick(due, other).id)

    @rule(error=st.sampled_from(UPSTREAM_ERRORS), times=st.sampled_from([1, 1, 9]))
    def xpm_fails(self, error: Exception, times: int) -> None:
        self.chaos.xpm.next = [error] * times

    @rule(error=st.sampled_from(MAIL_ERRORS))
    def the_mail_server_fails(self, error: Exception) -> None:
        self.chaos.mail.next = [error]

    @precondition(lambda self: self.chaos.all_imports())
    @rule(number=ANY)
    def an_import_is_cancelled(self, number: int) -> None:
        rows = self.chaos.all_imports()
        open_rows = [row for row in rows if row.state in OPEN_IMPORT_STATES] or rows
        self.chaos.cancel(open_rows[number % len(open_rows)].id)

    @precondition(lambda self: self.chaos.dead())
    @rule(number=ANY)
    def a_dead_letter_is_requeued(self, number: int) -> None:
        self.chaos.requeue(self.pick(self.chaos.dead(), number))

    @rule()
    def the_practice_reconnects(self) -> None:
        self.chaos.reconnect()

    @rule(seconds=st.sampled_from([1, 11, 60, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.chaos.world.pass_time(seconds)

    @rule()
    def leases_are_taken_back(self) -> None:
        take_back(self.chaos.world)

    @invariant()
    def nothing_is_doubled_or_stuck(self) -> None:
        self.chaos.check()

    def teardown(self) -> None:
        try:
            self.chaos.drain()
            self.chaos.check_drained()
        finally:
            self.stack.close()
            shutil.rmtree(self.folder)


def test_every_import_ends_once_whatever_happens(
    simulator: SimulatorHandle, mail_catcher: MailCatcher, tmp_path: Path
) -> None:
    Portal.template = tmp_path / "template.db"
    empty = Database(f"sqlite:///{Portal.template}")
    migrate.upgrade(empty)
    empty.close()
    Portal.simulator, Portal.mail, Portal.people = simulator, mail_catcher, importable(simulator)[:5]
    run_state_machine_as_test(
        seed(int(os.environ[SEED]))(Portal),
        settings=settings(
            max_examples=int(os.environ.get("TEST_EXAMPLES", "10")),
            stateful_step_count=30,
            phases=[Phase.generate],  # thirty steps can be read; making them fewer would take minutes
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
