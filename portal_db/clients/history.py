"""A client's history: changes of fields, relationships and team members, each with its source and the old and new values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from portal_db.database import Tx
from portal_db.dialect import insert_rows, row_of
from portal_db.paging import Cursor, newest_first
from portal_db.states import ChangeSource
from portal_db.tables import ClientChange, Import, Staff

CLIENT, RELATIONSHIP, TEAM_MEMBER = "client", "relationship", "team_member"


@dataclass(frozen=True, slots=True)
class By:
    """The source of changes, and who or what made them, in which practice."""

    practice_id: UUID
    source: ChangeSource
    staff_id: UUID | None = None
    import_id: UUID | None = None
    sync_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One field's values before and after a change."""

    client_id: UUID
    about: str
    field: str
    before: str | None
    after: str | None
    about_id: UUID | None = None
    about_name: str | None = None


def note(tx: Tx, by: By, changes: Iterable[Change]) -> None:
    """Record changes by the same source, by one statement."""
    note_all(tx, ((by, change) for change in changes))


def note_all(tx: Tx, changes: Iterable[tuple[By, Change]]) -> None:
    """Record changes, each with its source, by one statement."""
    rows = [{**row_of(change), **row_of(by), "id": tx.new_id()} for by, change in changes]
    insert_rows(tx, ClientChange, rows, now=("at",))


def text_of(value: Any) -> str | None:
    """A field's value as the history shows it."""
    if value is None:
        return None
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value.isoformat() if isinstance(value, date) else str(value)


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A change, and the staff member who made it or who requested the import that did; nobody for a scheduled sync."""

    change: ClientChange
    staff_id: UUID | None
    staff_name: str | None


def page(tx: Tx, client_id: UUID, *, after: Cursor | None, limit: int) -> list[HistoryEntry]:
    """A page of a client's changes, newest first; the caller has checked that the viewer may see the client."""
    statement = (
        select(ClientChange, Staff.id, Staff.name)
        .outerjoin(Import, Import.id == ClientChange.import_id)
        .outerjoin(Staff, Staff.id == func.coalesce(ClientChange.staff_id, Import.requested_by))
        .where(ClientChange.client_id == client_id)
    )
    page = newest_first(statement, ClientChange.at, ClientChange.id, after=after, limit=limit)
    return [HistoryEntry(*row) for row in tx.session.execute(page)]


def about(tx: Tx, client_id: UUID, about_id: UUID) -> list[ClientChange]:
    """The changes of one relationship or team member of a client, newest first."""
    statement = select(ClientChange).where(ClientChange.client_id == client_id, ClientChange.about_id == about_id)
    return list(tx.session.scalars(statement.order_by(ClientChange.at.desc(), ClientChange.id.desc())))


def reviewer_of(tx: Tx, client_id: UUID, item_id: UUID) -> UUID | None:
    """The staff member who last decided about a review item of a client."""
    is_decision = (ClientChange.about_id == item_id, ClientChange.source == ChangeSource.REVIEWER)
    statement = select(ClientChange.staff_id).where(ClientChange.client_id == client_id, *is_decision)
    return tx.session.scalar(statement.order_by(ClientChange.at.desc(), ClientChange.id.desc()).limit(1))
