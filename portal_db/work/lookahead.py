"""What the record already says about many requests at once: for looking ahead of a batch, never for deciding.

Each look is a handful of statements, however many rows are asked about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute

from portal_db.database import Tx
from portal_db.states import OPEN_IMPORT_STATES, ImportState
from portal_db.tables import DirectoryRecord, Import, Login, XpmConnection, XpmLink

T = TypeVar("T")

#: Values in one statement: below what SQLite and PostgreSQL take as parameters.
CHUNK = 500


def seen(tx: Tx, through: XpmConnection, xpm_uuids: Iterable[UUID]) -> dict[UUID, DirectoryRecord]:
    """What this connection's login last saw of these records."""
    statement = select(DirectoryRecord).where(
        DirectoryRecord.xero_login_id == through.xero_login_id, DirectoryRecord.tenant_id == through.tenant_id
    )
    return {row.xpm_uuid: row for row in _among(tx, statement, DirectoryRecord.xpm_uuid, xpm_uuids)}


def linked(tx: Tx, practice_id: UUID, xpm_uuids: Iterable[UUID]) -> set[UUID]:
    """Which of these records are clients of the practice."""
    live = (XpmLink.practice_id == practice_id, XpmLink.disconnected_at.is_(None))
    return set(_among(tx, _only(XpmLink.xpm_uuid, *live), XpmLink.xpm_uuid, xpm_uuids))


def being_imported(tx: Tx, practice_id: UUID, xpm_uuids: Iterable[UUID]) -> set[UUID]:
    """Which of these records an open import of the practice asks for."""
    being = (Import.practice_id == practice_id, Import.state.in_(OPEN_IMPORT_STATES))
    return set(_among(tx, _only(Import.xpm_uuid, *being), Import.xpm_uuid, xpm_uuids))


def turned_down(tx: Tx, practice_id: UUID, xpm_uuids: Iterable[UUID]) -> dict[UUID, datetime]:
    """When an import of the practice last came to nothing, for each of these records of which one did."""
    last = func.max(Import.closed_at)
    statement = (
        select(Import.xpm_uuid, last)
        .where(Import.practice_id == practice_id, Import.state.in_((ImportState.REJECTED, ImportState.FAILED)))
        .group_by(Import.xpm_uuid)
    )
    wanted = sorted(set(xpm_uuids))
    return {
        uuid: closed_at
        for start in range(0, len(wanted), CHUNK)
        for uuid, closed_at in tx.session.execute(statement.where(Import.xpm_uuid.in_(wanted[start : start + CHUNK])))
        if closed_at is not None
    }


def held(tx: Tx, email_keys: Iterable[str]) -> set[str]:
    """Which of these emails some login has."""
    return set(_among(tx, select(Login.email_key), Login.email_key, email_keys))


def _only(column: InstrumentedAttribute[UUID], *conditions: ColumnElement[bool]) -> Select[UUID]:
    return select(column).where(*conditions)


def _among(tx: Tx, statement: Select[T], column: InstrumentedAttribute[Any], values: Iterable[Any]) -> Iterator[T]:
    wanted: Sequence[Any] = sorted(set(values))
    for start in range(0, len(wanted), CHUNK):
        yield from tx.session.scalars(statement.where(column.in_(wanted[start : start + CHUNK])))
