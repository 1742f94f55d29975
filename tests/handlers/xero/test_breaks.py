"""A break from end to end: jobs are parked, the owner is told once, a reconnect resumes everything, and 72 hours end it."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import select, update

from portal_db.states import ConnectionState, EmailState, ImportState, JobState
from portal_db.tables import Job, ReconnectNotice, Staff
from portal_db.types import db_now
from tests.handlers.email.test_lost_lease import is_not_sent_late
from tests.handlers.given import requeue
from tests.handlers.xero.office import Office
from tests.letters import body, letters
from worker.local.mail_catcher import Behaviour

HOUR = 3600.0
KIND = "send_reconnect_notice"


def break_it(office: Office, imports: int = 1) -> list[UUID]:
    """Xero ends the consent, and jobs find out; the email is not sent yet."""
    office.expire()
    office.grants.revoke_all()
    import_ids = [office.ask(number) for number in range(imports)]
    for import_id in import_ids:
        office.world.runner().run(office.job(import_id).id)
    return import_ids


def notice_job(office: Office) -> Job:
    with office.world.database.read() as tx:
        return tx.session.execute(select(Job).where(Job.kind == KIND)).scalar_one()


def test_invalid_grant_parks_and_a_reconnect_resumes_with_nothing_lost(both_offices: Office) -> None:
    office = both_offices
    # Given five imports, three of them asked for before the consent ended and two after
    before = [office.ask(number) for number in range(3)]
    office.expire()
    office.grants.revoke_all()
    after = [office.ask(number) for number in (3, 4)]
    # When they run
    office.world.run_due()
    # Then all wait, and say for what and until when
    for import_id in before + after:
        job = office.job(import_id)
        assert (job.state, job.error_code) == (JobState.WAITING, "reconnect_xpm")
        assert job.next_attempt_at is not None
        assert job.waiting_since is not None
    # And after a reconnect all go on at once, without waiting for their next look
    assert office.reconnect().woken == 5
    office.world.run_due()
    assert {office.world.import_row(row).state for row in before + after} == {ImportState.SUCCEEDED}
    assert office.world.scalar("SELECT count(*) FROM clients") == 5
    assert office.state() == (ConnectionState.CONNECTED, None)


def test_after_72_hours_imports_fail_and_can_be_requeued(office: Office) -> None:
    [import_id] = break_it(office)
    office.world.pass_time(71.9 * HOUR)
    office.world.run_due()
    assert office.world.import_row(import_id).state is ImportState.WAITING
    office.world.pass_time(0.1 * HOUR)
    office.world.run_due()
    row = office.world.import_row(import_id)
    assert (row.state, row.outcome_code) == (ImportState.FAILED, "reconnect_xpm")
    office.reconnect()
    requeue(office.world, row.id, "validate_import")
    office.world.run_due()
    assert office.world.import_row(row.id).state is ImportState.SUCCEEDED


def test_the_72_hours_begin_anew_after_a_reconnect(office: Office) -> None:
    [import_id] = break_it(office)
    office.world.pass_time(71 * HOUR)
    office.reconnect()
    office.grants.revoke_all()
    office.world.run_due()
    office.world.pass_time(2 * HOUR)
    office.world.run_due()
    assert office.world.import_row(import_id).state is ImportState.WAITING


def test_the_email_says_what_happened_and_what_to_do(office: Office) -> None:
    break_it(office)
    office.run_job(KIND)
    [(delivery, letter)] = [
        found
        for found in zip(office.world.mail.deliveries(), letters(office.world), strict=True)
        if "Reconnect" in found[0].subject
    ]
    assert delivery.recipient == f"partner-{office.partner.staff_id.hex}@practice.example"
    text = body(letter)
    for words in (
        "Hello Kim",
        "Your Xero connection has expired",
        "Reconnect XPM under Configure > Integrations",
        "72 hours",
    ):
        assert words in " ".join(text.split())
    assert letter["Message-ID"]


def test_each_break_is_told_once_however_many_jobs_find_it(office: Office) -> None:
    break_it(office, imports=6)
    office.world.run_due()
    assert len(office.letters()) == 1
    office.reconnect()
    office.world.run_due()
    office.grants.revoke_all()
    office.ask(10)
    office.world.run_due()
    assert len(office.letters()) == 2
    assert office.notices() == [EmailState.SENT, EmailState.SENT]


def test_a_worker_that_was_held_up_tells_nobody_late(office: Office) -> None:
    break_it(office)
    is_not_sent_late(office.world, KIND)


def test_a_notice_that_is_delivered_twice_is_sent_once(office: Office) -> None:
    break_it(office)
    job_id = notice_job(office).id
    office.world.runner().run(job_id)
    office.world.runner().run(job_id)
    assert (len(office.letters()), notice_job(office).state) == (1, JobState.SUCCEEDED)


def test_a_reconnect_before_the_email_makes_it_needless(office: Office) -> None:
    break_it(office)
    office.reconnect()
    office.run_job(KIND)
    assert (office.letters(), office.notices()) == ([], [EmailState.CANCELLED])


def test_nobody_is_told_who_has_left(office: Office) -> None:
    break_it(office)
    with office.world.database.write() as tx:
        tx.session.execute(update(Staff).where(Staff.id == office.partner.staff_id).values(left_at=db_now()))
    office.run_job(KIND)
    assert (office.letters(), office.notices()) == ([], [EmailState.CANCELLED])


def test_a_mail_server_that_is_busy_is_tried_again(office: Office) -> None:
    break_it(office)
    office.world.mail.behave(Behaviour(refuse={"*": "451 4.3.0 Try again later"}))
    office.run_job(KIND)
    assert office.notices() == [EmailState.PENDING]
    office.world.mail.behave(Behaviour())
    office.world.pass_time(HOUR)
    office.run_job(KIND)
    assert (len(office.letters()), office.notices()) == (1, [EmailState.SENT])


def test_an_address_that_is_refused_is_noted(office: Office) -> None:
    break_it(office)
    office.world.mail.behave(Behaviour(refuse={"*": "550 5.1.1 No such mailbox"}))
    office.run_job(KIND)
    assert (office.notices(), notice_job(office).state) == ([EmailState.REFUSED], JobState.REJECTED)


@pytest.mark.parametrize("kept", [True, False])
def test_a_mail_server_that_went_silent_is_not_asked_again(office: Office, kept: bool) -> None:
    break_it(office)
    office.world.mail.behave(Behaviour(silence="drop", keep_silenced=kept))
    office.run_job(KIND)
    office.world.mail.behave(Behaviour())
    office.world.pass_time(HOUR)
    office.world.run_due()
    assert len(office.letters()) == int(kept)
    assert (office.notices(), notice_job(office).state) == ([EmailState.UNKNOWN], JobState.DEAD)


def test_an_intent_of_a_worker_that_died_is_not_sent_a_second_time(office: Office) -> None:
    break_it(office)
    with office.world.database.write() as tx:
        tx.session.execute(update(ReconnectNotice).values(state=EmailState.SENDING, sending_token=tx.new_id()))
    office.run_job(KIND)
    assert (office.letters(), office.notices()) == ([], [EmailState.UNKNOWN])
    assert notice_job(office).error_code == "email_outcome_unknown"
