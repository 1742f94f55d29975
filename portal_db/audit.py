"""The audit trail: one row per change that somebody may need to trace."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from uuid import UUID

from sqlalchemy import insert, select

from portal_db.database import Tx
from portal_db.dialect import insert_rows
from portal_db.states import ActorKind
from portal_db.tables import AuditEntry
from portal_db.types import db_now

#: The API key that the current request was made with. It is set where a request is authenticated, so that no act of a
#: program can be taken for one of the person it acts for.
VIA_KEY: ContextVar[UUID | None] = ContextVar("via_key", default=None)


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
