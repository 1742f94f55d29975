"""Intents to send: an email is begun once, and ended only by the lease that began it (invariant 3)."""

from __future__ import annotations

from functools import partial
from uuid import UUID, uuid4

import pytest

from portal_db import welcome_emails
from portal_db.states import EmailState, JobState, Lane
from portal_db.types import database_time
from portal_db.welcome_emails import Intent
from portal_db.xero import reconnect_notices
from tests.making import Account, account, add, claimed, new_job, set_job
from tests.racing import at_once
from tests.world import World


@pytest.fixture
def person(world: World) -> Account:
    """Somebody who was not sent an email yet."""
    return account(world.database, world.practice_id, world.staff_id, is_active=False)


@pytest.fixture
def email_id(world: World, person: Account) -> UUID:
    with world.database.write() as tx:
        return welcome_emails.add(tx, world.practice_id, person.client_id, asked_at=database_time(tx.session))


@pytest.fixture
def notice_id(world: World) -> UUID:
    with world.database.write() as tx:
        added = reconnect_notices.add(tx, world.connection_id, 1)
    assert added is not None
    return added


def intent(world: World, email_id: UUID) -> Intent:
    """What a running job of its own has in mind for an email."""
    lease = claimed(world, add(world, new_job(world, kind="send_welcome_email", lane=Lane.EMAIL))[0])
    return Intent(email_id, lease.job_id, lease.token)


def begin(world: World, intent: Intent, address: str) -> bool:
    with world.database.write() as tx:
        return welcome_emails.begin_sending(tx, intent, token_hash="0" * 64, valid_seconds=60, address=address)


def begin_notice(world: World, notice_id: UUID, lease: UUID) -> bool:
    with world.database.write() as tx:
        return reconnect_notices.begin_sending(tx, notice_id, lease)


def test_an_email_is_begun_once(world: World, email_id: UUID, person: Account) -> None:
    intents = [intent(world, email_id) for _ in range(4)]
    begun = at_once(*[partial(begin, world, each, person.email) for each in intents])
    assert sorted(begun, key=bool) == [False, False, False, True]


def test_a_job_that_is_not_held_any_more_begins_nothing(world: World, email_id: UUID, person: Account) -> None:
    """Cancelled or taken back between its claim and its intent."""
    late = intent(world, email_id)
    set_job(world, late.job_id, state=JobState.QUEUED)
    assert not begin(world, late, person.email)
    assert world.scalar("SELECT state FROM welcome_emails") == "pending"


def test_an_intent_is_ended_by_its_own_lease(world: World, email_id: UUID, person: Account) -> None:
    own, other = intent(world, email_id), intent(world, email_id)
    assert begin(world, own, person.email)
    for state in (EmailState.PENDING, EmailState.SENT, EmailState.REFUSED):
        with world.database.write() as tx:
            assert not welcome_emails.finish_sending(tx, other, state), state
    with world.database.write() as tx:
        assert welcome_emails.finish_sending(tx, own, EmailState.SENT)
        assert not welcome_emails.finish_sending(tx, own, EmailState.PENDING), "it is ended"


def test_a_notice_is_begun_once(world: World, notice_id: UUID) -> None:
    assert begin_notice(world, notice_id, uuid4())
    assert not begin_notice(world, notice_id, uuid4())


def test_a_notices_intent_is_ended_by_its_own_lease(world: World, notice_id: UUID) -> None:
    own, other = uuid4(), uuid4()
    assert begin_notice(world, notice_id, own)
    with world.database.write() as tx:
        assert not reconnect_notices.finish_sending(tx, notice_id, other, EmailState.PENDING)
        assert reconnect_notices.finish_sending(tx, notice_id, own, EmailState.SENT)
