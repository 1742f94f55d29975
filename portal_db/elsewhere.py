"""Looks for work that was done, or is being done, by something else than the job that was to do it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from portal_db.database import Tx
from portal_db.states import OPEN_IMPORT_STATES, JobState
from portal_db.tables import Client, Import, Job, ReconnectNotice, XpmConnection, XpmLink


@dataclass(frozen=True, slots=True)
class LinkedClient:
    """The client that an XPM record is linked to, since when, and the import that made it."""

    client_id: UUID
    linked_at: datetime
    import_id: UUID | None


def linked_client(tx: Tx, practice_id: UUID, xpm_uuid: UUID) -> LinkedClient | None:
    statement = (
        select(XpmLink.client_id, XpmLink.linked_at, Client.import_id)
        .join(Client, Client.id == XpmLink.client_id)
        .where(XpmLink.practice_id == practice_id, XpmLink.xpm_uuid == xpm_uuid, XpmLink.disconnected_at.is_(None))
    )
    found = tx.session.execute(statement).one_or_none()
    return LinkedClient(*found) if found is not None else None


def open_import_of_record(tx: Tx, row: Import) -> Import | None:
    """Another open import of the same XPM record."""
    statement = select(Import).where(
        Import.practice_id == row.practice_id,
        Import.xpm_uuid == row.xpm_uuid,
        Import.id != row.id,
        Import.state.in_(OPEN_IMPORT_STATES),
    )
    return tx.session.scalar(statement.order_by(Import.created_at, Import.id).limit(1))


def later_job(tx: Tx, job: Job) -> Job | None:
    """A later job of the same import and kind that is open or was done."""
    statement = select(Job).where(
        Job.import_id == job.import_id,
        Job.kind == job.kind,
        Job.id != job.id,
        Job.created_at >= job.created_at,
        Job.state.in_((JobState.QUEUED, JobState.RUNNING, JobState.WAITING, JobState.SUCCEEDED)),
    )
    return tx.session.scalar(statement.order_by(Job.created_at.desc(), Job.id.desc()).limit(1))


def notice_with_connection(tx: Tx, notice_id: UUID) -> tuple[ReconnectNotice, XpmConnection] | None:
    """An email that asks for a reconnect, and the connection it is about."""
    statement = (
        select(ReconnectNotice, XpmConnection)
        .join(XpmConnection, XpmConnection.id == ReconnectNotice.connection_id)
        .where(ReconnectNotice.id == notice_id)
    )
    found = tx.session.execute(statement).one_or_none()
    return (found[0], found[1]) if found is not None else None
