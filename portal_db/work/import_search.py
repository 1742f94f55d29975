"""Imports as operators search them, with their practices' names: of one practice, or among the latest of all."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, select

from portal_db.database import Tx
from portal_db.paging import Cursor, among_latest, is_any_time, newest_first
from portal_db.states import ImportState
from portal_db.tables import Import, Practice

#: Imports that `latest` looks through for those that match.
LOOKED_THROUGH = 5_000

_ALL: Select[Import, str] = select(Import, Practice.name).join(Practice, Practice.id == Import.practice_id)


def latest(tx: Tx, *, states: Sequence[ImportState], before: UUID | None, limit: int) -> list[tuple[Import, str]]:
    """Those among the latest imports that match, newest first."""
    recent = among_latest(tx, Import.id, before=before, looked_through=LOOKED_THROUGH)
    return _rows(tx, _in(_ALL.where(recent), states).order_by(Import.id.desc()).limit(limit))


def of_practice(
    tx: Tx, practice_id: UUID, *, states: Sequence[ImportState], after: Cursor | None, limit: int
) -> list[tuple[Import, str]]:
    """A page of a practice's imports, newest first."""
    statement = _in(_ALL.where(Import.practice_id == practice_id, is_any_time(Import.created_at)), states)
    return _rows(tx, newest_first(statement, Import.created_at, Import.id, after=after, limit=limit))


def _in(statement: Select[Import, str], states: Sequence[ImportState]) -> Select[Import, str]:
    return statement.where(Import.state.in_(states)) if states else statement


def _rows(tx: Tx, statement: Select[Import, str]) -> list[tuple[Import, str]]:
    return [(row, name) for row, name in tx.session.execute(statement)]
