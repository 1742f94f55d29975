"""Retention: what is past its days goes, in short batches; dead letters, their imports' history and open work stay."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update

from config.folding import name_key
from handlers.access import password_reset, passwords
from handlers.operations.housekeeping import keep_house
from portal_db.access import people
from portal_db.states import ErrorClass, JobState
from portal_db.tables import Client, Import, ImportEvent, Job, JobAttempt, MalformedMessage, Relationship, XeroConsent
from portal_db.types import db_now
from portal_db.upkeep import retention
from portal_db.work import jobs
from tests.handlers.access.test_password_reset import HERE, PASSWORD, ask, tokens
from tests.making import add, claimed, failure, importable, new_job, set_job
from tests.world import World
from worker.local.mail_catcher import Behaviour
from worker.runner.leases import Leases
from xpm.simulator.serve import SimulatorHandle

DAY = 86_400


def tables(world: World) -> dict[str, int]:
    with world.database.read() as tx:
        return {
            table.__tablename__: len(tx.session.scalars(select(table)).all())
            for table in (Job, JobAttempt, Import, ImportEvent, MalformedMessage, XeroConsent)
        }


def house(world: World, *, dry_run: bool = False) -> dict[str, int]:
    done = keep_house(world.database, world.services.settings, dry_run=dry_run)
    return {name: count for name, count in done.items() if count}


def fill(world: World, simulator: SimulatorHandle) -> Sequence[UUID]:
    """Two finished imports, and a message and a consent of their time."""
    rows = [world.run_import(person.uuid) for person in importable(simulator)[:2]]
    with world.database.write() as tx:
        message = {"queue": "import_requests", "reason": "bad", "payload": b"x", "received_at": db_now()}
        tx.session.execute(insert(MalformedMessage).values(id=tx.new_id(), digest="d", **message))
        consent = {"practice_id": world.practice_id, "staff_id": world.staff_id, "state_hash": "s", "verifier": b"v"}
        tx.session.execute(insert(XeroConsent).values(id=tx.new_id(), expires_at=db_now(600), **consent))
    return [row.id for row in rows]


def test_what_is_past_its_days_goes_and_not_a_day_before(world: World, simulator: SimulatorHandle) -> None:
    fill(world, simulator)
    before = tables(world)
    assert house(world) == {}
    world.pass_time(29 * DAY)
    assert house(world) == {"ended consents": 1}
    world.pass_time(2 * DAY)
    assert house(world) == {"malformed messages": 1}
    world.pass_time(58 * DAY)
    assert house(world) == {}
    world.pass_time(2 * DAY)
    # When only counted, everything stays; then jobs go with their attempts, and imports stay
    plan = house(world, dry_run=True)
    assert plan == {"finished jobs": before["jobs"], "import events": 2}
    assert tables(world) == {**before, "xero_consents": 0, "malformed_messages": 0}
    assert house(world) == plan
    assert tables(world) == {**dict.fromkeys(before, 0), "imports": before["imports"]}
    assert house(world) == {}


@pytest.mark.parametrize("state", [JobState.DEAD, JobState.QUEUED, JobState.WAITING, JobState.RUNNING])
def test_dead_letters_and_open_work_keep_the_history_of_their_import(
    world: World, simulator: SimulatorHandle, state: JobState
) -> None:
    kept, _ = fill(world, simulator)
    apart_dead, apart_done = add(world, new_job(world), new_job(world))
    set_job(world, apart_dead, state=JobState.DEAD, finished_at=db_now())
    set_job(world, apart_done, state=JobState.SUCCEEDED, finished_at=db_now())
    set_job(world, world.jobs_of(kept)["import_details"].id, state=state)
    world.pass_time(10_000 * DAY)
    assert house(world)["finished jobs"] == len(world.jobs_of(kept)) + 1
    with world.database.read() as tx:
        left = tx.session.scalars(select(Job)).all()
    assert {job.import_id for job in left} == {kept, None}
    assert len([job for job in left if job.import_id == kept]) == len(world.jobs_of(kept)) > 3
    assert [job.id for job in left if job.import_id is None] == [apart_dead]
    assert tables(world)["job_attempts"] == len(world.jobs_of(kept))


def test_an_open_import_keeps_its_jobs(world: World, simulator: SimulatorHandle) -> None:
    """Else reconcile would think that they were never made, and make them again."""
    kept, _ = fill(world, simulator)
    with world.database.write() as tx:
        tx.session.execute(update(Import).where(Import.id == kept).values(state="in_progress"))
    world.pass_time(10_000 * DAY)
    house(world)
    assert world.jobs_of(kept)


def test_a_dead_letter_requeued_between_the_look_and_the_deletion_keeps_its_history(
    world: World, simulator: SimulatorHandle
) -> None:
    kept, other = fill(world, simulator)
    world.pass_time(100 * DAY)
    with world.database.read() as tx:
        found = retention.find(tx, retention.RULES["finished jobs"], 90, after=None, limit=100)
    set_job(world, world.jobs_of(kept)["import_details"].id, state=JobState.QUEUED)
    with world.database.write() as tx:
        dropped = retention.drop(tx, retention.RULES["finished jobs"], 90, found)
    assert dropped == len(found) - len(world.jobs_of(kept))
    assert len(world.jobs_of(kept)) > 3
    assert not world.jobs_of(other)


def test_batches_are_short_so_that_heartbeats_get_through(sqlite_world: World) -> None:
    # Given ten thousand finished jobs, and a worker that runs one and renews its lease as often as it can
    world = sqlite_world
    rows = [new_job(world) for _ in range(10_000)]
    for start in range(0, len(rows), 1000):
        add(world, *rows[start : start + 1000])
    with world.database.write() as tx:
        old = {"state": JobState.SUCCEEDED, "finished_at": db_now(-100 * DAY), "error_class": ErrorClass.TRANSIENT}
        tx.session.execute(update(Job).values(**old))
    [mine] = add(world, new_job(world))
    lease = claimed(world, mine)
    leases = Leases(world.database, "worker-1", lease_seconds=10, every_seconds=3)
    waits: list[float] = []
    stopping = threading.Event()

    def beat() -> None:
        with leases.held(lease):
            while not stopping.is_set():
                before = time.monotonic()
                leases.renew()
                waits.append(time.monotonic() - before)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        # When house is kept
        assert house(world) == {"finished jobs": 10_000}
    finally:
        stopping.set()
        thread.join(10)
    # Then no heartbeat ever waited for long, and the job is still the worker's
    assert len(waits) > 20
    assert max(waits) < 3
    with world.database.write() as tx:
        jobs.end(tx, lease, JobState.DEAD, failure())


def test_names_that_an_earlier_release_wrote_are_found_after_it(world: World, simulator: SimulatorHandle) -> None:
    row = world.run_import(importable(simulator)[0].uuid, name="Wei\u00dfbach", bring_relationships=True)
    with world.database.write() as tx:  # as a release would that does not know the columns
        tx.session.execute(update(Client).values(name_key=None))
        tx.session.execute(update(Relationship).values(search_key=None))
    keep_house(world.database, world.services.settings)
    with world.database.read() as tx:
        assert tx.session.scalars(select(Client.name_key).where(Client.id == row.client_id)).all() == ["weissbach"]
        keys = tx.session.execute(select(Relationship.search_key, Relationship.other_name, Relationship.label)).all()
    assert [key for key, *_ in keys] == [name_key(*texts) for _, *texts in keys]


def invite(world: World) -> None:
    """A colleague who was just added gets an email with a link to set their first password."""
    with world.database.write() as tx:
        staff = people.at_work(tx, world.staff_id, practice_id=world.practice_id)
        assert staff is not None
        password_reset.add_email(tx, staff.login_id, world.practice_id, is_invitation=True)


def test_an_invitation_stays_for_as_long_as_its_link_works_and_a_day(world: World) -> None:
    # Given an invitation that was sent, and a forgotten password of the same day
    invite(world)
    ask(world)
    world.run_due()
    invitation, _ = tokens(world)
    # When house is kept shortly before the invitation ends, then the other one is gone and this one still works
    world.pass_time(passwords.LINK_SECONDS - 60)
    assert house(world) == {"requests for a new password": 1}
    passwords.set_by_link(world.database, invitation, PASSWORD, HERE)
    # And a day after its use it is gone too
    assert house(world) == {}
    world.pass_time(DAY + 60)
    assert house(world) == {"requests for a new password": 1}


def test_an_invitation_that_waits_for_the_mail_server_is_sent_in_the_end(sqlite_world: World) -> None:
    # Given an invitation that could not be sent for over a day
    world = sqlite_world
    invite(world)
    world.mail.behave(Behaviour(refuse={"*": "451 4.3.0 Try again later"}))
    world.run_due()
    world.pass_time(1.5 * DAY)
    # When house is kept, and the mail server is back
    assert house(world) == {}
    world.mail.behave(Behaviour())
    world.run_due()
    # Then it arrives, and its link works
    [token] = tokens(world)
    passwords.set_by_link(world.database, token, PASSWORD, HERE)
