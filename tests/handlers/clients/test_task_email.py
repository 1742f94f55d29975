"""send_task_email: a task is told of once, or known not to be, or of unknown outcome and never told of again."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from handlers.access.act import Act
from handlers.access.caller import Caller, Scope
from handlers.access.practices import add_operator
from handlers.clients import task_email, tasks
from handlers.clients.tasks import NewTask, Untold
from handlers.operations import restore
from portal_db.states import EmailState, JobState, Role
from portal_db.tables import Job, Login, TaskEmail
from tests.handlers.given import take_back_lost
from tests.handlers.imports.test_send_welcome_email import Killed, KillingMailer, live_on
from tests.letters import body, letters
from tests.making import Account, account, set_job
from tests.racing import at_once, failures
from tests.world import World
from worker.local.mail_catcher import Behaviour


def kim(world: World) -> Caller:
    return Caller(world.practice_id, world.staff_id, "Kim", Role.PARTNER, frozenset(Scope))


def send(world: World, to: Account) -> UUID:
    """A task for a client; the job of its email is due."""
    wishes = NewTask(title="Sign the letter")
    return tasks.send(world.database, kim(world), to.client_id, wishes, uuid4().hex).task_id


@pytest.fixture
def gwen(sqlite_world: World) -> Account:
    return account(sqlite_world.database, sqlite_world.practice_id, sqlite_world.staff_id)


def became(world: World) -> tuple[EmailState | None, JobState | None]:
    """The state of the only email and of its job."""
    with world.database.read() as tx:
        job = tx.session.scalars(select(Job.state).where(Job.kind == "send_task_email")).one_or_none()
        return tx.session.scalars(select(TaskEmail.state)).one_or_none(), job


def job_id(world: World) -> UUID:
    with world.database.read() as tx:
        return tx.session.scalars(select(Job.id).where(Job.kind == "send_task_email")).one()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_of_many_deliveries_at_once_one_sends(world: World) -> None:
    gwen = account(world.database, world.practice_id, world.staff_id)
    task_id, due = send(world, gwen), job_id(world)
    workers = [world.runner(owner=f"worker-{number}") for number in range(4)]
    assert failures(at_once(*(partial(worker.run, due) for worker in workers))) == []
    live_on(world)
    (delivery,) = world.mail.deliveries()
    assert (delivery.recipient, delivery.subject) == (gwen.email, "A task from Harbour Accounting")
    assert re.search(rf"/my/tasks/{task_id}\s", body(letters(world)[0]))
    assert became(world) == (EmailState.SENT, JobState.SUCCEEDED)


@pytest.mark.parametrize("after_sending", [False, True])
def test_a_worker_killed_while_sending_leaves_it_unknown_and_nobody_sends_again(
    sqlite_world: World, gwen: Account, after_sending: bool
) -> None:
    world = sqlite_world
    send(world, gwen)
    killing = KillingMailer(world.services, after_sending=after_sending)
    with pytest.raises(Killed):
        world.runner(services=replace(world.services, mailer=killing)).run(job_id(world))
    take_back_lost(world)
    live_on(world)
    assert became(world) == (EmailState.UNKNOWN, JobState.DEAD)
    assert len(world.mail.deliveries()) == after_sending


def test_a_server_that_wants_us_to_come_back_later_gets_it_once(sqlite_world: World, gwen: Account) -> None:
    world = sqlite_world
    send(world, gwen)
    world.mail.behave(Behaviour(refuse={"*": "451 4.3.0 Try again later"}))
    world.run_due()
    assert became(world) == (EmailState.PENDING, JobState.WAITING)
    live_on(world)
    assert (became(world), len(world.mail.deliveries())) == ((EmailState.SENT, JobState.SUCCEEDED), 1)


def test_an_address_that_the_mail_server_refuses_is_told_to_staff(sqlite_world: World, gwen: Account) -> None:
    world = sqlite_world
    send(world, gwen)
    world.mail.behave(Behaviour(refuse={"*": "550 5.1.1 No such user"}))
    world.run_due()
    assert became(world) == (EmailState.REFUSED, JobState.REJECTED)
    assert [each.told for each in tasks.standings(world.database, kim(world), gwen.client_id)] == [EmailState.REFUSED]


def test_a_task_that_was_withdrawn_is_not_told_of(sqlite_world: World, gwen: Account) -> None:
    world = sqlite_world
    tasks.withdraw(world.database, kim(world), gwen.client_id, send(world, gwen))
    world.run_due()
    assert (became(world), world.mail.deliveries()) == ((EmailState.CANCELLED, JobState.SUCCEEDED), [])


def test_an_email_goes_to_the_address_that_the_login_has_when_it_is_sent(
    sqlite_world: World, gwen: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, write = sqlite_world, task_email._letter

    def and_then_the_address_changes(*args: Any) -> Any:
        letter = write(*args)
        with world.database.write() as tx:
            tx.session.execute(update(Login).where(Login.id == gwen.login_id).values(email="new@clients.example"))
        return letter

    send(world, gwen)
    monkeypatch.setattr(task_email, "_letter", and_then_the_address_changes)
    world.run_due()
    assert [each.recipient for each in world.mail.deliveries()] == ["new@clients.example"]


def test_an_email_whose_job_was_taken_back_meanwhile_is_not_begun(
    sqlite_world: World, gwen: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P3: the worker that has the job by now sends it."""
    written = task_email._message

    def and_then_the_job_is_taken_back(*args: Any) -> Any:
        set_job(sqlite_world, job_id(sqlite_world), lease_token=uuid4())
        return written(*args)

    monkeypatch.setattr(task_email, "_message", and_then_the_job_is_taken_back)
    send(sqlite_world, gwen)
    sqlite_world.run_due()
    assert letters(sqlite_world) == []
    assert became(sqlite_world) == (EmailState.PENDING, JobState.RUNNING)


def test_who_cannot_open_a_task_is_sent_no_email_and_staff_see_why(sqlite_world: World) -> None:
    world = sqlite_world
    idle = account(world.database, world.practice_id, world.staff_id, is_active=False)
    send(world, idle)
    world.run_due()
    assert (became(world), world.mail.deliveries()) == ((None, None), [])
    assert [each.told for each in tasks.standings(world.database, kim(world), idle.client_id)] == [Untold.NOT_ACTIVE]


def test_an_email_of_a_backup_is_not_sent(sqlite_world: World, gwen: Account) -> None:
    world = sqlite_world
    send(world, gwen)
    restore.begin(world.database, Act(add_operator(world.database, "Sam", "sam@platform.example"), "x"))
    assert became(world) == (EmailState.UNKNOWN, JobState.QUEUED)
