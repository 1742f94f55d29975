"""Filters of the client list that staff have saved by name."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from portal_db.database import Tx
from portal_db.dialect import delete_rows, upsert
from portal_db.tables import SavedFilter


def of_staff(tx: Tx, staff_id: UUID) -> Sequence[SavedFilter]:
    """A staff member's filters, by name."""
    statement = select(SavedFilter).where(SavedFilter.staff_id == staff_id)
    return tx.session.scalars(statement.order_by(SavedFilter.name, SavedFilter.id)).all()


def put(tx: Tx, staff_id: UUID, name: str, query: str) -> None:
    """Save a filter, in place of the one of the same name."""
    statement = upsert(tx, SavedFilter, {"id": tx.new_id(), "staff_id": staff_id, "name": name, "query": query})
    tx.session.execute(statement.on_conflict_do_update(index_elements=["staff_id", "name"], set_={"query": query}))


def remove(tx: Tx, staff_id: UUID, filter_id: UUID) -> None:
    delete_rows(tx, SavedFilter, SavedFilter.id == filter_id, SavedFilter.staff_id == staff_id)
