"""Emails about one's own account: what changed of what one signs in with, and a key that ends soon; each once."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import select, update

from handlers.access import api_keys, ending_keys, passwords, sign_in_log
from handlers.access.caller import Scope
from handlers.access.origin import Origin
from handlers.access.practices import add_staff
from handlers.access.security_notice import WORDS
from handlers.access.sign_in_log import SignInEvent
from portal_db.access import credentials
from portal_db.states import EmailState, JobState, Role
from portal_db.tables import Job, SecurityNotice, Staff
from portal_db.types import db_now
from tests.letters import body, letters
from tests.world import World
from worker.local.mail_catcher import Behaviour

HERE = Origin("192.0.2.1", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
DAY = 86_400.0


def note(world: World, event: SignInEvent) -> None:
    with world.database.write() as tx:
        staff = tx.session.scalars(select(Staff).where(Staff.id == world.staff_id)).one()
        sign_in_log.note(tx, event, staff, HERE)


def received(world: World) -> list[tuple[str, str]]:
    """Who got an email, and its text, in order."""
    recipients = [delivery.recipient for delivery in world.mail.deliveries()]
    return list(zip(recipients, map(body, letters(world)), strict=True))


def became(world: World) -> list[tuple[EmailState, JobState]]:
    with world.database.read() as tx:
        emails = tx.session.scalars(select(SecurityNotice.state).order_by(SecurityNotice.created_at)).all()
        jobs = tx.session.scalars(select(Job.state).order_by(Job.created_at)).all()
    return list(zip(emails, jobs, strict=True))


def email_of(world: World, staff_id: UUID) -> str:
    with world.database.read() as tx:
        staff = tx.session.scalars(select(Staff).where(Staff.id == staff_id)).one()
        return credentials.login(tx, staff.login_id).email


def test_a_change_is_told_with_when_and_where_and_what_to_do(sqlite_world: World) -> None:
    world = sqlite_world
    note(world, SignInEvent.PASSKEY_ADDED)
    note(world, SignInEvent.SIGNED_IN)  # is no change
    world.run_due()
    [(recipient, text)] = received(world)
    assert recipient == email_of(world, world.staff_id)
    assert "A passkey was added to your account." in text
    assert "from Firefox on Linux at 192.0.2.1" in text
    assert "/forgotten-password" in text
    assert became(world) == [(EmailState.SENT, JobState.SUCCEEDED)]


def test_a_changed_password_is_told_and_a_first_one_is_not(sqlite_world: World) -> None:
    world = sqlite_world
    for password in ("seven small boats at sea", "another few quiet words"):
        passwords.set_password(world.database, world.staff_id, world.practice_id, password)
    world.run_due()
    [(_, text)] = received(world)
    assert "Your password was set by the portal's support." in text


def test_every_change_has_words() -> None:
    changes = {event.value for event in SignInEvent if event.value.startswith(("password_", "passkey_", "recovery_"))}
    changes |= {"second_factor_set_up", "second_factor_turned_off", "second_factor_reset"}
    assert set(WORDS) == changes


def test_an_intent_of_a_worker_that_died_is_not_sent_a_second_time(sqlite_world: World) -> None:
    world = sqlite_world
    note(world, SignInEvent.PASSWORD_CHANGED)
    with world.database.write() as tx:
        tx.session.execute(update(SecurityNotice).values(state=EmailState.SENDING, sending_token=tx.new_id()))
    world.run_due()
    assert (received(world), became(world)) == ([], [(EmailState.UNKNOWN, JobState.SUCCEEDED)])


def test_an_email_that_was_certainly_not_sent_is_tried_again(sqlite_world: World) -> None:
    world = sqlite_world
    note(world, SignInEvent.PASSWORD_CHANGED)
    world.mail.behave(Behaviour(refuse={"*": "451 4.3.0 Try again later"}))
    world.run_due()
    assert became(world) == [(EmailState.PENDING, JobState.WAITING)]
    world.mail.behave(Behaviour())
    world.pass_time(DAY)
    world.run_due()
    assert len(received(world)) == 1


def test_who_has_left_is_told_nothing(sqlite_world: World) -> None:
    note(sqlite_world, SignInEvent.PASSWORD_CHANGED)
    with sqlite_world.database.write() as tx:
        tx.session.execute(update(Staff).values(left_at=db_now()))
    sqlite_world.run_due()
    assert became(sqlite_world) == [(EmailState.CANCELLED, JobState.SUCCEEDED)]


def test_who_made_a_key_is_told_once_that_it_ends(sqlite_world: World) -> None:
    world = sqlite_world

    def key(name: str, days: int | None) -> UUID:
        made = api_keys.add(world.database, world.practice_id, name, {Scope.READ}, days=days, by=world.staff_id)
        return made.key_id

    key("Our portal", 30)
    key("For ever", None)
    key("For a week", 7)
    replaced = key("Replaced", 30)
    assert ending_keys.announce(world.database) == 0
    api_keys.rotate(world.database, replaced, practice_id=world.practice_id, by=world.staff_id)
    assert ending_keys.announce(world.database) == 0
    # When two weeks are left, each key that goes on is told once, however often anybody looks
    world.pass_time(17 * DAY)
    assert ending_keys.announce(world.database) == 2
    assert ending_keys.announce(world.database) == 0
    world.run_due()
    texts = [text for recipient, text in received(world) if recipient == email_of(world, world.staff_id)]
    assert sorted(text.split("Which: ")[1].split(" (psk_")[0] for text in texts) == ["Our portal", "Replaced"]


@pytest.mark.parametrize("role", [Role.OWNER, Role.ACCOUNT_ADMIN])
def test_of_a_key_whose_maker_has_left_the_managers_are_told(sqlite_world: World, role: Role) -> None:
    world = sqlite_world
    maker = add_staff(world.database, world.practice_id, "A maker", "maker@practice.example", Role.OWNER)
    manager = add_staff(world.database, world.practice_id, "A manager", "manager@practice.example", role)
    api_keys.add(world.database, world.practice_id, "Our portal", {Scope.READ}, days=30, by=maker)
    with world.database.write() as tx:
        tx.session.execute(update(Staff).where(Staff.id == maker).values(left_at=db_now()))
    world.pass_time(20 * DAY)
    assert ending_keys.announce(world.database) == 1
    world.run_due()
    assert [recipient for recipient, _ in received(world)] == [email_of(world, manager)]
