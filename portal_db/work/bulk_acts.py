"""Bulk acts on dead letters: recorded, claimed piece by piece, counted, stopped and resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.exc import IntegrityError

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore, one_as, update_rows
from portal_db.states import BulkState
from portal_db.tables import BulkAct, Operator
from portal_db.types import db_now, has_ended

#: How long a process has an act for itself to carry out one piece, which takes a few seconds.
CLAIM_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class BulkEntry:
    """A bulk act and the name of the operator who started it."""

    act: BulkAct
    by: str


_ALL = select(BulkAct, Operator.name).join(Operator, Operator.id == BulkAct.asked_by)


def add(tx: Tx, row: dict[str, Any], *, reserved: bool) -> bool:
    """Record a bulk act that runs from now on. False when one on the same selection runs already.

    Args:
        reserved: the caller carries it out, and nobody else while it does.
    """
    start = {"state": BulkState.RUNNING, "done": 0, "refused": 0, "refusals": [], "created_at": db_now()}
    return insert_or_ignore(tx, BulkAct, {**start, **row, "claimed_until": _claim() if reserved else None})


def get(tx: Tx, bulk_id: UUID) -> BulkEntry | None:
    return one_as(tx, BulkEntry, _ALL.where(BulkAct.id == bulk_id))


def latest_of(tx: Tx, scope: str) -> BulkEntry | None:
    """The latest act on a selection."""
    return one_as(tx, BulkEntry, _ALL.where(BulkAct.scope == scope).order_by(BulkAct.id.desc()).limit(1))


def listing(tx: Tx, *, limit: int) -> list[BulkEntry]:
    """The latest acts, newest first."""
    return [BulkEntry(*row) for row in tx.session.execute(_ALL.order_by(BulkAct.id.desc()).limit(limit))]


def due(tx: Tx, *, ahead_seconds: float) -> list[UUID]:
    """The acts whose next piece may be carried out now."""
    statement = select(BulkAct.id).where(_is_free(), _has_turn(ahead_seconds))
    return list(tx.session.scalars(statement.order_by(BulkAct.id)))


def claim(tx: Tx, bulk_id: UUID, *, reserved: bool, ahead_seconds: float) -> BulkAct | None:
    """Take an act for one piece. `None` when it does not run, somebody else has it, or its next turn is later.

    Args:
        reserved: the caller has it since it was recorded, and may take it before its turn.
        ahead_seconds: how early before its turn anybody else may take it.
    """
    free = [BulkAct.state == BulkState.RUNNING] if reserved else [_is_free(), _has_turn(ahead_seconds)]
    statement = update(BulkAct).where(BulkAct.id == bulk_id, *free).values(claimed_until=_claim())
    return tx.session.scalar(statement.returning(BulkAct))


def count_done(tx: Tx, bulk_id: UUID) -> bool:
    """Count one dead letter, in the transaction that acts on it. False when the act was stopped."""
    runs = (BulkAct.id == bulk_id, BulkAct.state == BulkState.RUNNING)
    return bool(update_rows(tx, BulkAct, *runs, done=BulkAct.done + 1))


def advance(
    tx: Tx,
    bulk_id: UUID,
    *,
    cursor: str | None,
    refused: int,
    refusals: Sequence[dict[str, Any]],
    next_turn_seconds: float | None,
    ended: bool,
    reserved: bool,
) -> None:
    """Record a piece, and give the act free unless it is reserved."""
    values: dict[str, Any] = {
        "cursor": cursor,
        "refused": BulkAct.refused + refused,
        "refusals": list(refusals),
        "next_turn_at": db_now(next_turn_seconds) if next_turn_seconds is not None else None,
        "claimed_until": _claim() if reserved else None,
    }
    update_rows(tx, BulkAct, BulkAct.id == bulk_id, **values)
    if ended:
        end(tx, bulk_id, BulkState.DONE)


def end(tx: Tx, bulk_id: UUID, state: BulkState) -> bool:
    """Stop a running act, or record that it is done. False when it does not run."""
    runs = (BulkAct.id == bulk_id, BulkAct.state == BulkState.RUNNING)
    return bool(update_rows(tx, BulkAct, *runs, state=state, finished_at=db_now()))


def resume(tx: Tx, bulk_id: UUID) -> bool:
    """Let a stopped act run again. False when it is not stopped, or another one on the same selection runs."""
    stopped = (BulkAct.id == bulk_id, BulkAct.state == BulkState.STOPPED)
    try:
        with tx.session.begin_nested():
            runs = {"state": BulkState.RUNNING, "finished_at": None, "claimed_until": None, "next_turn_at": None}
            return bool(update_rows(tx, BulkAct, *stopped, **runs))
    except IntegrityError:
        return False


def _claim() -> db_now:
    return db_now(CLAIM_SECONDS)


def _is_free() -> ColumnElement[bool]:
    return and_(BulkAct.state == BulkState.RUNNING, has_ended(BulkAct.claimed_until, CLAIM_SECONDS))


def _has_turn(ahead_seconds: float) -> ColumnElement[bool]:
    return or_(BulkAct.next_turn_at.is_(None), BulkAct.next_turn_at <= db_now(ahead_seconds))
