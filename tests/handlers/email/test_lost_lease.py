"""Emails about somebody's own account are begun under the lease of their job, so that a worker that was held up sends
nothing that another worker has sent meanwhile."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import select

from handlers.access.sign_in_log import SignInEvent
from handlers.registry import HANDLERS
from portal_db.tables import Job
from portal_db.work.jobs import LeaseLost
from tests.handlers.access import test_password_reset, test_security_notice
from tests.handlers.clients import test_co_owners
from tests.handlers.one_job import fetch_one
from tests.letters import letters
from tests.making import claimed, job, set_job
from tests.world import World


def is_not_sent_late(world: World, kind: str) -> None:
    """A worker that read the job before another one took it over sends nothing."""
    with world.database.read() as tx:
        job_id = tx.session.scalars(select(Job.id).where(Job.kind == kind)).one()
    claimed(world, job_id)
    as_read = job(world, job_id)
    set_job(world, job_id, lease_token=uuid4())
    with pytest.raises(LeaseLost):
        fetch_one(HANDLERS[kind], world.services, as_read)
    assert letters(world) == []


def test_a_link_for_a_password(sqlite_world: World) -> None:
    test_password_reset.ask(sqlite_world)
    is_not_sent_late(sqlite_world, "send_password_reset")


def test_a_notice_of_a_change(sqlite_world: World) -> None:
    test_security_notice.note(sqlite_world, SignInEvent.PASSKEY_ADDED)
    is_not_sent_late(sqlite_world, "send_security_notice")


def test_the_invitation_of_a_co_owner(sqlite_world: World) -> None:
    owner, member_id, _ = test_co_owners.with_co_owner(sqlite_world)
    test_co_owners.press(sqlite_world, owner.client_id, member_id)
    is_not_sent_late(sqlite_world, "invite_co_owner")
