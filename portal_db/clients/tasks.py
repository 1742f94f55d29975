"""Tasks sent to clients. Callers have checked that the viewer may see the client."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from portal_db.database import Tx
from portal_db.dialect import count_rows, insert_or_ignore, update_rows
from portal_db.paging import Cursor, newest_first
from portal_db.states import TaskState
from portal_db.tables import Task
from portal_db.types import db_now


def add(tx: Tx, row: dict[str, Any]) -> bool:
    """Add a task. False when the practice has used its idempotency key already."""
    return insert_or_ignore(tx, Task, {**row, "state": TaskState.OPEN, "created_at": db_now()})


def by_key(tx: Tx, practice_id: UUID, idempotency_key: str) -> Task | None:
    return tx.session.scalar(
        select(Task).where(Task.practice_id == practice_id, Task.idempotency_key == idempotency_key)
    )


def get(tx: Tx, client_id: UUID, task_id: UUID) -> Task | None:
    return tx.session.scalar(select(Task).where(Task.id == task_id, Task.client_id == client_id))


def of_client(tx: Tx, client_id: UUID, *, limit: int) -> Sequence[Task]:
    """Up to `limit` of a client's tasks: open ones first, the earliest due date first, then the ones that ended last."""
    statement = select(Task).where(Task.client_id == client_id)
    statement = statement.order_by(Task.ended_at.desc().nulls_first(), Task.due_date, Task.created_at, Task.id)
    return tx.session.scalars(statement.limit(limit)).all()


def page(
    tx: Tx, client_id: UUID, states: Collection[TaskState], *, limit: int, after: Cursor | None = None
) -> Sequence[Task]:
    """A page of a client's tasks in these states, newest first."""
    statement = select(Task).where(Task.client_id == client_id, Task.state.in_(states))
    return tx.session.scalars(newest_first(statement, Task.created_at, Task.id, after=after, limit=limit)).all()


def end(tx: Tx, client_id: UUID, task_id: UUID, state: TaskState, *, answer: str | None = None) -> bool:
    """Complete or withdraw an open task. False when it is not open.

    Args:
        answer: what the client wrote when they completed it.
    """
    is_open = (Task.id == task_id, Task.client_id == client_id, Task.state == TaskState.OPEN)
    return bool(update_rows(tx, Task, *is_open, state=state, answer=answer, ended_at=db_now()))


def open_with(tx: Tx, team_member_id: UUID) -> int:
    """How many open tasks a team member has who acts for an entity."""
    return count_rows(tx, Task.team_member_id == team_member_id, Task.state == TaskState.OPEN)


def forget_receiver(tx: Tx, team_member_id: UUID) -> None:
    """Remove a team member from the ended tasks they received."""
    update_rows(tx, Task, Task.team_member_id == team_member_id, Task.state != TaskState.OPEN, team_member_id=None)
