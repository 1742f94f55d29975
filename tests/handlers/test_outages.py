"""Outages: what concerns all jobs of a server is met by one job at a time, and nobody's attempts are used up."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from handlers.access.caller import Caller, Scope
from handlers.directory.search import record_in_xpm
from handlers.email.smtp import SmtpMailer
from handlers.errors import Transient
from handlers.outages import MAIL, OPENS_AFTER, PROBE_SECONDS, XPM, Away, Outages, WatchedLimiter, WatchedMailer
from portal_db.states import EmailState, ErrorClass, ImportState, JobState, Role
from portal_db.tables import Job, Outage, WelcomeEmail
from portal_db.work import outages
from portal_db.work.candidates import QUOTA_CODE
from tests.certificates import HouseAuthority
from tests.making import add, add_practice, importable, job, new_job, pause, set_job
from tests.world import World
from worker.local.mail_catcher import Behaviour, catching
from xpm.errors import QuotaDeferred, XpmAway
from xpm.limiter import Permit, UnlimitedLimiter
from xpm.simulator.faults import FaultRule
from xpm.simulator.serve import SimulatorHandle

EMAIL = "send_welcome_email"
CALL: Mapping[str, Any] = {"lane": "import", "holder": "a job", "deadline": 10.0}
OUR_SENDER_REFUSED = Behaviour(refuse={"*": "550 5.7.1 Sender refused"})


def ask_with_emails(world: World, simulator: SimulatorHandle, count: int) -> list[UUID]:
    """Imports that wait for nothing but their emails."""
    people = importable(simulator)[:count]
    return [world.ask(person.uuid, send_welcome_email=True) for person in people]


def emails(world: World) -> list[Job]:
    with world.database.read() as tx:
        return list(tx.session.scalars(select(Job).where(Job.kind == EMAIL).order_by(Job.created_at, Job.id)))


def outage(world: World) -> Outage | None:
    with world.database.read() as tx:
        return tx.session.scalars(select(Outage)).one_or_none()


def pass_to_the_next_probe(world: World) -> None:
    world.pass_time(61)


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_a_mail_server_that_refuses_us_costs_no_client_and_no_attempt(world: World, simulator: SimulatorHandle) -> None:
    # Given a mail server that refuses our sender, and ten imports with an email
    world.mail.behave(OUR_SENDER_REFUSED)
    asked = ask_with_emails(world, simulator, 10)
    # When all has run
    world.run_due()
    # Then after three refusals and perhaps a probe or two nothing more was thrown at it
    assert 3 <= len(world.mail.mailbox.misdeeds()) < 8
    # And the others wait as a deferral, and say for what and until when
    assert {job.state for job in emails(world)} == {JobState.WAITING}
    waiting = [job for job in emails(world) if job.error_code == "mail_outage"]
    assert len(waiting) >= 8
    assert {job.error_class for job in waiting} == {ErrorClass.DEFERRED}
    assert sum(job.attempts for job in emails(world)) == 2, "before it was known that all emails are concerned"
    assert "the mail server, which does not accept our email at present, until" in (waiting[0].error_message or "")
    assert {world.import_row(import_id).state for import_id in asked} == {ImportState.WAITING}
    # When it is still so for ten minutes, then one email at a time tries it
    for _ in range(10):
        pass_to_the_next_probe(world)
        world.run_due()
    assert len(world.mail.mailbox.misdeeds()) < 8 + 11
    # When it is back, then all go on by themselves, each email once
    world.mail.behave(Behaviour())
    pass_to_the_next_probe(world)
    world.run_due()
    assert outage(world) is None
    assert {world.import_row(import_id).state for import_id in asked} == {ImportState.SUCCEEDED}
    assert len({one.recipient for one in world.mail.deliveries()}) == len(world.mail.deliveries()) == 10


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("smtp://{}", "554 5.7.26 No DMARC"),
        ("smtp://portal:wrong@{}", None),
        ("smtp://{}?starttls=require", None),
        ("smtp://127.0.0.1:1", None),
    ],
    ids=["a policy", "the password", "no encryption", "nobody there"],
)
def test_what_concerns_every_email_is_an_outage(
    sqlite_world: World, simulator: SimulatorHandle, address: str, answer: str | None
) -> None:
    world, mail = sqlite_world, sqlite_world.mail
    # Given a mail server that takes no email of ours
    mail.behave(Behaviour(refuse={"*": answer} if answer else {}))
    server = SmtpMailer(address.format(mail.url.removeprefix("smtp://")))
    with closing(WatchedMailer(server, Outages(world.database, world.services.sources))) as mailer:
        world.services = replace(world.services, mailer=mailer)
        # When imports with an email each have run
        asked = ask_with_emails(world, simulator, 5)
        world.run_due()
    # Then the emails wait, and no client is blamed
    assert {job.state for job in emails(world)} == {JobState.WAITING}
    assert "mail_outage" in {job.error_code for job in emails(world)}
    assert {world.import_row(import_id).state for import_id in asked} == {ImportState.WAITING}


def test_a_certificate_that_is_not_valid_is_an_outage_until_its_authority_is_named(
    sqlite_world: World, simulator: SimulatorHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a mail server with a certificate of the house, whose authority nobody named
    world, authority = sqlite_world, HouseAuthority.at(tmp_path)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    shown = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    shown.load_cert_chain(authority.server)
    with (
        catching(tmp_path / "tls mail", shown) as mail,
        closing(WatchedMailer(SmtpMailer(mail.url), Outages(world.database, world.services.sources))) as mailer,
    ):
        world.services = replace(world.services, mailer=mailer)
        # When imports with an email each have run
        asked = ask_with_emails(world, simulator, 5)
        world.run_due()
        # Then the emails wait and say why, and no client is blamed
        found = outage(world)
        assert found is not None
        assert (found.failures >= OPENS_AFTER, found.reason) == (True, "has a certificate that is not valid")
        assert {job.error_code for job in emails(world)} <= {"mail_outage", "smtp_certificate"}
        waiting = next(job for job in emails(world) if job.error_code == "mail_outage")
        assert "the mail server, which has a certificate that is not valid, until" in (waiting.error_message or "")
        assert {world.import_row(import_id).state for import_id in asked} == {ImportState.WAITING}
        # When its authority is named, then all emails are delivered by themselves
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
        pass_to_the_next_probe(world)
        world.run_due()
        assert len(mail.deliveries()) == 5
    assert outage(world) is None
    assert {world.import_row(import_id).state for import_id in asked} == {ImportState.SUCCEEDED}


def test_greylisting_of_many_minutes_ends_in_a_delivered_email(world: World, simulator: SimulatorHandle) -> None:
    # Given a mail server that asks to come back later, and an import with an email
    world.mail.behave(Behaviour(refuse={"*": "450 4.7.1 Greylisted"}))
    [asked] = ask_with_emails(world, simulator, 1)
    # When it has been tried for twenty minutes, more often than eight times
    for _ in range(20):
        world.run_due()
        world.pass_time(60)
    [email] = emails(world)
    assert (email.state, email.error_code) == (JobState.WAITING, "smtp_refused_for_now")
    assert email.attempts > 8
    # When the server takes it, then it is delivered, once
    world.mail.behave(Behaviour())
    world.pass_time(3600)
    world.run_due()
    assert len(world.mail.deliveries()) == 1
    assert world.import_row(asked).state is ImportState.SUCCEEDED


def test_a_waiting_email_is_pending_and_never_unknown(sqlite_world: World, simulator: SimulatorHandle) -> None:
    """P21: an intent that met a closed gate is withdrawn, since nothing was sent."""
    world = sqlite_world
    world.mail.behave(OUR_SENDER_REFUSED)
    ask_with_emails(world, simulator, 6)
    world.run_due()
    with world.database.read() as tx:
        states = set(tx.session.scalars(select(WelcomeEmail.state)))
    assert states == {EmailState.PENDING}


@pytest.mark.parametrize(
    ("answers", "state"), [({}, EmailState.SENT), ({"*": "550 5.1.1 No such mailbox"}, EmailState.REFUSED)]
)
def test_an_answer_stays_an_answer_though_the_outage_cannot_be_ended(
    sqlite_world: World,
    simulator: SimulatorHandle,
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, str],
    state: EmailState,
) -> None:
    """Invariant 3: after the server's answer, an error of our database must not look as if nothing had been sent."""
    # Given a mail server that has failed once and answers again, and a database that cannot end the outage
    world = sqlite_world
    with world.database.write() as tx:
        outages.count_failure(tx, MAIL.name, reason="cannot be reached", holder="another", of_all=True)
    world.mail.behave(Behaviour(refuse=answers))

    def deadlock(*_: object) -> int:
        raise OperationalError("DELETE FROM outages", {}, Exception("deadlock detected"))

    with monkeypatch.context() as broken:
        broken.setattr(outages, "end", deadlock)
        # When an email is sent, then the answer counts, and the email is not tried again
        ask_with_emails(world, simulator, 1)
        world.run_due()
        pass_to_the_next_probe(world)
        world.run_due()
    assert len(world.mail.deliveries()) + len(world.mail.mailbox.misdeeds()) == 1
    with world.database.read() as tx:
        assert tx.session.scalars(select(WelcomeEmail.state)).one() is state
    # And the next answer ends the outage
    assert outage(world) is not None
    person = importable(simulator)[1]
    world.run_import(person.uuid, send_welcome_email=True)
    assert outage(world) is None


@pytest.mark.parametrize("answer", ["550 5.1.1 No such mailbox", "450 4.7.1 Greylisted", "552 5.2.2 Full"])
def test_what_concerns_one_address_is_no_outage(sqlite_world: World, simulator: SimulatorHandle, answer: str) -> None:
    # Given a server that answers so about every address
    world = sqlite_world
    world.mail.behave(Behaviour(refuse={"*": answer}))
    ask_with_emails(world, simulator, 5)
    # When all has run, then every email was tried, and no outage is recorded
    world.run_due()
    assert len({one.recipients[0] for one in world.mail.mailbox.misdeeds()}) == 5
    assert outage(world) is None


def test_a_server_that_confirms_nothing_costs_a_few_emails_their_certainty(
    sqlite_world: World, simulator: SimulatorHandle
) -> None:
    # Given a mail server that takes each email and does not say so
    world = sqlite_world
    world.mail.behave(Behaviour(silence="drop"))
    ask_with_emails(world, simulator, 12)
    # When all has run, then of the first few nobody knows whether they were sent, and the others were not begun
    world.run_due()
    with world.database.read() as tx:
        states = Counter(tx.session.scalars(select(WelcomeEmail.state)))
    assert 3 <= states[EmailState.UNKNOWN] <= 5
    assert states[EmailState.PENDING] == 12 - states[EmailState.UNKNOWN]
    waiting = [job for job in emails(world) if job.error_code == "mail_outage"]
    assert "which accepts emails without confirming them" in (waiting[0].error_message or "")
    # When it confirms again, then the others are sent, and no unknown one a second time
    world.mail.behave(Behaviour())
    pass_to_the_next_probe(world)
    world.run_due()
    with world.database.read() as tx:
        after = Counter(tx.session.scalars(select(WelcomeEmail.state)))
    assert after == {EmailState.UNKNOWN: states[EmailState.UNKNOWN], EmailState.SENT: states[EmailState.PENDING]}
    sent = [one.recipient for one in world.mail.deliveries()]
    assert len(sent) == len(set(sent))


def test_what_is_unknown_stays_so_though_the_failure_cannot_be_counted(
    sqlite_world: World, simulator: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 3: an error of our database must not look as if nothing had been sent."""
    world = sqlite_world
    world.mail.behave(Behaviour(silence="drop"))

    def deadlock(*_: object, **__: object) -> int:
        raise OperationalError("INSERT INTO outages", {}, Exception("deadlock detected"))

    monkeypatch.setattr(outages, "count_failure", deadlock)
    ask_with_emails(world, simulator, 1)
    world.run_due()
    with world.database.read() as tx:
        assert tx.session.scalars(select(WelcomeEmail.state)).one() is EmailState.UNKNOWN


def test_one_client_that_xpm_cannot_answer_is_no_outage(
    own_sqlite_world: World, own_simulator: SimulatorHandle
) -> None:
    # Given an XPM that fails for one client whenever it is asked, and a practice whose directory is not synced
    world, (bad, *good) = own_sqlite_world, importable(own_simulator)[:4]
    own_simulator.simulator.faults.add(FaultRule("status_500", "client.api/get", bad.uuid, count=1000))
    first = world.ask(bad.uuid)
    world.run_due()
    # When others are imported, then they are
    others = [world.run_import(person.uuid) for person in good]
    assert {row.state for row in others} == {ImportState.SUCCEEDED}
    assert world.import_row(first).state is ImportState.WAITING
    assert world.jobs_of(first)["validate_import"].error_code == "xpm_unavailable"


def test_an_xpm_that_is_away_is_asked_by_one_job_at_a_time(
    own_sqlite_world: World, own_simulator: SimulatorHandle
) -> None:
    # Given an XPM that answers nothing but errors, and eight imports that need it
    world = own_sqlite_world
    own_simulator.simulator.faults.add(FaultRule("status_500", count=100_000))
    asked = [world.ask(person.uuid) for person in importable(own_simulator)[:8]]
    # When they have run for twenty minutes
    for _ in range(20):
        world.run_due()
        pass_to_the_next_probe(world)
    # Then the wait of each is a deferral, no attempt beyond the first few is used up, and nothing is dead
    jobs = [world.jobs_of(import_id)["validate_import"] for import_id in asked]
    assert {job.state for job in jobs} == {JobState.WAITING}
    assert sum(job.attempts for job in jobs) <= 3
    # When XPM is back, then all are imported
    own_simulator.simulator.faults.clear()
    pass_to_the_next_probe(world)
    world.run_due()
    assert {world.import_row(import_id).state for import_id in asked} == {ImportState.SUCCEEDED}
    assert outage(world) is None


def test_of_the_jobs_that_meet_an_outage_one_makes_the_next_probe(
    sqlite_world: World, simulator: SimulatorHandle
) -> None:
    # Given an outage that no job has met, as web processes note it, and whose next probe is a minute away
    world = sqlite_world
    with world.database.write() as tx:
        for _ in range(OPENS_AFTER):
            outages.count_failure(tx, XPM.name, reason="cannot be reached", holder="", of_all=True)
        outages.plan_probe(tx, XPM.name, XPM.code, seconds=60)
    # When imports meet it
    asked = [world.ask(person.uuid) for person in importable(simulator)[:5]]
    world.run_due()
    # Then one of them waits for the probe, and the others for longer
    now = world.services.sources.now()
    due = [world.jobs_of(import_id)["validate_import"].next_attempt_at for import_id in asked]
    waits = sorted((at - now).total_seconds() for at in due if at)
    assert waits[0] <= 61
    assert min(waits[1:]) > 500
    # And once it has made it, all go on
    pass_to_the_next_probe(world)
    world.run_due()
    assert {world.import_row(import_id).state for import_id in asked} == {ImportState.SUCCEEDED}


def test_the_probe_is_made_by_a_job_that_may_run(sqlite_world: World, simulator: SimulatorHandle) -> None:
    # Given two emails that wait for the mail server, and a pause that the first of them meets
    world = sqlite_world
    world.mail.behave(OUR_SENDER_REFUSED)
    ask_with_emails(world, simulator, 5)
    world.run_due()
    waiting = [each for each in emails(world) if each.error_code == MAIL.code and each.next_attempt_at]
    first, second = sorted(waiting, key=lambda each: (each.next_attempt_at, each.id))[:2]
    other = add_practice(world, "Quay Partners")
    set_job(world, first.id, practice_id=other)
    pause(world, practice_id=other)
    # When the next probe is planned
    with world.database.write() as tx:
        outages.plan_probe(tx, MAIL.name, MAIL.code, seconds=0)
    # Then the second makes it
    now = world.services.sources.now()
    [again] = [each for each in emails(world) if each.id == second.id]
    assert again.next_attempt_at is not None
    assert (again.next_attempt_at - now).total_seconds() <= 1
    with world.database.read() as tx:
        assert outages.probe_that_nobody_makes(tx, MAIL.name, MAIL.code) is None
    # And with that one paused too, whoever meets the outage next makes it
    pause(world)
    with world.database.read() as tx:
        assert outages.probe_that_nobody_makes(tx, MAIL.name, MAIL.code) is not None


def test_a_job_that_is_parked_after_the_outage_has_ended_is_due_at_once(
    world: World, simulator: SimulatorHandle
) -> None:
    """P17: the end of the outage could not wake it, since it did not wait yet."""

    class EndsMeanwhile:
        """A mailer whose outage ends between its answer and the record of it."""

        def send(self, message: object, recipient: str) -> None:  # noqa: ARG002 -- as the mailer's
            raise Away(MAIL, "cannot be reached", 600.0).as_deferred()

        def close(self) -> None:
            """Nothing to close."""

    # Given an email that is due
    ask_with_emails(world, simulator, 1)
    while not emails(world):
        world.runner().run(first_due(world))
    # When it finds the mail server away, and that is over before it is recorded
    world.runner(services=replace(world.services, mailer=EndsMeanwhile())).run(emails(world)[0].id)
    assert emails(world)[0].error_code == "mail_outage"
    # Then nothing is waited for
    world.run_due()
    assert len(world.mail.deliveries()) == 1


def first_due(world: World) -> UUID:
    with world.database.read() as tx:
        return tx.session.scalars(select(Job.id).where(Job.state == JobState.QUEUED)).one()


class NoRoom:
    """The limiter of a tenant whose quota is used up."""

    def acquire(self, tenant_id: str, *, lane: str, holder: str, deadline: float) -> AbstractContextManager[Permit]:  # noqa: ARG002
        raise QuotaDeferred("day", 3600.0)


def test_a_probe_that_our_own_quota_stops_is_made_by_another(sqlite_world: World) -> None:
    # Given an XPM that counts as away and whose next probe is due
    world = sqlite_world
    with world.database.write() as tx:
        for _ in range(OPENS_AFTER):
            outages.count_failure(tx, XPM.name, reason="cannot be reached", holder="", of_all=True)
        outages.plan_probe(tx, XPM.name, XPM.code, seconds=0)
    watched = Outages(world.database, world.services.sources)
    # When the one whose turn it is may not call XPM now
    with pytest.raises(QuotaDeferred), WatchedLimiter(NoRoom(), watched).acquire("a", **CALL):
        pass
    # Then the next caller makes the probe at once, and its answer ends the outage
    with WatchedLimiter(UnlimitedLimiter(), watched).acquire("b", **CALL):
        pass
    assert outage(world) is None


class Meanwhile:
    """A limiter that gives no permit, while another caller fails and a third one takes the probe."""

    def __init__(self, world: World) -> None:
        self._world = world

    def acquire(self, tenant_id: str, *, lane: str, holder: str, deadline: float) -> AbstractContextManager[Permit]:  # noqa: ARG002
        with self._world.database.write() as tx:
            outages.count_failure(tx, XPM.name, reason="cannot be reached", holder="", of_all=True)
            assert outages.take_probe(tx, XPM.name, seconds=PROBE_SECONDS)
        raise QuotaDeferred("day", 3600.0)


def test_who_did_not_take_the_probe_does_not_give_it_back(sqlite_world: World) -> None:
    # Given a caller on its way since before XPM counted as away
    world = sqlite_world
    with world.database.write() as tx:
        for _ in range(OPENS_AFTER - 1):
            outages.count_failure(tx, XPM.name, reason="cannot be reached", holder="", of_all=True)
    watched = Outages(world.database, world.services.sources)
    # When another takes the probe meanwhile, and our own quota stops the first
    with pytest.raises(QuotaDeferred), WatchedLimiter(Meanwhile(world), watched).acquire("a", **CALL):
        pass
    # Then nobody makes a second probe beside it
    with pytest.raises(XpmAway), WatchedLimiter(UnlimitedLimiter(), watched).acquire("b", **CALL):
        pass


def test_no_probe_is_left_to_a_job_that_the_quota_holds_back(sqlite_world: World) -> None:
    # Given two jobs that wait for XPM, of which the first is of a practice whose work of this kind waits for the quota
    world = sqlite_world
    first, held, second = add(
        world, new_job(world), new_job(world), new_job(world, practice_id=add_practice(world, "Quay Partners"))
    )
    now = world.services.sources.now()
    for job_id, code, seconds in ((first, XPM.code, 60), (second, XPM.code, 120), (held, QUOTA_CODE, 3600)):
        later = now + timedelta(seconds=seconds)
        set_job(world, job_id, state=JobState.WAITING, error_code=code, next_attempt_at=later)
    # When a probe is planned for now
    with world.database.write() as tx:
        for _ in range(OPENS_AFTER):
            outages.count_failure(tx, XPM.name, reason="cannot be reached", holder="", of_all=True)
        outages.plan_probe(tx, XPM.name, XPM.code, seconds=0)
    # Then the second makes it
    assert job(world, first).next_attempt_at == now + timedelta(seconds=60)
    probe_at = job(world, second).next_attempt_at
    assert probe_at is not None
    assert probe_at <= world.services.sources.now()


def test_a_person_who_asks_again_for_one_record_is_no_outage(
    own_sqlite_world: World, own_simulator: SimulatorHandle
) -> None:
    # Given an XPM that fails for one record whenever it is asked
    world, bad = own_sqlite_world, importable(own_simulator)[0]
    own_simulator.simulator.faults.add(FaultRule("status_500", "client.api/get", bad.uuid, count=1000))
    # When a person asks for it again and again
    caller = Caller(world.practice_id, world.staff_id, "Kim", Role.PARTNER, frozenset(Scope))
    for _ in range(OPENS_AFTER + 1):
        with pytest.raises(Transient):
            record_in_xpm(world.services, caller, bad.uuid)
    # Then XPM does not count as away for everybody
    found = outage(world)
    assert found is not None
    assert found.failures < OPENS_AFTER
