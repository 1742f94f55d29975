"""A forgotten password: one email for each request, with a link that works once, for an hour."""

from __future__ import annotations

import re
from functools import partial

import pytest
from sqlalchemy import select, update

from handlers.access import password_reset, passwords
from handlers.access.origin import Origin
from handlers.access.password_reset import LINK_SECONDS
from portal_db.access import credentials
from portal_db.states import EmailState, JobState
from portal_db.tables import Job, PasswordReset, Staff
from portal_db.types import db_now
from tests.handlers.operations import given as ops
from tests.letters import body, letters
from tests.world import World
from worker.local.mail_catcher import Behaviour

PASSWORD = "seven small boats at sea"
HERE = Origin("192.0.2.1")


def email_of(world: World) -> str:
    return str(world.scalar("SELECT email FROM logins WHERE kind = 'staff'"))


def ask(world: World) -> None:
    password_reset.request(world.database, world.bell, email_of(world), HERE)


def texts(world: World) -> list[str]:
    """What the emails say that were sent, in order."""
    return [body(letter) for letter in letters(world)]


def tokens(world: World) -> list[str]:
    """The tokens of the links that were sent, in order."""
    matches = [re.search(r"/set-password#(\S+)", text) for text in texts(world)]
    return [match[1] for match in matches if match is not None]


def became(world: World) -> list[tuple[EmailState, JobState]]:
    """The state of each email and of its job."""
    with world.database.read() as tx:
        emails = tx.session.scalars(select(PasswordReset.state).order_by(PasswordReset.created_at)).all()
        jobs = tx.session.scalars(select(Job.state).order_by(Job.created_at)).all()
    return list(zip(emails, jobs, strict=True))


def signs_in_with(world: World, password: str) -> bool:
    with world.database.read() as tx:
        found = credentials.by_email(tx, email_of(world))
    assert found is not None
    return passwords.fits(found.login.password_hash, password)


def test_the_link_sets_the_password_once(world: World) -> None:
    ask(world)
    world.run_due()
    [token] = tokens(world)
    assert [found.recipient for found in world.mail.deliveries()] == [email_of(world)]
    assert became(world) == [(EmailState.SENT, JobState.SUCCEEDED)]
    passwords.set_by_link(world.database, token, PASSWORD, HERE)
    assert signs_in_with(world, PASSWORD)
    ops.refused(lambda: passwords.set_by_link(world.database, token, "another few quiet words", HERE), "link_ended")
    assert world.scalar("SELECT count(*) FROM password_resets WHERE token_hash = :token", token=token) == 0


@pytest.mark.parametrize(("name", "greeting"), [("Kim Lee", "Hello Kim Lee,"), ("Kim www.bait.example", "Hello,")])
def test_a_name_greets_only_if_it_carries_no_message(sqlite_world: World, name: str, greeting: str) -> None:
    with sqlite_world.database.write() as tx:
        tx.session.execute(update(Staff).values(name=name))
    ask(sqlite_world)
    sqlite_world.run_due()
    [text] = texts(sqlite_world)
    assert text.splitlines()[0] == greeting


def test_a_new_password_ends_every_other_link(sqlite_world: World) -> None:
    world = sqlite_world
    ask(world)
    ask(world)
    world.run_due()
    printed = passwords.issue_link(world.database, world.services.settings, world.staff_id, world.practice_id)
    first, second = tokens(world)
    passwords.set_by_link(world.database, second, PASSWORD, HERE)
    for token in (first, printed.partition("#")[2]):
        ops.refused(partial(passwords.set_by_link, world.database, token, PASSWORD, HERE), "link_ended")


def test_a_link_ends_after_an_hour(sqlite_world: World) -> None:
    ask(sqlite_world)
    sqlite_world.run_due()
    sqlite_world.pass_time(LINK_SECONDS + 1)
    [token] = tokens(sqlite_world)
    ops.refused(lambda: passwords.set_by_link(sqlite_world.database, token, PASSWORD, HERE), "link_ended")


def test_nobody_of_this_address_or_who_has_left_gets_an_email(sqlite_world: World) -> None:
    world = sqlite_world
    password_reset.request(world.database, world.bell, "nobody@practice.example", HERE)
    ask(world)
    with world.database.write() as tx:
        tx.session.execute(update(Staff).values(left_at=db_now()))
    ask(world)
    world.run_due()
    assert world.mail.deliveries() == []
    assert became(world) == [(EmailState.CANCELLED, JobState.SUCCEEDED)]


def test_an_email_that_could_not_be_sent_for_an_hour_is_not_sent(sqlite_world: World) -> None:
    world = sqlite_world
    ask(world)
    world.mail.behave(Behaviour(refuse={"*": "451 4.3.0 Try again later"}))
    world.run_due()
    assert became(world) == [(EmailState.PENDING, JobState.WAITING)]
    world.mail.behave(Behaviour())
    world.pass_time(LINK_SECONDS + 1)
    world.run_due()
    assert (world.mail.deliveries(), became(world)) == ([], [(EmailState.CANCELLED, JobState.SUCCEEDED)])


@pytest.mark.parametrize("kept", [True, False])
def test_an_unknown_outcome_sends_no_second_email_and_asks_nobody(sqlite_world: World, kept: bool) -> None:
    world = sqlite_world
    ask(world)
    world.mail.behave(Behaviour(silence="drop", keep_silenced=kept))
    world.run_due()
    world.mail.behave(Behaviour())
    world.run_due()
    assert (len(tokens(world)), became(world)) == (int(kept), [(EmailState.UNKNOWN, JobState.SUCCEEDED)])


def test_an_intent_of_a_worker_that_died_is_not_sent_a_second_time(sqlite_world: World) -> None:
    world = sqlite_world
    ask(world)
    with world.database.write() as tx:
        tx.session.execute(update(PasswordReset).values(state=EmailState.SENDING, sending_token=tx.new_id()))
    world.run_due()
    assert (world.mail.deliveries(), became(world)) == ([], [(EmailState.UNKNOWN, JobState.SUCCEEDED)])


def test_an_address_that_is_refused_is_noted(sqlite_world: World) -> None:
    world = sqlite_world
    ask(world)
    world.mail.behave(Behaviour(refuse={"*": "550 5.1.1 No such mailbox"}))
    world.run_due()
    assert became(world) == [(EmailState.REFUSED, JobState.SUCCEEDED)]
