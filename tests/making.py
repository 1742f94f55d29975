"""Makes single rows for tests of the record and of the queue: clients, jobs of any kind, claims, pauses, dead letters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, insert, update

from handlers.registry import HANDLERS
from portal_db.access import activations, people
from portal_db.clients import clients, team
from portal_db.database import Database, Tx
from portal_db.states import ClientKind, ClientType, ErrorClass, FieldSource, Lane, LoginKind, Subscription
from portal_db.tables import AuditEntry, Job, Pause
from portal_db.types import db_now
from portal_db.work import jobs
from portal_db.work.jobs import Failure, Lease, NewJob
from tests.world import TENANT, World, is_importable_person
from xpm.simulator.practice.model import Client
from xpm.simulator.serve import SimulatorHandle


def importable(simulator: SimulatorHandle) -> list[Client]:
    """People whom one practice could import all of: no two of them share an email."""
    by_email = {
        (client.email or "").strip().casefold(): client
        for client in simulator.simulator.practices[TENANT].clients.values()
        if is_importable_person(client)
    }
    return list(by_email.values())


@dataclass(frozen=True)
class Account:
    """A client with a login."""

    practice_id: UUID
    client_id: UUID
    login_id: UUID
    email: str


def account(
    database: Database,
    practice_id: UUID,
    staff_id: UUID,
    name: str = "Gwen Mitchell",
    *,
    password_hash: str = "",
    is_active: bool = True,
) -> Account:
    """A person who is a client of this staff member's, and has activated their account."""
    with database.write() as tx:
        client_id, login_id = tx.new_id(), tx.new_id()
        email = f"{login_id.hex}@clients.example"
        assert people.add_login(tx, login_id, LoginKind.CLIENT, email, email)
        shape = {"kind": ClientKind.INDIVIDUAL, "client_type": ClientType.PERSONAL, "name": name}
        row = {"id": client_id, "practice_id": practice_id, "created_by": staff_id, **shape}
        clients.add(tx, {**row, "login_id": login_id, "subscription": Subscription.STARTER})
        clients.make_visible(tx, [(client_id, staff_id)])
        if is_active:
            assert activations.activate(tx, login_id, password_hash)
    return Account(practice_id, client_id, login_id, email)


def co_owner(
    database: Database, of: Account, name: str = "Bo Mitchell", *, password_hash: str | None = None
) -> tuple[UUID, Account]:
    """Somebody whom a review made a co-owner of a client's account: the team member, and what they sign in with. With a
    password they are active."""
    with database.write() as tx:
        member_id, login_id = tx.new_id(), tx.new_id()
        email = f"{login_id.hex}@clients.example"
        assert people.add_login(tx, login_id, LoginKind.CLIENT, email, email)
        member = {"id": member_id, "practice_id": of.practice_id, "client_id": of.client_id, "name": name}
        member |= {"relationship": "Spouse", "email": email, "source": FieldSource.STAFF, "as_of": db_now()}
        team.add(tx, member)
        team.make_co_owner(tx, member_id, login_id)
        if password_hash is not None:
            assert activations.activate(tx, login_id, password_hash)
    return member_id, Account(of.practice_id, of.client_id, login_id, email)


def new_job(
    world: World,
    *,
    kind: str = "validate_import",
    lane: Lane = Lane.IMPORT,
    interactive: bool = False,
    practice_id: UUID | None = None,
    import_id: UUID | None = None,
    dedupe_key: str | None = None,
    deadline_seconds: int = 60,
    in_batch_order: bool = False,
    position: int = 0,
) -> NewJob:
    return NewJob(
        id=world.services.sources.new_id(),
        practice_id=practice_id or world.practice_id,
        import_id=import_id,
        epoch=1,
        kind=kind,
        lane=lane,
        interactive=interactive,
        args={},
        dedupe_key=dedupe_key or uuid4().hex,
        deadline_seconds=deadline_seconds,
        in_batch_order=in_batch_order,
        position=position,
    )


def add(world: World, *new: NewJob) -> list[UUID]:
    """Insert jobs as they are; their ids, in order."""
    with world.database.write() as tx:
        assert jobs.add(tx, new) == {job.id for job in new}
    return [job.id for job in new]


def add_practice(world: World, name: str) -> UUID:
    """One more practice, with nobody in it."""
    practice_id = world.services.sources.new_id()
    with world.database.write() as tx:
        people.add_practice(tx, {"id": practice_id, "name": name, "time_zone": "UTC", "mfa_mandatory": True})
    return practice_id


def claim(world: World, job_id: UUID, *, owner: str = "worker-1", lease_seconds: float = 10) -> Lease | None:
    """Claim a job as a worker of this name would; `None` when it is not to be had."""
    lease = Lease(job_id, uuid4(), owner)
    with world.database.write() as tx:
        return lease if jobs.claim_all(tx, [lease], kinds=HANDLERS.keys(), lease_seconds=lease_seconds) else None


def claimed(world: World, job_id: UUID, *, owner: str = "worker-1") -> Lease:
    lease = claim(world, job_id, owner=owner)
    assert lease is not None
    return lease


def job(world: World, job_id: UUID) -> Job:
    with world.database.read() as tx:
        row = jobs.get(tx, job_id)
    assert row is not None
    return row


def set_job(world: World, job_id: UUID, **values: object) -> None:
    """Put a job into a state that would take many steps to reach."""
    with world.database.write() as tx:
        tx.session.execute(update(Job).where(Job.id == job_id).values(**values))


def set_all_jobs(world: World, **values: object) -> None:
    with world.database.write() as tx:
        tx.session.execute(update(Job).values(**values))


def set_newer_lane(world: World) -> None:
    """Put all jobs into a lane that only a newer release knows, called moon."""
    with world.database.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        else:
            connection.exec_driver_sql("ALTER TABLE jobs DROP CONSTRAINT ck_jobs_lane")
        connection.exec_driver_sql("UPDATE jobs SET lane = 'moon'")


def pause(world: World, *, practice_id: UUID | None = None, lane: Lane | None = None, kind: str | None = None) -> None:
    with world.database.write() as tx:
        tx.session.execute(
            insert(Pause).values(
                id=tx.new_id(), practice_id=practice_id, lane=lane, kind=kind, reason="a test", created_at=db_now()
            )
        )


def unpause(world: World) -> None:
    """Lift every pause."""
    with world.database.write() as tx:
        tx.session.execute(delete(Pause))


def fails(world: World, error: type[Exception], step: Callable[[Tx], object]) -> None:
    """Assert that a unit of work raises this error; whatever it did before that is rolled back."""
    with pytest.raises(error), world.database.write() as tx:
        step(tx)


def take_back(world: World) -> list[UUID]:
    with world.database.write() as tx:
        return jobs.take_back_expired(tx)


def note(tx: Tx) -> None:
    """An effect for a transaction to lose: one audit entry."""
    tx.session.execute(
        insert(AuditEntry).values(
            id=tx.new_id(), at=db_now(), actor="system", action="test.note", subject="test", subject_id=tx.new_id()
        )
    )


def notes(world: World) -> object:
    return world.scalar("SELECT count(*) FROM audit WHERE action = 'test.note'")


def failure(error_class: ErrorClass = ErrorClass.TRANSIENT, code: str = "test") -> Failure:
    return Failure(error_class, code, "Something went wrong.", "Try it again.")
