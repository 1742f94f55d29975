"""What a staff member has to attend to: their own imports that failed, their clients with items to review, and their own
batches that finished. Each function runs one statement and reads a bounded number of rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Select, and_, func, or_, select

from portal_db.aliases import alias_of
from portal_db.database import Tx
from portal_db.states import ImportState, ReviewState
from portal_db.tables import Batch, Client, ClientVisibility, Import, Relationship
from portal_db.types import db_time
from portal_db.work.due import import_is_open

FAILED = (ImportState.REJECTED, ImportState.FAILED, ImportState.PARTLY_SUCCEEDED)


def failed_imports(
    tx: Tx, practice_id: UUID, staff_id: UUID, *, seconds: float, except_codes: Collection[str], limit: int
) -> list[Import]:
    """Imports outside batches that a staff member requested in the last `seconds` and that failed, newest first, unless the
    record was requested again."""
    statement = _failed_imports(practice_id, staff_id, seconds, except_codes)
    return list(tx.session.scalars(statement.order_by(Import.created_at.desc(), Import.id.desc()).limit(limit)))


def _failed_imports(practice_id: UUID, staff_id: UUID, seconds: float, except_codes: Collection[str]) -> Select[Import]:
    later = alias_of(Import)
    again = select(later.id).where(
        later.practice_id == practice_id, later.xpm_uuid == Import.xpm_uuid, later.created_at > Import.created_at
    )
    return select(Import).where(
        Import.practice_id == practice_id,
        Import.created_at >= db_time(-seconds),
        Import.requested_by == staff_id,
        Import.batch_id.is_(None),
        Import.state.in_(FAILED),
        or_(Import.outcome_code.is_(None), Import.outcome_code.not_in(list(except_codes))),
        ~again.exists(),
    )


def clients_to_review(tx: Tx, practice_id: UUID, staff_id: UUID, *, limit: int) -> Sequence[tuple[Client, int]]:
    """Clients that are assigned to a staff member, with how many items await review; those with most items first."""
    found = _pending_items(practice_id, staff_id)
    pending = (
        found.order_by(found.selected_columns.pending_items.desc(), Relationship.client_id).limit(limit).subquery()
    )
    statement = select(Client, pending.c.pending_items).join(pending, pending.c.client_id == Client.id)
    return [
        (client, items)
        for client, items in tx.session.execute(statement.order_by(pending.c.pending_items.desc(), Client.id))
    ]


def _pending_items(practice_id: UUID, staff_id: UUID) -> Select[UUID, int]:
    return (
        select(Relationship.client_id, func.count(Relationship.id).label("pending_items"))
        .join(ClientVisibility, ClientVisibility.client_id == Relationship.client_id)
        .where(ClientVisibility.staff_id == staff_id)
        .where(Relationship.practice_id == practice_id, Relationship.state == ReviewState.PENDING)
        .group_by(Relationship.client_id)
    )


def finished_batches(tx: Tx, practice_id: UUID, staff_id: UUID, *, seconds: float, limit: int) -> list[Batch]:
    """Batches that a staff member requested in the last `seconds` and of which nothing is open any more, newest first."""
    statement = _finished_batches(practice_id, staff_id, seconds)
    return list(tx.session.scalars(statement.order_by(Batch.created_at.desc(), Batch.id.desc()).limit(limit)))


def _finished_batches(practice_id: UUID, staff_id: UUID, seconds: float) -> Select[Batch]:
    is_open = select(Import.id).where(and_(Import.batch_id == Batch.id, import_is_open()))
    return select(Batch).where(
        Batch.practice_id == practice_id,
        Batch.requested_by == staff_id,
        Batch.created_at >= db_time(-seconds),
        ~is_open.exists(),
    )


def count(
    tx: Tx,
    practice_id: UUID,
    staff_id: UUID,
    *,
    failed_seconds: float,
    except_codes: Collection[str],
    finished_seconds: float,
    limit: int,
) -> int:
    """How long the three lists are together, each up to `limit`, by one statement."""
    lists = (
        _failed_imports(practice_id, staff_id, failed_seconds, except_codes).with_only_columns(Import.id),
        _pending_items(practice_id, staff_id),
        _finished_batches(practice_id, staff_id, finished_seconds).with_only_columns(Batch.id),
    )
    counts = [select(func.count()).select_from(each.limit(limit).subquery()).scalar_subquery() for each in lists]
    return sum(tx.session.execute(select(*counts)).one())
