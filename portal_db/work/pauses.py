"""Pauses: no job that matches one is claimed. There is one pause per scope: its id is derived from the scope, so that the
primary key refuses a second one."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid5

from sqlalchemy import or_, select

from portal_db.database import Tx
from portal_db.dialect import delete_rows, insert_or_ignore, one_as
from portal_db.states import Lane
from portal_db.tables import Operator, Pause
from portal_db.types import db_now

_SCOPES = UUID("5d3e5f0a-6d0b-5c43-9b0e-8f9d1c6f7a21")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a pause stops: a part that is not set matches all, so an empty scope stops everything."""

    practice_id: UUID | None = None
    lane: Lane | None = None
    kind: str | None = None

    @property
    def id(self) -> UUID:
        """The id of this scope's pause."""
        return uuid5(_SCOPES, f"{self.practice_id}|{self.lane}|{self.kind}")

    def __str__(self) -> str:
        parts = (("practice", self.practice_id), ("lane", self.lane), ("kind", self.kind))
        return ", ".join(f"{name} {value}" for name, value in parts if value is not None) or "everything"


@dataclass(frozen=True, slots=True)
class Paused:
    """A pause and the name of the operator who set it."""

    pause: Pause
    by: str | None

    @property
    def scope(self) -> Scope:
        return Scope(self.pause.practice_id, self.pause.lane, self.pause.kind)


def add(tx: Tx, scope: Scope, *, reason: str, paused_by: UUID) -> bool:
    """Stop claims. False when this scope is paused already."""
    row = {
        "id": scope.id,
        "practice_id": scope.practice_id,
        "lane": scope.lane,
        "kind": scope.kind,
        "reason": reason,
        "paused_by": paused_by,
        "created_at": db_now(),
    }
    return insert_or_ignore(tx, Pause, row)


def lift(tx: Tx, pause_id: UUID) -> bool:
    """End a pause. False when it has ended already."""
    return bool(delete_rows(tx, Pause, Pause.id == pause_id))


_ALL = select(Pause, Operator.name).outerjoin(Operator, Operator.id == Pause.paused_by)


def listing(tx: Tx, *, practice_id: UUID | None = None) -> list[Paused]:
    """Pauses, oldest first: all, or those that affect a practice."""
    statement = _ALL.order_by(Pause.created_at, Pause.id)
    if practice_id is not None:
        statement = statement.where(or_(Pause.practice_id.is_(None), Pause.practice_id == practice_id))
    return [Paused(pause, name) for pause, name in tx.session.execute(statement)]


def get(tx: Tx, pause_id: UUID) -> Paused | None:
    return one_as(tx, Paused, _ALL.where(Pause.id == pause_id))


def stopping(tx: Tx, practice_id: UUID, lane: Lane, kind: str) -> list[Paused]:
    """The pauses that keep such a job from being claimed, oldest first; `due.is_paused` is the same as a condition."""
    statement = _ALL.where(
        or_(Pause.practice_id.is_(None), Pause.practice_id == practice_id),
        or_(Pause.lane.is_(None), Pause.lane == lane),
        or_(Pause.kind.is_(None), Pause.kind == kind),
    )
    return [Paused(pause, name) for pause, name in tx.session.execute(statement.order_by(Pause.created_at, Pause.id))]
