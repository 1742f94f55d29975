"""What the record already holds about many requests at once: for previewing a batch, never for deciding.

Each function runs a few statements, however many rows it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from portal_db.bulk import confined
from portal_db.database import Tx
from portal_db.states import OPEN_IMPORT_STATES, ImportState
from portal_db.tables import Client, DirectoryRecord, Import, Login, Staff, XpmConnection, XpmLink, same_directory

T = TypeVar("T")

#: Values in one statement: below the number of parameters that SQLite and PostgreSQL accept.
CHUNK = 500


def directory_records(tx: Tx, through: XpmConnection, xpm_uuids: Iterable[UUID]) -> dict[UUID, DirectoryRecord]:
    """These records as the connection's login last saw them."""
    statement = select(DirectoryRecord).where(same_directory(DirectoryRecord, through))
    return {row.xpm_uuid: row for row in _among(tx, statement, DirectoryRecord.xpm_uuid, xpm_uuids)}


def linked_records(tx: Tx, practice_id: UUID, xpm_uuids: Iterable[UUID]) -> set[UUID]:
    """The records among these that are linked to clients of the practice."""
    statement = select(XpmLink.xpm_uuid).where(XpmLink.practice_id == practice_id, XpmLink.disconnected_at.is_(None))
    return set(_among(tx, statement, XpmLink.xpm_uuid, xpm_uuids))


def records_being_imported(tx: Tx, practice_id: UUID, xpm_uuids: Iterable[UUID]) -> set[UUID]:
    """The records among these that an open import of the practice requests."""
    statement = select(Import.xpm_uuid).where(Import.practice_id == practice_id, Import.state.in_(OPEN_IMPORT_STATES))
    return set(_among(tx, statement, Import.xpm_uuid, xpm_uuids))


def last_rejections(tx: Tx, practice_id: UUID, xpm_uuids: Iterable[UUID]) -> dict[UUID, datetime]:
    """When an import of the practice was last rejected or failed, for those of these records where one was."""
    statement = (
        select(Import.xpm_uuid, func.max(Import.closed_at))
        .where(Import.practice_id == practice_id, Import.state.in_((ImportState.REJECTED, ImportState.FAILED)))
        .group_by(Import.xpm_uuid)
    )
    return {
        uuid: closed_at
        for chunk in _chunks(xpm_uuids)
        for uuid, closed_at in tx.session.execute(statement.where(Import.xpm_uuid.in_(chunk)))
        if closed_at is not None
    }


def emails_of_practice(tx: Tx, practice_id: UUID, email_keys: Iterable[str]) -> set[str]:
    """The emails among these that a client or a staff member of the practice has."""
    is_client = exists().where(Client.login_id == Login.id, confined(Client.practice_id, practice_id))
    is_staff = exists().where(Staff.login_id == Login.id, confined(Staff.practice_id, practice_id))
    statement = select(Login.email_key).where(or_(is_client, is_staff))
    return set(_among(tx, statement, Login.email_key, email_keys))


def _among(tx: Tx, statement: Select[T], column: InstrumentedAttribute[Any], values: Iterable[Any]) -> Iterator[T]:
    for chunk in _chunks(values):
        yield from tx.session.scalars(statement.where(column.in_(chunk)))


def _chunks(values: Iterable[Any]) -> Iterator[Sequence[Any]]:
    unique = sorted(set(values))
    return (unique[start : start + CHUNK] for start in range(0, len(unique), CHUNK))
