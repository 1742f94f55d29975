"""The audit trail: one row per change that somebody may need to trace."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, insert, literal_column, or_, select

from portal_db.database import Tx
from portal_db.dialect import insert_rows
from portal_db.paging import first_id_at, latest_given, latest_of
from portal_db.states import ActorKind
from portal_db.tables import AuditEntry, Operator
from portal_db.types import db_now

#: The API key that the current request was made with. It is set where a request is authenticated, so that no act of a
#: program can be taken for one of the person it acts for.
VIA_KEY: ContextVar[UUID | None] = ContextVar("via_key", default=None)
#: The network address that the current request came from. Housekeeping empties it in rows of long ago.
ADDRESS: ContextVar[str | None] = ContextVar("address", default=None)
LONGEST_ADDRESS = 45


def record(
    tx: Tx,
    *,
    action: str,
    subject: str,
    subject_id: UUID,
    practice_id: UUID | None,
    actor: ActorKind = ActorKind.SYSTEM,
    actor_id: UUID | None = None,
    before: str | None = None,
    after: str | None = None,
    why: str | None = None,
) -> None:
    """Record who did what to which row. Values are states, codes and ids; never personal data."""
    tx.session.execute(
        insert(AuditEntry).values(
            id=tx.new_id(),
            at=db_now(),
            practice_id=practice_id,
            actor=actor,
            actor_id=actor_id,
            via_key_id=VIA_KEY.get() if actor is ActorKind.STAFF else None,
            address=ADDRESS.get() if actor is not ActorKind.SYSTEM else None,
            action=action,
            subject=subject,
            subject_id=subject_id,
            before=before,
            after=after,
            why=why,
        )
    )


def record_states(
    tx: Tx, action: str, subject: str, practice_id: UUID, moves: Iterable[tuple[UUID, str, str, str | None]]
) -> None:
    """Record the moves of any number of rows of one practice by one statement.

    Args:
        moves: for each the row's id, its state before and after, and why.
    """
    same = {"practice_id": practice_id, "actor": ActorKind.SYSTEM, "action": action, "subject": subject}
    rows = [
        {**same, "id": tx.new_id(), "subject_id": row_id, "before": before, "after": after, "why": why}
        for row_id, before, after, why in moves
    ]
    insert_rows(tx, AuditEntry, rows, now=("at",))


def of_subject(tx: Tx, subject: str, subject_id: UUID) -> list[AuditEntry]:
    """The audit entries about one row, oldest first."""
    statement = select(AuditEntry).where(AuditEntry.subject == subject, AuditEntry.subject_id == subject_id)
    return list(tx.session.scalars(statement.order_by(AuditEntry.at, AuditEntry.id)))


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries to read; a filter that is not set matches all. `action` may be its first part: `job`."""

    actor_id: UUID | None = None
    operators_only: bool = True
    action: str | None = None
    practice_id: UUID | None = None
    until: datetime | None = None


#: Entries that one page of everybody's acts looks through for those that match.
LOOKED_THROUGH = 5_000


def page(tx: Tx, which: AuditFilter, *, before: UUID | None, limit: int) -> list[tuple[AuditEntry, str | None]]:
    """Entries newest first, each with the name of the operator who acted. Ids are in the order of time, so a time is a range
    of ids. What the system did is looked through a limited way: there may be millions of it."""
    ends = [
        each for each in (before, first_id_at(which.until) if which.until is not None else None) if each is not None
    ]
    end = min(ends, default=None)
    if which.operators_only or which.actor_id is not None:
        entry, given = AuditEntry, {}
        is_by = entry.actor_id == which.actor_id if which.actor_id else entry.actor_id.is_not(None)
        ids = select(entry.id).where(entry.actor == literal_column("'operator'"), is_by, *_conditions(which, entry))
        ids = ids.where(entry.id < end) if end is not None else ids
        # First the ids, which an index has: reading and sorting all entries of operators takes several times as long.
        is_shown: list[ColumnElement[bool]] = [entry.id.in_(ids.order_by(entry.id.desc()).limit(limit))]
    else:
        entry, given = latest_of(AuditEntry), latest_given(end, looked_through=LOOKED_THROUGH)
        is_shown = _conditions(which, entry)
    statement = select(entry, Operator.name).outerjoin(Operator, Operator.id == entry.actor_id).where(*is_shown)
    found = tx.session.execute(statement.order_by(entry.id.desc()).limit(limit), given)
    return [(row, name) for row, name in found]


def _conditions(which: AuditFilter, entry: type[AuditEntry]) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if which.action is not None:
        is_of = entry.action.startswith(f"{which.action}.", autoescape=True)
        found.append(or_(entry.action == which.action, is_of))
    if which.practice_id is not None:
        found.append(entry.practice_id == which.practice_id)
    return found
