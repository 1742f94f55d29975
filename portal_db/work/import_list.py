"""Imports that a staff member may see: one, a page of them, those of a batch. Every query is filtered by what the viewer
may see."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from portal_db.database import Tx
from portal_db.paging import Cursor, is_any_time, newest_first
from portal_db.states import OPEN_IMPORT_STATES, ClientKind, ImportState
from portal_db.tables import Batch, Import
from portal_db.visibility import Viewer
from portal_db.work.due import import_is_open


@dataclass(frozen=True, slots=True)
class ImportFilter:
    """Which of the visible imports to list; a filter that is not set matches all."""

    states: Collection[ImportState] = ()
    kind: ClientKind | None = None
    code: str | None = None
    batch_id: UUID | None = None
    client_id: UUID | None = None
    since: datetime | None = None


def get(tx: Tx, viewer: Viewer, import_id: UUID) -> Import | None:
    statement = select(Import).where(Import.id == import_id, viewer.may_see_import())
    return tx.session.scalar(statement)


def page(tx: Tx, viewer: Viewer, wanted: ImportFilter, *, after: Cursor | None, limit: int) -> list[Import]:
    """A page of imports, newest first."""
    statement = select(Import).where(viewer.may_see_import())
    if wanted.states:
        statement = statement.where(Import.state.in_(wanted.states))
        if OPEN_IMPORT_STATES.issuperset(wanted.states):
            statement = statement.where(import_is_open())  # few among many, so that their own index serves
    exactly: tuple[tuple[InstrumentedAttribute[Any], Any], ...] = (
        (Import.kind, wanted.kind),
        (Import.outcome_code, wanted.code),
        (Import.batch_id, wanted.batch_id),
        (Import.client_id, wanted.client_id),
    )
    statement = statement.where(*(column == value for column, value in exactly if value is not None))
    if wanted.batch_id is None and wanted.client_id is None:
        statement = statement.where(is_any_time(Import.created_at))
    if wanted.since is not None:
        statement = statement.where(Import.created_at >= wanted.since)
    return list(tx.session.scalars(newest_first(statement, Import.created_at, Import.id, after=after, limit=limit)))


def other_of_record(tx: Tx, viewer: Viewer, row: Import) -> UUID | None:
    """The newest other import of the same XPM record that was not turned down."""
    statement = select(Import.id).where(
        viewer.may_see_import(),
        Import.practice_id == row.practice_id,
        Import.xpm_uuid == row.xpm_uuid,
        Import.id != row.id,
        Import.state != ImportState.REJECTED,
    )
    return tx.session.scalar(statement.order_by(Import.created_at.desc(), Import.id.desc()).limit(1))


def batch(tx: Tx, viewer: Viewer, batch_id: UUID) -> Batch | None:
    """A batch of the practice, if the viewer requested it or sees all clients of the practice."""
    statement = select(Batch).where(Batch.id == batch_id, Batch.practice_id == viewer.practice_id)
    if not viewer.sees_all:
        statement = statement.where(Batch.requested_by == viewer.staff_id)
    return tx.session.scalar(statement)


def of_batch(tx: Tx, viewer: Viewer, batch_id: UUID, states: Collection[ImportState], *, limit: int) -> list[Import]:
    """The first imports of a batch in some states that the viewer may see, in the order of the batch."""
    statement = select(Import).where(viewer.may_see_import(), Import.batch_id == batch_id, Import.state.in_(states))
    return list(tx.session.scalars(statement.order_by(Import.position).limit(limit)))
