"""After a backup was put back: everything stands still, and no email leaves that may have left since the backup."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, update

from handlers.access import halfway, password_reset, passwords, remembered
from handlers.access.act import Act, act_of
from handlers.access.activation import activation_token
from handlers.access.practices import add_operator
from handlers.access.tokens import hashed
from handlers.errors import RequestRefused
from handlers.imports.welcome_email import resend
from handlers.operations import restore
from portal_db import audit
from portal_db.access import credentials, operators, second_factors
from portal_db.access.credentials import SessionOwner
from portal_db.states import EmailState, ImportState, JobState, LoginKind
from portal_db.tables import ReconnectNotice, WelcomeEmail
from portal_db.types import db_now
from tests.handlers.access.test_password_reset import HERE, PASSWORD, tokens
from tests.handlers.given import run_only
from tests.handlers.operations import given as ops
from tests.making import account, claimed, importable
from tests.worker.runner.running import count
from tests.world import World
from xpm.simulator.serve import SimulatorHandle


@pytest.fixture
def operator(world: World) -> UUID:
    return add_operator(world.database, "Sam", "sam@platform.example")


def states(world: World) -> list[EmailState]:
    with world.database.read() as tx:
        return [*tx.session.scalars(select(WelcomeEmail.state).order_by(WelcomeEmail.created_at))]


def test_no_email_of_the_backup_leaves_unconfirmed(world: World, simulator: SimulatorHandle, operator: UUID) -> None:
    # Given a backup that holds a sent email, one about to be sent, and an import that has yet to create its client
    sent, pending, to_come, later = importable(simulator)[:4]
    world.run_import(sent.uuid, send_welcome_email=True)
    about_to = world.ask(pending.uuid, send_welcome_email=True)
    for kind in ("validate_import", "create_client"):
        run_only(world, about_to, kind)
    open_import = world.ask(to_come.uuid, send_welcome_email=True)
    assert len(world.mail.deliveries()) == 1
    # When it is put back
    begun = restore.begin(world.database, Act(operator, "disk died; backup of 03:00"))
    assert begun.emails == 1
    # Then nothing runs, however much is due
    assert world.run_due() == 0
    world.runner().run(world.jobs_of(open_import)["validate_import"].id)
    assert world.states_of(open_import) == {"validate_import": JobState.QUEUED}
    # And once work goes on, neither email leaves: both are unknown, and their imports partly done
    restore.finish(world.database, Act(operator, "done"))
    world.run_due()
    assert len(world.mail.deliveries()) == 1
    assert states(world) == [EmailState.SENT, EmailState.UNKNOWN, EmailState.UNKNOWN]
    for import_id in (about_to, open_import):
        row = world.import_row(import_id)
        assert (row.state, row.outcome_code) == (ImportState.PARTLY_SUCCEEDED, "email_outcome_unknown")
    # What is asked for from now on is greeted as ever
    world.run_import(later.uuid, send_welcome_email=True)
    assert len(world.mail.deliveries()) == 2


@pytest.fixture
def held_back(world: World, simulator: SimulatorHandle, operator: UUID) -> UUID:
    """An import of a backup that was put back: its email was about to be sent, and its job is still queued."""
    import_id = world.ask(importable(simulator)[0].uuid, send_welcome_email=True)
    for kind in ops.BEFORE_EMAIL:
        run_only(world, import_id, kind)
    restore.begin(world.database, Act(operator, "disk died"))
    return import_id


def test_an_email_that_is_resent_before_work_goes_on_leaves_once(world: World, operator: UUID, held_back: UUID) -> None:
    # When its email is resent, and work goes on
    done = resend(world.database, Act(operator, "not arrived"), ops.email_of(world, held_back).id)
    assert done.version == 2
    assert world.scalar("SELECT count(*) FROM jobs WHERE kind = 'send_welcome_email'") == 1
    restore.finish(world.database, Act(operator, "done"))
    world.run_due()
    # Then its job has sent the new version
    email = ops.email_of(world, held_back)
    assert (email.state, email.version) == (EmailState.SENT, 2)
    assert email.token_hash == hashed(activation_token(world.services, email.id, 2))
    assert len(world.mail.deliveries()) == 1
    assert ops.holds_together(world, held_back) is ImportState.SUCCEEDED


def test_an_email_whose_job_is_running_is_not_resent(world: World, operator: UUID, held_back: UUID) -> None:
    """The job has read the email already: it would send the old version, or none."""
    restore.finish(world.database, Act(operator, "done"))
    email_id = ops.email_of(world, held_back).id
    claimed(world, world.jobs_of(held_back)[ops.EMAIL].id)
    ops.refused(lambda: resend(world.database, Act(operator, "not arrived"), email_id), "email_under_way")
    email = ops.email_of(world, held_back)
    assert (email.state, email.version) == (EmailState.UNKNOWN, 1)


def test_an_email_that_the_backup_was_made_in_the_midst_of_is_unknown_too(
    world: World, simulator: SimulatorHandle, operator: UUID
) -> None:
    world.run_import(importable(simulator)[0].uuid, send_welcome_email=True)
    with world.database.write() as tx:
        tx.session.execute(update(WelcomeEmail).values(state=EmailState.SENDING))
    assert restore.begin(world.database, Act(operator, "x")).emails == 1
    assert states(world) == [EmailState.UNKNOWN]


def test_a_reconnect_email_of_the_backup_is_not_sent(world: World, operator: UUID) -> None:
    with world.database.write() as tx:
        notice = {"connection_id": world.connection_id, "number": 1, "state": EmailState.PENDING}
        tx.session.add(ReconnectNotice(id=tx.new_id(), created_at=db_now(), **notice))
        tx.session.flush()
    restore.begin(world.database, Act(operator, "x"))
    assert world.scalar("SELECT state FROM reconnect_notices") == "unknown"


def test_an_email_with_a_new_password_of_the_backup_is_not_sent(sqlite_world: World) -> None:
    world = sqlite_world
    operator = add_operator(world.database, "Sam", "sam@platform.example")
    email = str(world.scalar("SELECT email FROM logins WHERE kind = 'staff'"))
    password_reset.request(world.database, world.bell, email, HERE)
    restore.begin(world.database, Act(operator, "x"))
    assert world.scalar("SELECT state FROM password_resets") == "unknown"


def test_no_access_that_the_backup_has_is_left(world: World, operator: UUID) -> None:
    # Given a backup with sessions of staff, clients and operators, sign-ins that wait for a second factor, a remembered
    # browser, and links to set a password, printed and sent
    client = account(world.database, world.practice_id, world.staff_id)
    ends = {"idle_seconds": 600.0, "seconds": 600.0}
    with world.database.write() as tx:
        owners = (SessionOwner(LoginKind.STAFF, world.staff_id), SessionOwner(LoginKind.CLIENT, client.login_id))
        for owner in owners:
            row = {"id": tx.new_id(), "token_hash": hashed(owner.kind)}
            credentials.begin_session(tx, owner, row, **ends, is_confirmed=True)
        row = {"id": tx.new_id(), "token_hash": hashed("operator"), "operator_id": operator}
        operators.begin_session(tx, row, **ends)
        halfway.begin(tx, client.login_id)
        assert second_factors.set_up(tx, client.login_id, b"sealed", step=1)
        browser = remembered.remember(tx, world.services.settings, client.login_id)
    printed = passwords.issue_link(world.database, world.services.settings, world.staff_id, world.practice_id)
    password_reset.request(world.database, world.bell, client.email, HERE)
    world.run_due()
    [sent] = tokens(world)
    # When it is put back
    restore.begin(world.database, Act(operator, "x"))
    # Then none of them is left
    sessions = ("staff_sessions", "client_sessions", "operator_sessions", "pending_sign_ins")
    assert [count(world, table) for table in sessions] == [0, 0, 0, 0]
    for token in (printed.partition("#")[2], sent):
        ops.refused(partial(passwords.set_by_link, world.database, token, PASSWORD, HERE), "link_ended")
    with world.database.read() as tx:
        assert not remembered.is_remembered(tx, world.services.settings, client.login_id, browser)


def test_it_is_begun_and_finished_once_and_both_are_audited(world: World, operator: UUID) -> None:
    with pytest.raises(RequestRefused, match="No restore is under way"):
        restore.finish(world.database, Act(operator, "done"))
    begun = restore.begin(world.database, Act(operator, "disk died"))
    with pytest.raises(RequestRefused, match="A restore is under way"):
        restore.begin(world.database, Act(operator, "again"))
    assert restore.finish(world.database, Act(operator, "done")) == begun.restore_id
    assert world.scalar("SELECT count(*) FROM pauses") == 0
    with world.database.read() as tx:
        entries = audit.of_subject(tx, "restore", begun.restore_id)
    assert [(entry.action, entry.actor_id, entry.why) for entry in entries] == [
        ("restore.begin", operator, "disk died"),
        ("restore.finish", operator, "done"),
    ]


def test_a_stranger_may_not(world: World) -> None:
    with pytest.raises(RequestRefused, match="no operator"):
        restore.begin(world.database, act_of(world.database, str(UUID(int=1)), "x"))
    assert world.scalar("SELECT count(*) FROM pauses") == 0


def test_a_real_backup_put_back_sends_no_email_a_second_time(
    sqlite_world: World, simulator: SimulatorHandle, tmp_path: Path
) -> None:
    """A file copied away, the world going on, the file copied back: the email that left meanwhile leaves no second time."""
    world = sqlite_world
    operator = add_operator(world.database, "Sam", "sam@platform.example")
    file = Path(world.database.engine.url.database or "")
    import_id = world.ask(importable(simulator)[0].uuid, send_welcome_email=True)
    world.scalar("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(file, tmp_path / "backup")
    world.run_due()
    assert world.import_row(import_id).state is ImportState.SUCCEEDED
    world.database.close()
    for journal in (Path(f"{file}-wal"), Path(f"{file}-shm")):
        journal.unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup", file)
    assert world.import_row(import_id).state is ImportState.ACCEPTED
    restore.begin(world.database, Act(operator, "the test"))
    restore.finish(world.database, Act(operator, "done"))
    world.run_due()
    assert world.import_row(import_id).state is ImportState.PARTLY_SUCCEEDED
    assert len(world.mail.deliveries()) == 1
