"""A set of emails: one after the other, and whatever happens, at most one of them is of unknown outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from handlers.errors import Transient
from handlers.imports.cancel import cancel
from handlers.jobs.handler import Result, Task
from handlers.jobs.kinds import KINDS
from handlers.registry import HANDLERS
from portal_db.database import Tx
from portal_db.states import EmailState, ImportState, JobState
from portal_db.tables import Login, WelcomeEmail
from portal_db.work import imports, jobs
from tests.handlers.directory.given import synced
from tests.handlers.given import take_back_lost
from tests.handlers.operations import given as ops
from tests.making import importable, job, set_job
from tests.servers.statements import committed
from tests.worker.runner.running import Clock, flaky, outcomes, runner
from tests.world import World
from worker.local.mail_catcher import Behaviour
from worker.runner import chain
from worker.runner.chain import BEGIN_WITHIN
from worker.runner.leases import Leases
from worker.runner.runner import DATABASE_TRIES, Runner
from xpm.simulator.serve import SimulatorHandle

KIND = "send_welcome_email"
#: More failures of the database than a transaction that need not be patient meets.
LONG = 2 * DATABASE_TRIES + 1


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, not even its error handling."""


class Watching:
    """A mailer that does what a test says before or after its nth message."""

    def __init__(self, world: World, *, before: dict[int, Callable[[], object]], after: bool = False) -> None:
        self._mailer = world.services.mailer
        self._acts = before
        self._after = after
        self.count = 0

    def send(self, message: Any, recipient: str) -> None:
        self.count += 1
        act = self._acts.get(self.count, lambda: None)
        if self._after:
            self._mailer.send(message, recipient)
        act()
        if not self._after:
            self._mailer.send(message, recipient)

    def close(self) -> None:
        """Nothing of its own to close."""


@pytest.fixture
def letters(world: World, simulator: SimulatorHandle) -> list[UUID]:
    """Four imports of a batch that are done but for their welcome emails: the ids of those jobs."""
    synced(world)
    people = importable(simulator)[:4]
    requests = [
        world.request(each.uuid, email=f"letter-{number}@mail.example", send_welcome_email=True)
        for number, each in enumerate(people)
    ]
    import_ids = world.ask_batch(requests, key=uuid4().hex)
    runner(world).run(*(world.jobs_of(import_id)["validate_import"].id for import_id in import_ids))
    runner(world).run(*(world.jobs_of(import_id)["import_relationships"].id for import_id in import_ids))
    return [world.jobs_of(import_id)[KIND].id for import_id in import_ids]


def run(world: World, letters: Sequence[UUID], **acts: Any) -> None:
    """Run the emails as a set, in a worker whose mailer does something."""
    services = acts.pop("services", world.services)
    runner(world, services=replace(services, mailer=Watching(world, **acts))).run(*letters)


def states(world: World, letters: Sequence[UUID]) -> list[tuple[JobState, EmailState]]:
    with world.database.read() as tx:
        emails = {str(email.id): email.state for email in tx.session.scalars(select(WelcomeEmail))}
    found = [job(world, job_id) for job_id in letters]
    return [(one.state, emails[one.args["email_id"]]) for one in found]


def recipients(world: World) -> list[str]:
    return [delivery.recipient for delivery in world.mail.deliveries()]


def to(*numbers: int) -> list[str]:
    return [f"letter-{number}@mail.example" for number in numbers]


SENT = (JobState.SUCCEEDED, EmailState.SENT)
RECORDED = (JobState.RUNNING, EmailState.SENT)
BEGUN = (JobState.RUNNING, EmailState.SENDING)
CLAIMED = (JobState.RUNNING, EmailState.PENDING)
BACK = (JobState.QUEUED, EmailState.PENDING)
UNKNOWN = (JobState.DEAD, EmailState.UNKNOWN)


def test_one_transaction_records_an_email_and_begins_the_next(
    world: World, letters: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "END_TOGETHER", 3)
    seen: list[list[tuple[JobState, EmailState]]] = []
    commits: list[int] = []

    def look() -> None:
        commits.append(len(found))
        seen.append(states(world, letters))

    with committed(world.database.engine) as found:
        run(world, letters, before=dict.fromkeys((1, 2, 3, 4), look))
    first = [[RECORDED] * done + [BEGUN] + [CLAIMED] * (3 - done) for done in range(3)]
    assert seen == [*first, [SENT, SENT, SENT, BEGUN]], "those that end together have ended before the next"
    # The first of those that end together is begun by a statement that PostgreSQL commits without our saying so.
    begins = world.database.engine.dialect.name == "sqlite"
    assert [later - earlier for earlier, later in pairwise(commits)] == [1, 1, 1 + begins]
    assert states(world, letters) == 4 * [SENT]
    assert [outcomes(world, job_id) for job_id in letters] == 4 * [["succeeded"]]
    assert {world.import_row(job(world, one).import_id or one).state for one in letters} == {ImportState.SUCCEEDED}
    assert recipients(world) == to(0, 1, 2, 3)


@pytest.mark.parametrize("after", [True, False], ids=["after sending", "before sending"])
def test_a_worker_killed_in_a_chain_leaves_one_email_unknown(world: World, letters: list[UUID], *, after: bool) -> None:
    def die() -> None:
        raise Killed

    with pytest.raises(Killed):
        run(world, letters, before={2: die}, after=after)
    assert states(world, letters) == [RECORDED, BEGUN, CLAIMED, CLAIMED]
    take_back_lost(world)
    world.run_due()
    assert states(world, letters) == [SENT, UNKNOWN, SENT, SENT]
    assert recipients(world) == (to(0, 1, 2, 3) if after else to(0, 2, 3))


def test_a_refusal_in_a_chain_is_one_email_s(world: World, letters: list[UUID]) -> None:
    world.mail.behave(Behaviour(refuse={to(1)[0]: "550 5.1.1 No such mailbox"}))
    run(world, letters, before={})
    assert states(world, letters) == [SENT, (JobState.REJECTED, EmailState.REFUSED), SENT, SENT]
    assert [outcomes(world, job_id) for job_id in letters] == [
        ["succeeded"],
        ["rejected"],
        ["succeeded"],
        ["succeeded"],
    ]


def test_an_email_that_is_put_off_in_a_chain_is_one_email_s(world: World, letters: list[UUID]) -> None:
    world.mail.behave(Behaviour(refuse={to(1)[0]: "451 4.3.0 Later"}))
    run(world, letters, before={})
    assert states(world, letters) == [SENT, (JobState.WAITING, EmailState.PENDING), SENT, SENT]


def test_no_answer_in_a_chain_is_one_email_s(world: World, letters: list[UUID]) -> None:
    behave = world.mail.behave
    run(
        world,
        letters,
        before={2: lambda: behave(Behaviour(silence="drop")), 3: lambda: behave(Behaviour())},
    )
    assert states(world, letters) == [SENT, UNKNOWN, SENT, SENT]


def test_a_stop_in_a_chain_gives_back_what_has_not_begun(world: World, letters: list[UUID]) -> None:
    run(world, letters, before={2: world.stopping.set})
    world.stopping.clear()
    assert states(world, letters) == [SENT, SENT, BACK, BACK]
    assert [outcomes(world, job_id) for job_id in letters] == [["succeeded"], ["succeeded"], [], []]
    assert {job(world, job_id).lost_leases for job_id in letters} == {0}


def test_a_slow_server_does_not_use_up_the_time_of_the_later_ones(
    world: World, letters: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()

    def take_long() -> None:
        clock.now += BEGIN_WITHIN * KINDS["send_welcome_email"].deadline_seconds + 1

    monkeypatch.setattr(chain, "time", clock)
    run(world, letters, before={2: take_long})
    assert states(world, letters) == [SENT, SENT, BACK, BACK]
    assert {job(world, job_id).lost_leases for job_id in letters} == {0}


@pytest.mark.parametrize("what", ["cancelled", "taken back"])
def test_an_email_whose_lease_is_lost_before_it_begins_is_skipped(world: World, letters: list[UUID], what: str) -> None:
    def lose() -> None:
        if what == "cancelled":
            with world.database.write() as tx:
                jobs.cancel_open(tx, job(world, letters[2]).import_id or letters[2])
        else:
            set_job(world, letters[2], lease_token=uuid4())

    run(world, letters, before={1: lose})
    state = JobState.CANCELLED if what == "cancelled" else JobState.RUNNING
    assert states(world, letters) == [SENT, SENT, (state, EmailState.PENDING), SENT]


def test_an_email_whose_address_was_corrected_is_written_anew(world: World, letters: list[UUID]) -> None:
    def correct() -> None:
        with world.database.write() as tx:
            found = tx.session.scalar(select(Login.id).where(Login.email == to(3)[0]))
            assert found is not None
            assert imports.change_email(tx, found, "new@mail.example", "new@mail.example")

    run(world, letters, before={1: correct})
    assert states(world, letters) == [SENT, SENT, SENT, BACK]
    world.run_due()
    assert states(world, letters) == 4 * [SENT]
    assert recipients(world) == [*to(0, 1, 2), "new@mail.example"]


@pytest.mark.parametrize("number", [0, 3], ids=["the first", "the last"])
def test_an_end_that_fails_is_one_email_s(world: World, letters: list[UUID], number: int) -> None:
    """The others end nevertheless. If it is the last, it went out and could not be written down: unknown."""

    def apply(tx: Tx, tasks: Sequence[Task]) -> Sequence[Result]:
        if letters[number] in {task.job.id for task in tasks}:
            raise RuntimeError("a bug")
        return HANDLERS[KIND].apply(tx, tasks)

    runner(world, kinds={**HANDLERS, KIND: replace(HANDLERS[KIND], apply=apply)}).run(*letters)
    failed = UNKNOWN if number == 3 else (JobState.DEAD, EmailState.SENT)
    assert states(world, letters) == [failed if place == number else SENT for place in range(4)]
    assert recipients(world) == to(0, 1, 2, 3)


def test_a_begin_that_fails_is_one_email_s(world: World, letters: list[UUID]) -> None:
    """Nothing of it was sent, so nothing is unknown; and the one before it has ended."""
    usual = HANDLERS[KIND].sending
    assert usual is not None

    def begin(tx: Tx, task: Task) -> bool:
        if task.job.id == letters[1]:
            raise RuntimeError("a bug")
        return usual.begin(tx, task)

    sending = replace(usual, begin=begin)
    runner(world, kinds={**HANDLERS, KIND: replace(HANDLERS[KIND], sending=sending)}).run(*letters)
    assert states(world, letters) == [SENT, (JobState.DEAD, EmailState.PENDING), SENT, SENT]


def test_an_email_that_was_sent_is_not_cancelled_although_its_job_has_not_ended(
    world: World, letters: list[UUID]
) -> None:
    import_id = job(world, letters[0]).import_id
    assert import_id is not None

    act = ops.operator(world)

    def cancel_it() -> None:
        ops.refused(lambda: cancel(world.database, act, import_id), "email_being_sent")

    run(world, letters, before={2: cancel_it})
    assert states(world, letters) == 4 * [SENT]
    assert world.import_row(import_id).state is ImportState.SUCCEEDED


@pytest.mark.parametrize("lost", ["lost_answers", "lost_commits"])
def test_a_commit_in_a_chain_without_an_answer_doubles_nothing(world: World, letters: list[UUID], lost: str) -> None:
    with flaky(world) as (database, services):
        run(world, letters, services=services, before={2: lambda: setattr(database, lost, 1)})
        assert getattr(database, lost) == 0
    assert states(world, letters) == 4 * [SENT]
    assert recipients(world) == to(0, 1, 2, 3)


def test_an_email_whose_sending_cannot_be_recorded_for_a_while_is_known_to_be_sent(
    world: World, letters: list[UUID]
) -> None:
    # Given a database that goes away when the server has accepted an email, for longer than any other write is tried
    with flaky(world) as (database, services):
        run(world, letters, services=services, before={2: lambda: setattr(database, "lost_commits", LONG)})
        assert database.lost_commits == 0
    # Then all are sent once, and recorded so
    assert states(world, letters) == 4 * [SENT]
    assert recipients(world) == to(0, 1, 2, 3)


def test_the_last_email_of_a_set_is_recorded_as_patiently(world: World, letters: list[UUID]) -> None:
    with flaky(world) as (database, services):
        run(world, letters[:1], services=services, before={1: lambda: setattr(database, "lost_commits", LONG)})
        assert database.lost_commits == 0
    assert states(world, letters[:1]) == [SENT]


@pytest.mark.parametrize("count", [1, 4], ids=["alone", "the last of several"])
def test_an_email_that_was_sent_is_known_to_be_sent_although_its_job_was_taken_back(
    world: World, letters: list[UUID], count: int
) -> None:
    last = letters[count - 1]

    def take_back() -> None:
        set_job(world, last, state=JobState.QUEUED, lease_token=None)

    run(world, letters[:count], before={count: take_back}, after=True)
    assert states(world, letters[:count]) == [*(count - 1) * [SENT], (JobState.QUEUED, EmailState.SENT)]
    world.run_due()
    assert states(world, letters[:count]) == count * [SENT]
    assert recipients(world)[:count] == to(*range(count))
    assert len(set(recipients(world))) == len(recipients(world))


def test_emails_that_have_ended_are_not_taken_for_lost_while_the_others_are_sent(
    world: World, letters: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "END_TOGETHER", 2)
    leases = Leases(world.database, "worker-1", lease_seconds=10, every_seconds=3)

    def beat() -> None:
        leases.renew()
        leases.renew()

    services = replace(world.services, mailer=Watching(world, before={4: beat}))
    working = Runner(services, world.bell, leases, HANDLERS, run_isolated=None, stopping=world.stopping)
    with capture_logs() as logs:
        working.run(*letters)
    assert states(world, letters) == 4 * [SENT]
    assert [line for line in logs if line["event"] == "leases.lost"] == []


def test_an_email_that_was_put_off_by_a_worker_that_came_late_is_sent_once(world: World, letters: list[UUID]) -> None:
    """Its lease was lost, but certainly nothing was sent, so its intent is withdrawn."""

    def refuse_late() -> None:
        set_job(world, letters[0], state=JobState.QUEUED, lease_token=None)
        raise Transient("smtp_refused_for_now", "Later.")

    run(world, letters[:1], before={1: refuse_late})
    assert states(world, letters[:1]) == [BACK]
    world.run_due()
    assert recipients(world).count(to(0)[0]) == 1
