"""Intents to send: an email is begun once, and ended only by the lease that began it (invariant 3)."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from portal_db import emails, notices
from portal_db.emails import Intent
from portal_db.states import EmailState
from tests.handlers.given import link_entity
from tests.racing import at_once
from tests.world import World


@pytest.fixture
def email_id(world: World) -> UUID:
    client_id = link_entity(world, uuid4())
    with world.database.write() as tx:
        return emails.add(tx, world.practice_id, client_id)


@pytest.fixture
def notice_id(world: World) -> UUID:
    with world.database.write() as tx:
        added = notices.add(tx, world.connection_id, 1)
    assert added is not None
    return added


def begin(world: World, email_id: UUID, lease: UUID) -> bool:
    with world.database.write() as tx:
        return emails.begin_sending(tx, Intent(email_id, lease), token_hash="0" * 64, valid_seconds=60)


def begin_notice(world: World, notice_id: UUID, lease: UUID) -> bool:
    with world.database.write() as tx:
        return notices.begin_sending(tx, notice_id, lease)


def test_an_email_is_begun_once(world: World, email_id: UUID) -> None:
    begun = at_once(*[lambda: begin(world, email_id, uuid4())] * 4)
    assert sorted(begun, key=bool) == [False, False, False, True]


def test_an_intent_is_ended_by_its_own_lease(world: World, email_id: UUID) -> None:
    own, other = Intent(email_id, uuid4()), Intent(email_id, uuid4())
    assert begin(world, email_id, own.lease_token)
    for state in (EmailState.PENDING, EmailState.SENT, EmailState.REFUSED):
        with world.database.write() as tx:
            assert not emails.finish_sending(tx, other, state), state
    with world.database.write() as tx:
        assert emails.finish_sending(tx, own, EmailState.SENT)
        assert not emails.finish_sending(tx, own, EmailState.PENDING), "it is ended"


def test_a_notice_is_begun_once(world: World, notice_id: UUID) -> None:
    assert begin_notice(world, notice_id, uuid4())
    assert not begin_notice(world, notice_id, uuid4())


def test_a_notices_intent_is_ended_by_its_own_lease(world: World, notice_id: UUID) -> None:
    own, other = uuid4(), uuid4()
    assert begin_notice(world, notice_id, own)
    with world.database.write() as tx:
        assert not notices.finish_sending(tx, notice_id, other, EmailState.PENDING)
        assert notices.finish_sending(tx, notice_id, own, EmailState.SENT)
