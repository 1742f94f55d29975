"""Sentences for tests of what operators do: who acts, dead letters to act on, and whether the record holds together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from handlers.access.act import Act, act_of
from handlers.access.caller import Caller
from handlers.access.practices import add_operator
from handlers.errors import RequestRefused
from handlers.imports import accept as portal_clients
from handlers.imports.settle import decide_state
from portal_db import audit, welcome_emails
from portal_db.access import people
from portal_db.states import ActorKind, ImportState, JobState
from portal_db.tables import AuditEntry, ImportEvent, Job, Login, WelcomeEmail
from portal_db.types import db_now
from portal_db.work import imports, jobs
from tests.handlers.given import run_only, run_when_apply_raises
from tests.making import importable
from tests.world import World
from worker.local.mail_catcher import Behaviour
from xpm.simulator.serve import SimulatorHandle

EMAIL = "send_welcome_email"
BEFORE_EMAIL = ("validate_import", "create_client", "import_details", "import_relationships")


def operator(world: World, name: str = "Olu Ops") -> Act:
    """Somebody who looks after the platform, and acts for the sake of a ticket."""
    email = f"{name.split()[0].lower()}@platform.example"
    add_operator(world.database, name, email)
    return act_of(world.database, email, "ticket 7")


def ask(world: World, simulator: SimulatorHandle, *, person: int = 0, **fields: Any) -> UUID:
    """An import of a person whom nobody else in these tests shares an email with."""
    return world.ask(importable(simulator)[person].uuid, **fields)


def bring_details(world: World, import_id: UUID) -> UUID:
    """An import of the details of the client that another import made."""
    client_id = world.import_row(import_id).client_id
    with world.database.read() as tx:
        staff = people.get_staff(tx, world.staff_id, practice_id=world.practice_id)
    assert staff is not None
    assert client_id is not None
    wanted = {"details": True, "relationships": False}
    return portal_clients.import_items(
        world.database, world.bell, Caller.of(staff), client_id, "items", **wanted
    ).import_id


def die(world: World, import_id: UUID, kind: str) -> UUID:
    """The import's job of this kind meets a bug; its dead letter."""
    run_when_apply_raises(world, import_id, kind, RuntimeError("a bug"))
    job = world.jobs_of(import_id)[kind]
    assert job.state is JobState.DEAD
    return job.id


def dead_validation(world: World, simulator: SimulatorHandle, **fields: Any) -> tuple[UUID, UUID]:
    """A failed import of which nothing was created, and its dead letter."""
    import_id = ask(world, simulator, **fields)
    return import_id, die(world, import_id, "validate_import")


def dead_details(world: World, simulator: SimulatorHandle, **fields: Any) -> tuple[UUID, UUID]:
    """An import that is partly done, for want of its details, and its dead letter."""
    import_id = ask(world, simulator, **fields)
    for kind in ("validate_import", "create_client"):
        run_only(world, import_id, kind)
    job_id = die(world, import_id, "import_details")
    world.run_due()
    assert world.import_row(import_id).state is ImportState.PARTLY_SUCCEEDED
    return import_id, job_id


def unknown_email(world: World, simulator: SimulatorHandle, *, delivered: bool = False) -> tuple[UUID, UUID]:
    """An import whose welcome email went to a server that fell silent, and the email."""
    import_id = ask(world, simulator, send_welcome_email=True)
    world.mail.behave(Behaviour(silence="drop", keep_silenced=delivered))
    world.run_due()
    world.mail.behave(Behaviour())
    assert world.import_row(import_id).outcome_code == "email_outcome_unknown"
    return import_id, email_of(world, import_id).id


def email_of(world: World, import_id: UUID) -> WelcomeEmail:
    client_id = world.import_row(import_id).client_id
    assert client_id is not None
    with world.database.read() as tx:
        known = welcome_emails.of_client(tx, client_id)
    assert known is not None
    return known.email


def address_of(world: World, email: WelcomeEmail) -> str:
    """To whom a welcome email goes."""
    with world.database.read() as tx:
        return welcome_emails.addressed(tx, [email.id], world.practice_id)[email.id].address


def job_of(world: World, job_id: UUID) -> Job:
    with world.database.read() as tx:
        found = jobs.get(tx, job_id)
    assert found is not None
    return found


def activate(world: World) -> None:
    """Every client follows the link in their email."""
    with world.database.write() as tx:
        tx.session.execute(update(Login).where(Login.kind == "client").values(activated_at=db_now()))


def events_of(world: World, import_id: UUID) -> list[tuple[int, ImportState]]:
    """The closes of an import: which epoch, and how."""
    with world.database.read() as tx:
        found = tx.session.scalars(select(ImportEvent).where(ImportEvent.import_id == import_id))
        return sorted((event.epoch, event.state) for event in found)


def acts(world: World) -> list[AuditEntry]:
    """What operators did, oldest first, but for making operators."""
    with world.database.read() as tx:
        statement = select(AuditEntry).where(AuditEntry.actor == ActorKind.OPERATOR, AuditEntry.actor_id.is_not(None))
        return list(tx.session.scalars(statement.order_by(AuditEntry.at, AuditEntry.id)))


def entries_of(world: World, subject: str, subject_id: UUID) -> list[AuditEntry]:
    with world.database.read() as tx:
        return audit.of_subject(tx, subject, subject_id)


def history_of(world: World, subject: str, subject_id: UUID) -> list[tuple[str, str | None, str | None, str | None]]:
    entries = entries_of(world, subject, subject_id)
    return [(entry.action, entry.before, entry.after, entry.why) for entry in entries]


def holds_together(world: World, import_id: UUID) -> ImportState:
    """The import's state and reason are what the table says of its jobs, and each epoch that closed has its one event.

    Returns:
        The state.
    """
    with world.database.read() as tx:
        row = imports.get(tx, import_id)
        assert row is not None
        state, outcome = decide_state(jobs.of_import(tx, row.id))
    assert row.state is state
    closed_epochs = range(1, row.epoch + (0 if state.is_open else 1))
    events = events_of(world, import_id)
    assert [epoch for epoch, _ in events] == list(closed_epochs)
    assert (row.closed_at is None) is state.is_open
    if not state.is_open:
        assert events[-1][1] is state
        assert row.outcome_code == (outcome.code if outcome else None)
    return state


def refused(call: Callable[[], object], code: str) -> RequestRefused:
    """Assert that a use case says no with this code; what it said."""
    with pytest.raises(RequestRefused) as caught:
        call()
    assert caught.value.code == code, caught.value.message
    return caught.value
