"""Tasks sent to clients. The caller has looked the client up in sight."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore
from portal_db.states import TaskState
from portal_db.tables import Task
from portal_db.types import db_now


def add(tx: Tx, row: dict[str, Any]) -> bool:
    """Send a task. False when the practice has used its idempotency key already."""
    values = {**row, "state": TaskState.OPEN, "created_at": db_now()}
    return tx.session.scalar(insert_or_ignore(tx, Task, values).returning(Task.id)) is not None


def by_key(tx: Tx, practice_id: UUID, idempotency_key: str) -> Task | None:
    return tx.session.scalar(
        select(Task).where(Task.practice_id == practice_id, Task.idempotency_key == idempotency_key)
    )


def get(tx: Tx, client_id: UUID, task_id: UUID) -> Task | None:
    return tx.session.scalar(select(Task).where(Task.id == task_id, Task.client_id == client_id))


def of_client(tx: Tx, client_id: UUID, states: Collection[TaskState], *, limit: int) -> Sequence[Task]:
    """A client's tasks in these states, those that are due first first; at most `limit`."""
    statement = select(Task).where(Task.client_id == client_id, Task.state.in_(states))
    return tx.session.scalars(statement.order_by(Task.due_date, Task.created_at, Task.id).limit(limit)).all()


def end(tx: Tx, client_id: UUID, task_id: UUID, state: TaskState) -> bool:
    """Complete or withdraw an open task. False when it is not open (any more)."""
    statement = (
        update(Task)
        .where(Task.id == task_id, Task.client_id == client_id, Task.state == TaskState.OPEN)
        .values(state=state, ended_at=db_now())
        .returning(Task.id)
    )
    return tx.session.scalar(statement) is not None


def open_with(tx: Tx, team_member_id: UUID) -> int:
    """How many open tasks somebody who acts for an entity has."""
    statement = select(func.count()).where(Task.team_member_id == team_member_id, Task.state == TaskState.OPEN)
    return tx.session.scalar(statement) or 0


def forget_receiver(tx: Tx, team_member_id: UUID) -> None:
    """Ended tasks no longer say whose they were."""
    statement = update(Task).where(Task.team_member_id == team_member_id, Task.state != TaskState.OPEN)
    tx.session.execute(statement.values(team_member_id=None))
