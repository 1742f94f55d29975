"""The progress of imports, counted by state and by what they created. Which imports to count is a condition: those of a
batch, or just one."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from portal_db.database import Tx
from portal_db.states import ClientKind, ImportState, JobState
from portal_db.tables import Client, Import, Job, Relationship, WelcomeEmail

Which = ColumnElement[bool]


def of_batch(batch_id: UUID) -> Which:
    return Import.batch_id == batch_id


def of_import(import_id: UUID) -> Which:
    return Import.id == import_id


def by_state(tx: Tx, which: Which) -> dict[ImportState, int]:
    """How many imports are in each state; states without any are left out."""
    statement = select(Import.state, func.count()).where(which).group_by(Import.state)
    return dict(tx.session.execute(statement).all())


def jobs_by_state(tx: Tx, which: Which, *, kind: str | None = None) -> dict[JobState, int]:
    """How many of the imports' jobs (of one kind) are in each state."""
    statement = select(Job.state, func.count()).join(Import, Import.id == Job.import_id).where(which)
    if kind is not None:
        statement = statement.where(Job.kind == kind)
    return dict(tx.session.execute(statement.group_by(Job.state)).all())


def clients_created(tx: Tx, which: Which) -> dict[ClientKind, int]:
    """How many clients of each kind the imports created."""
    statement = select(Client.kind, func.count()).join(Import, Import.id == Client.import_id).where(which)
    return dict(tx.session.execute(statement.group_by(Client.kind)).all())


def relationships_found(tx: Tx, which: Which) -> int:
    """How many relationships the clients created by the imports have, whatever their review state."""
    statement = (
        select(func.count())
        .select_from(Relationship)
        .join(Client, Client.id == Relationship.client_id)
        .join(Import, Import.id == Client.import_id)
        .where(which)
    )
    return tx.session.scalar(statement) or 0


def welcome_message_ids(tx: Tx, which: Which) -> set[str]:
    """The left parts of the Message-IDs of the welcome emails to the clients created by the imports."""
    statement = (
        select(WelcomeEmail.message_id)
        .join(Client, Client.id == WelcomeEmail.client_id)
        .join(Import, Import.id == Client.import_id)
        .where(which)
    )
    return set(tx.session.scalars(statement))
