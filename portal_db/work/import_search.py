"""Imports as operators search them: of one practice or batch, or among the latest of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from portal_db.database import Tx
from portal_db.paging import Cursor, is_any_time, latest_given, latest_of, newest_first
from portal_db.states import ImportState
from portal_db.tables import Batch, Import, Practice

#: Imports that `latest` looks through for those that match.
LOOKED_THROUGH = 5_000

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_ALL: Select[Import, str] = select(Import, Practice.name).join(Practice, Practice.id == Import.practice_id)


def latest(tx: Tx, *, states: Sequence[ImportState], before: UUID | None, limit: int) -> list[tuple[Import, str]]:
    """Those among the latest imports that match, newest first."""
    recent = latest_of(Import)
    statement = select(recent, Practice.name).join(Practice, Practice.id == recent.practice_id)
    statement = statement.where(recent.state.in_(states)) if states else statement
    given = latest_given(before, looked_through=LOOKED_THROUGH)
    return _rows(tx, statement.order_by(recent.id.desc()).limit(limit), given)


def of_practice(
    tx: Tx, practice_id: UUID, *, states: Sequence[ImportState], after: Cursor | None, limit: int
) -> list[tuple[Import, str]]:
    """A page of a practice's imports, newest first."""
    statement = _in(_ALL.where(Import.practice_id == practice_id, is_any_time(Import.created_at)), states)
    return _rows(tx, newest_first(statement, Import.created_at, Import.id, after=after, limit=limit))


def batch(tx: Tx, batch_id: UUID) -> tuple[Batch, str] | None:
    """A batch and its practice's name."""
    statement = (
        select(Batch, Practice.name).join(Practice, Practice.id == Batch.practice_id).where(Batch.id == batch_id)
    )
    found = tx.session.execute(statement).one_or_none()
    return (found[0], found[1]) if found is not None else None


def of_batch(tx: Tx, batch_id: UUID, *, states: Sequence[ImportState], after: int, limit: int) -> Sequence[Import]:
    """A page of a batch's imports in request order, after a position."""
    statement = select(Import).where(Import.batch_id == batch_id, Import.position > after)
    statement = statement.where(Import.state.in_(states)) if states else statement
    return tx.session.scalars(statement.order_by(Import.position).limit(limit)).all()


def _in(statement: Select[Import, str], states: Sequence[ImportState]) -> Select[Import, str]:
    return statement.where(Import.state.in_(states)) if states else statement


def _rows(tx: Tx, statement: Select[Import, str], given: Mapping[str, Any] = _NOTHING) -> list[tuple[Import, str]]:
    return [(row, name) for row, name in tx.session.execute(statement, given)]
