"""Reconcile: what is out of step is found once, mended where that is safe, and left alone where it only looks so."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, update

from handlers.operations.reconcile import FINDING_TEXTS, Became, Report, reconcile
from portal_db.states import ConnectionState, EmailState, ErrorClass, ImportState, JobState, Lane
from portal_db.tables import Import, Job, JobAttempt, WelcomeEmail, XeroConsent, XeroLogin, XpmConnection
from portal_db.types import db_now
from portal_db.work import jobs, outages
from tests.handlers.given import link_entity, run_only, set_staff
from tests.handlers.operations.conftest import lead, queues_of
from tests.making import add, claimed, importable, job, new_job, set_job
from tests.worker.queue.desk import Desk
from worker.queue.bell import RedisBell, connect
from worker.queue.door import QUEUE
from worker.queue.inspect import RedisQueues
from xpm.simulator.serve import SimulatorHandle


def look(desk: Desk, *, dry_run: bool = False, max_links: int = 0) -> Report:
    return reconcile(desk.services, queues_of(desk), dry_run=dry_run, max_links=max_links)


def found(report: Report) -> dict[str, list[str]]:
    """Subjects by code; every code has its words."""
    result: dict[str, list[str]] = {}
    for finding in report.findings:
        assert FINDING_TEXTS[finding.code].words
        result.setdefault(finding.code, []).append(finding.subject)
    return result


def lose_job(desk: Desk, import_id: UUID, kind: str) -> None:
    """A job vanishes from the record, with its attempts."""
    job_id = desk.world.jobs_of(import_id)[kind].id
    with desk.world.database.write() as tx:
        tx.session.execute(delete(JobAttempt).where(JobAttempt.job_id == job_id))
        tx.session.execute(delete(Job).where(Job.id == job_id))


def test_a_portal_that_is_well_has_no_findings(led: Desk, simulator: SimulatorHandle) -> None:
    led.world.run_import(importable(simulator)[0].uuid, send_welcome_email=True)
    led.ask(importable(simulator)[1].uuid)
    report = look(led)
    assert (report.findings, report.needs_person) == ([], False)


def test_clients_of_somebody_who_left_are_found_until_a_colleague_has_them(led: Desk) -> None:
    link_entity(led.world, uuid4())
    assert found(look(led)) == {}
    set_staff(led.world, left_at=db_now())
    assert found(look(led, dry_run=True)) == {"owner_left": [str(led.world.connection_id)]}


SPINE = ("validate_import", "create_client")


@pytest.mark.parametrize(
    ("ran", "lost"),
    [
        ((), {"validate_import"}),
        (SPINE[:1], {"create_client"}),
        (SPINE, {"import_details", "import_relationships", "send_welcome_email"}),
    ],
)
def test_an_import_without_a_job_is_carried_on_from_where_it_was(
    led: Desk, simulator: SimulatorHandle, ran: tuple[str, ...], lost: set[str]
) -> None:
    # Given an import whose next jobs vanished
    import_id = led.world.ask(importable(simulator)[0].uuid, send_welcome_email=True)
    for kind in ran:
        run_only(led.world, import_id, kind)
    for kind in lost:
        lose_job(led, import_id, kind)
    # When somebody only looks, then nothing changes
    assert found(look(led, dry_run=True)) == {"import_without_job": [str(import_id)]}
    assert not [row for row in led.world.jobs_of(import_id).values() if row.state is JobState.QUEUED]
    # When it is mended, then what is missing is there again, and the import comes to its end
    assert found(look(led)) == {"import_without_job": [str(import_id)]}
    again = {name for name, row in led.world.jobs_of(import_id).items() if row.state is JobState.QUEUED}
    assert again == lost
    assert found(look(led)) == {}
    led.world.run_due()
    assert led.world.import_row(import_id).state is ImportState.SUCCEEDED
    assert led.world.scalar("SELECT count(*) FROM clients") == 1
    assert len(led.world.mail.deliveries()) == 1


def test_an_open_import_whose_jobs_have_all_ended_is_closed_by_the_table(led: Desk, simulator: SimulatorHandle) -> None:
    row = led.world.run_import(importable(simulator)[0].uuid)
    with led.world.database.write() as tx:
        tx.session.execute(update(Import).where(Import.id == row.id).values(state="in_progress", closed_at=None))
    [finding] = look(led).findings
    assert (finding.code, finding.done) == ("import_without_job", "closed as succeeded")
    assert led.world.import_row(row.id).state is ImportState.SUCCEEDED


def test_a_job_that_nobody_was_told_of_is_rung(led: Desk) -> None:
    [late] = add(led.world, new_job(led.world))
    assert found(look(led)) == {}, "it is young"
    led.world.pass_time(61)
    lead(led)
    assert found(look(led, dry_run=True)) == {"job_overdue": [str(late)]}
    assert led.rung(Lane.IMPORT) == []
    assert found(look(led)) == {"job_overdue": [str(late)]}
    assert led.rung(Lane.IMPORT) == [late]
    # And as long as no worker takes it, a person is asked to start one
    report = look(led)
    assert found(report) == {"job_not_taken": [str(late)]}
    assert report.needs_person
    assert led.rung(Lane.IMPORT) == [late]


def test_jobs_that_wait_for_their_turn_the_quota_or_a_pause_are_not_overdue(led: Desk) -> None:
    world = led.world
    behind, running = add(world, new_job(world), new_job(world))
    claimed(world, running)
    quota = {"state": JobState.WAITING, "error_code": "xpm_quota", "error_class": ErrorClass.DEFERRED}
    put_off, behind_it = add(world, new_job(world, lane=Lane.EMAIL), new_job(world, lane=Lane.EMAIL))
    set_job(world, put_off, **quota, next_attempt_at=db_now(-300), created_at=db_now(-400))
    for late in (behind, behind_it):
        set_job(world, late, created_at=db_now(-300))
    assert found(look(led)) == {}
    assert {job(world, each).rung_at for each in (behind, put_off, behind_it)} == {None}


def test_a_mail_server_that_is_away_is_reported_and_a_single_hiccup_is_not(led: Desk) -> None:
    # Given a mail server that failed for two jobs, then for a third
    def fail(holder: str) -> None:
        with led.world.database.write() as tx:
            outages.count_failure(tx, "mail", reason="cannot be reached", holder=holder, of_all=True)

    fail("first")
    fail("second")
    assert found(look(led)) == {}
    fail("third")
    # Then reconcile says so, and it needs a person if it lasts
    report = look(led)
    assert found(report) == {"upstream_away": ["mail: cannot be reached"]}
    assert report.needs_person


def test_leases_that_nobody_takes_back_are_taken_back(desk: Desk) -> None:
    [lost] = add(desk.world, new_job(desk.world))
    claimed(desk.world, lost)
    desk.world.pass_time(16)
    assert found(look(desk, dry_run=True)) == {"no_relay": ["relay"], "lease_expired": [str(lost)]}
    assert job(desk.world, lost).state is JobState.RUNNING
    report = look(desk)
    assert found(report) == {"no_relay": ["relay"], "lease_expired": [str(lost)]}
    assert report.needs_person, "the relay must be started"
    assert (job(desk.world, lost).state, job(desk.world, lost).lost_leases) == (JobState.QUEUED, 1)


def test_messages_whose_job_is_finished_or_unknown_are_dropped_and_no_others(led: Desk) -> None:
    # Given messages of an open job, of a finished one, of none, garbage, and one that a process holds
    world = led.world
    waiting, done, held = add(world, new_job(world), new_job(world), new_job(world))
    for finished in (done, held):
        lease = claimed(world, finished)
        with world.database.write() as tx:
            jobs.succeed(tx, lease)
    led.bell.ring(Lane.IMPORT, [held])
    [held_message] = [key.decode() for key in led.client.hkeys(led.key("import.msgs"))]  # type: ignore[union-attr]
    led.client.lrem(led.key("import"), 0, held_message)
    led.client.sadd(led.key("__acks__.some-process.import"), held_message)
    led.bell.ring(Lane.IMPORT, [waiting, done, uuid4()])
    led.put("import", b"garbage", "bad")
    led.client.hset(led.key("import.msgs"), b"\xff\xfe", b"orphan")
    led.put(QUEUE, b"a person's request", "request")
    # When it is looked at and when it is mended
    assert len(found(look(led, dry_run=True))["message_without_job"]) == 4
    assert led.client.hlen(led.key("import.msgs")) == 6
    report = look(led)
    # Then only what nobody can use is gone, and the door's requests were only counted
    assert len(found(report)["message_without_job"]) == 4
    assert led.rung(Lane.IMPORT) == [waiting]
    assert led.client.hexists(led.key("import.msgs"), held_message)
    assert report.requests_waiting == 1
    assert led.unacknowledged(QUEUE) == 1
    assert not report.needs_person
    assert found(look(led)) == {}


def test_without_redis_the_record_is_mended_all_the_same(led: Desk) -> None:
    [late] = add(led.world, new_job(led.world))
    set_job(led.world, late, created_at=db_now(-300))
    import_id = led.world.ask(uuid4())
    lose_job(led, import_id, "validate_import")
    away = led.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    client = connect(away)
    queues = RedisQueues(client, RedisBell(client, "portal", led.services.sources), "portal")
    report = reconcile(led.services, queues, dry_run=False, max_links=0)
    assert found(report) == {"import_without_job": [str(import_id)], "redis_away": ["Redis"]}
    assert report.needs_person
    assert job(led.world, late).rung_at is None, "nothing counts as rung"


def test_an_email_that_nobody_is_sending_is_marked_unknown(led: Desk, simulator: SimulatorHandle) -> None:
    # Given an email whose job ended without a word about it, and one that is being sent
    people = importable(simulator)[:2]
    rows = [led.world.run_import(person.uuid, send_welcome_email=True) for person in people]
    with led.world.database.write() as tx:
        tx.session.execute(update(WelcomeEmail).values(state=EmailState.SENDING))
    set_job(led.world, led.world.jobs_of(rows[1].id)["send_welcome_email"].id, state=JobState.QUEUED)
    # When it is looked at, then the first only is unknown, and a person decides
    report = look(led)
    assert len(found(report)["email_abandoned"]) == 1
    assert [finding.became for finding in report.findings if finding.code == "email_abandoned"] == [Became.NEEDS_PERSON]
    assert led.world.scalar("SELECT count(*) FROM welcome_emails WHERE state = 'unknown'") == 1
    assert led.world.scalar("SELECT count(*) FROM welcome_emails WHERE state = 'sending'") == 1


def test_secrets_past_their_time_are_thrown_away(led: Desk) -> None:
    with led.world.database.write() as tx:
        login = {"access_expires_at": db_now(), "updated_at": db_now(-2 * 86_400), "version": 3, "refresh_failures": 0}
        tx.session.add(XeroLogin(id=tx.new_id(), xero_user_id="left", access_token=b"x", refresh_token=b"y", **login))
        owner = {"practice_id": led.world.practice_id, "staff_id": led.world.staff_id, "verifier": b"v"}
        tx.session.add(XeroConsent(id=tx.new_id(), state_hash="a", expires_at=db_now(-5), **owner))
        tx.session.add(XeroConsent(id=tx.new_id(), state_hash="b", expires_at=db_now(500), **owner))
        tx.session.flush()
    assert {code: len(ids) for code, ids in found(look(led, dry_run=True)).items()} == {
        "consent_expired": 1,
        "login_unused": 1,
    }
    assert {code: len(ids) for code, ids in found(look(led)).items()} == {"consent_expired": 1, "login_unused": 1}
    assert led.world.scalar("SELECT count(*) FROM xero_logins WHERE access_token IS NULL") == 1
    assert led.world.scalar("SELECT count(*) FROM xero_consents") == 1
    assert found(look(led)) == {}


def test_tokens_that_a_job_is_about_to_end_at_xero_are_left_to_it(led: Desk) -> None:
    with led.world.database.write() as tx:
        tx.session.execute(update(XeroLogin).values(updated_at=db_now(-2 * 86_400)))
        tx.session.execute(update(XpmConnection).values(state=ConnectionState.DISCONNECTED))
    [leaving] = add(led.world, new_job(led.world, dedupe_key=f"leave_xero:{led.world.connection_id}"))
    assert found(look(led)) == {}
    set_job(led.world, leaving, state=JobState.CANCELLED)
    assert list(found(look(led))) == ["login_unused"]


def test_receipts_of_imports_that_a_backup_does_not_know_are_told(led: Desk) -> None:
    accepted = uuid4()
    led.client.set(led.key("receipts:p:r"), f'{{"status": "accepted", "import_id": "{accepted}"}}')
    led.client.set(led.key("receipts:p:s"), '{"status": "refused"}')
    report = look(led)
    assert found(report) == {"receipt_without_import": [str(accepted)]}
    assert report.needs_person
