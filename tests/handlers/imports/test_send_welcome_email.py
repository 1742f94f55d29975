"""send_welcome_email: sent once, or known not to be sent, or marked unknown and never sent again (b.6, invariant 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from handlers.access.activation import activation_token
from handlers.access.tokens import hashed
from handlers.imports import send_welcome_email
from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db import welcome_emails
from portal_db.states import EmailState, ImportState, JobState
from portal_db.tables import Import, Job, WelcomeEmail
from portal_db.types import database_time
from portal_db.welcome_emails import Intent
from portal_db.work.jobs import lease_of
from tests.handlers.given import find, is_company, run_only, run_when_apply_raises, runner_of, take_back_lost
from tests.racing import at_once, failures
from tests.world import World, is_importable_person
from worker.local.mail_catcher import Behaviour
from xpm.simulator.serve import SimulatorHandle

JOB = "send_welcome_email"
UNKNOWN = (ImportState.PARTLY_SUCCEEDED, "email_outcome_unknown")


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, not even its error handling."""


class KillingMailer:
    """A mailer whose process is killed in the middle, before or after the message went out."""

    def __init__(self, services: Services, *, after_sending: bool) -> None:
        self._mailer = services.mailer if after_sending else None

    def send(self, message: Any, recipient: str) -> None:
        if self._mailer is not None:
            self._mailer.send(message, recipient)
        raise Killed

    def close(self) -> None:
        """A killed process closes nothing."""


@pytest.fixture
def asked(world: World, simulator: SimulatorHandle) -> UUID:
    """A person's import that is done but for its welcome email."""
    import_id = world.ask(find(simulator, is_importable_person).uuid, send_welcome_email=True)
    for kind in ("validate_import", "create_client", "import_details", "import_relationships"):
        run_only(world, import_id, kind)
    assert world.states_of(import_id)[JOB] is JobState.QUEUED
    return import_id


def email_of(world: World, import_id: UUID) -> WelcomeEmail:
    with world.database.read() as tx:
        row = tx.session.get_one(Import, import_id)
        return tx.session.scalars(select(WelcomeEmail).where(WelcomeEmail.client_id == row.client_id)).one()


def outcome(world: World, import_id: UUID) -> tuple[ImportState, str | None]:
    row = world.import_row(import_id)
    return row.state, row.outcome_code


def live_on(world: World) -> None:
    """Days go by, with the mail server in order; whatever wants to be tried again is."""
    world.mail.behave(Behaviour())
    for _ in range(3):
        world.pass_time(24 * 3600)
        world.run_due()


def test_one_email_goes_to_the_login_s_address(world: World, simulator: SimulatorHandle, asked: UUID) -> None:
    world.run_due()
    live_on(world)
    (delivery,) = world.mail.deliveries()
    assert delivery.recipient == find(simulator, is_importable_person).email
    assert delivery.subject == "Welcome to the client portal of Harbour Accounting"
    email = email_of(world, asked)
    assert email.state is EmailState.SENT
    assert email.sent_at is not None
    assert world.import_row(asked).state is ImportState.SUCCEEDED


def test_none_is_sent_unless_it_was_asked_for(sqlite_world: World, simulator: SimulatorHandle) -> None:
    sqlite_world.run_import(find(simulator, is_importable_person).uuid)
    sqlite_world.run_import(find(simulator, is_company).uuid, "entity")
    assert sqlite_world.mail.deliveries() == []
    assert sqlite_world.scalar("select count(*) from jobs where kind = 'send_welcome_email'") == 0


def test_a_finished_job_delivered_again_sends_nothing(world: World, asked: UUID) -> None:
    world.run_due()
    for _ in range(3):
        world.runner().run(world.jobs_of(asked)[JOB].id)
    assert len(world.mail.deliveries()) == 1


def test_of_many_deliveries_at_once_one_sends(world: World, asked: UUID) -> None:
    job_id = world.jobs_of(asked)[JOB].id
    workers = [world.runner(owner=f"worker-{number}") for number in range(4)]
    assert failures(at_once(*(partial(worker.run, job_id) for worker in workers))) == []
    assert len(world.mail.deliveries()) == 1
    assert world.import_row(asked).state is ImportState.SUCCEEDED


def test_the_token_is_derived_and_only_its_hash_is_stored(world: World, asked: UUID) -> None:
    world.run_due()
    email = email_of(world, asked)
    token = activation_token(world.services, email.id, email.version)
    (delivery,) = world.mail.deliveries()
    content = (world.mail.mailbox.folder / delivery.file).read_text()
    assert f"/activate#{token}" in content.replace("=\n", "").replace("=\r\n", "")
    assert email.token_hash == hashed(token) != token
    with world.database.read() as tx:
        left = (email.token_expires_at or email.created_at) - database_time(tx.session)
    assert timedelta(days=30) - timedelta(minutes=5) < left <= timedelta(days=30)


def test_another_version_or_another_key_makes_another_token(sqlite_world: World) -> None:
    first = sqlite_world.practice_id
    tokens = {activation_token(sqlite_world.services, first, version) for version in (1, 1, 2)}
    assert len(tokens) == 2
    other = sqlite_world.services.settings.model_copy(update={"token_keys": ()})
    assert activation_token(sqlite_world.services, sqlite_world.staff_id, 1) not in tokens
    with pytest.raises(Exception, match="TOKEN_KEYS"):
        activation_token(replace(sqlite_world.services, settings=other), first, 1)


def test_a_server_that_wants_us_to_come_back_later(world: World, asked: UUID) -> None:
    """4xx: the import waits, and later one email goes out, with the Message-ID of the first try."""
    world.mail.behave(Behaviour(refuse={"*": "451 4.3.0 Try again later"}))
    world.run_due()
    job = world.jobs_of(asked)[JOB]
    assert (job.state, job.error_code, job.attempts) == (JobState.WAITING, "smtp_refused_for_now", 1)
    assert world.import_row(asked).state is ImportState.WAITING
    first_try = email_of(world, asked)
    assert first_try.state is EmailState.PENDING

    live_on(world)
    (delivery,) = world.mail.deliveries()
    assert delivery.message_id.startswith(f"<{first_try.message_id}@")
    second_try = email_of(world, asked)
    assert (second_try.message_id, second_try.token_hash) == (first_try.message_id, first_try.token_hash)
    assert world.import_row(asked).state is ImportState.SUCCEEDED


def test_a_server_that_refuses_the_whole_message_for_now(sqlite_world: World, simulator: SimulatorHandle) -> None:
    sqlite_world.mail.behave(Behaviour(at_data="452 4.2.2 Mailbox full"))
    row = sqlite_world.run_import(find(simulator, is_importable_person).uuid, send_welcome_email=True)
    assert email_of(sqlite_world, row.id).state is EmailState.PENDING
    live_on(sqlite_world)
    assert len(sqlite_world.mail.deliveries()) == 1


def test_an_address_that_the_server_refuses(world: World, asked: UUID) -> None:
    """5xx at RCPT: nothing was sent, the client stays, and the requester is told to look at the address."""
    world.mail.behave(Behaviour(refuse={"*": "550 5.1.1 No such mailbox"}))
    world.run_due()
    row = world.import_row(asked)
    assert outcome(world, asked) == (ImportState.PARTLY_SUCCEEDED, "email_refused")
    assert row.outcome_field == "email"
    assert "Check the client's email address" in (row.outcome_remedy or "")
    assert world.jobs_of(asked)[JOB].state is JobState.REJECTED
    assert email_of(world, asked).state is EmailState.REFUSED
    live_on(world)
    assert world.mail.deliveries() == []


@pytest.mark.parametrize("kept", [True, False], ids=["delivered", "lost"])
def test_a_server_that_goes_silent_after_the_message(world: World, asked: UUID, kept: bool) -> None:
    """Whether it was delivered cannot be known: it is said so, and it is not sent again."""
    world.mail.behave(Behaviour(silence="drop", keep_silenced=kept))
    world.run_due()
    job = world.jobs_of(asked)[JOB]
    assert (job.state, job.error_code) == (JobState.DEAD, "email_outcome_unknown")
    assert outcome(world, asked) == UNKNOWN
    assert email_of(world, asked).state is EmailState.UNKNOWN
    live_on(world)
    assert len(world.mail.deliveries()) == int(kept)
    assert world.jobs_of(asked)[JOB].state is JobState.DEAD


@pytest.mark.parametrize("after_sending", [True, False], ids=["after sending", "before sending"])
def test_a_worker_killed_while_sending(world: World, asked: UUID, after_sending: bool) -> None:
    """Its successor finds the intent of a lost lease and cannot know: unknown, and not sent again."""
    services = replace(world.services, mailer=KillingMailer(world.services, after_sending=after_sending))
    with pytest.raises(Killed):
        run_only(world, asked, JOB, services)
    assert email_of(world, asked).state is EmailState.SENDING
    take_back_lost(world)
    world.run_due()
    assert world.jobs_of(asked)[JOB].state is JobState.DEAD
    assert outcome(world, asked) == UNKNOWN
    assert email_of(world, asked).state is EmailState.UNKNOWN
    live_on(world)
    assert len(world.mail.deliveries()) == int(after_sending)


def test_who_finds_an_intent_steps_aside_if_the_email_is_recorded_as_sent_first(world: World, asked: UUID) -> None:
    # Given a worker that lost its lease while it sent the email, and is slow to record the answer
    services = replace(world.services, mailer=KillingMailer(world.services, after_sending=True))
    with pytest.raises(Killed):
        run_only(world, asked, JOB, services)
    slow, email = world.jobs_of(asked)[JOB], email_of(world, asked)
    take_back_lost(world)

    def fetch(services: Services, jobs: Sequence[Job]) -> list[Any]:
        found = send_welcome_email.fetch(services, jobs)
        with world.database.write() as tx:
            assert welcome_emails.finish_sending(tx, Intent(email.id, slow.id, lease_of(slow).token), EmailState.SENT)
        return found

    # When another worker finds the intent, and the first one's record comes before its own
    runner_of(world, {JOB: replace(HANDLERS[JOB], fetch=fetch)}).run(slow.id)
    # Then nothing is unknown: the job is done by the next attempt, which sends nothing
    assert world.jobs_of(asked)[JOB].state is JobState.QUEUED
    live_on(world)
    assert outcome(world, asked) == (ImportState.SUCCEEDED, None)
    assert (email_of(world, asked).state, len(world.mail.deliveries())) == (EmailState.SENT, 1)


def test_a_worker_stopped_before_its_intent_sends_nothing(
    world: World, asked: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It saw the email pending, slept for longer than its lease, and wakes after another has sent it."""

    def sleep_meanwhile(services: Services, email_id: UUID, version: int) -> str:
        monkeypatch.undo()
        take_back_lost(world)
        run_only(world, asked, JOB)
        return activation_token(services, email_id, version)

    monkeypatch.setattr(send_welcome_email, "activation_token", sleep_meanwhile)
    run_only(world, asked, JOB)
    live_on(world)
    assert len(world.mail.deliveries()) == 1
    assert email_of(world, asked).state is EmailState.SENT


@pytest.mark.parametrize(
    "error", [OperationalError("UPDATE", {}, Exception("gone")), RuntimeError("a bug")], ids=["database", "bug"]
)
def test_a_message_that_went_out_but_could_not_be_written_down(world: World, asked: UUID, error: Exception) -> None:
    """The database failed after the mail server had said yes: sending again would make two."""
    run_when_apply_raises(world, asked, JOB, error)
    assert len(world.mail.deliveries()) == 1
    live_on(world)
    assert len(world.mail.deliveries()) == 1, "the email was sent twice"
    assert email_of(world, asked).state is EmailState.UNKNOWN
    assert world.import_row(asked).state is ImportState.PARTLY_SUCCEEDED


def test_an_address_in_another_script_is_reached(sqlite_world: World, simulator: SimulatorHandle) -> None:
    """A domain of umlauts travels in the ASCII spelling that every mail server takes."""
    row = sqlite_world.run_import(
        find(simulator, is_importable_person).uuid, email="kim@bücher.example", send_welcome_email=True
    )
    assert outcome(sqlite_world, row.id) == (ImportState.SUCCEEDED, None)
    (delivery,) = sqlite_world.mail.deliveries()
    assert delivery.recipient == "kim@xn--bcher-kva.example"
    assert b"To: kim@xn--bcher-kva.example\r\n" in (sqlite_world.mail.mailbox.folder / delivery.file).read_bytes()
    assert sqlite_world.scalar("select email from logins where kind = 'client'") == "kim@bücher.example"
