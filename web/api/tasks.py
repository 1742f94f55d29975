"""Tasks of a client: sent, listed, completed, withdrawn."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from handlers.clients import tasks
from handlers.clients.tasks import NewTask
from portal_db.states import TaskKind, TaskState
from portal_db.tables import Task
from web.http.bodies import IdempotencyKey
from web.http.identity import Importer, Reader
from web.http.models import Answer
from web.http.paging import ListPage, ListQuery
from web.portal import ThePortal
from web.usage import Use

router = APIRouter(prefix="/clients/{client_id}/tasks", tags=["tasks"])


class TaskShown(Answer):
    """A task of a client."""

    id: UUID
    kind: TaskKind
    title: str
    note: str | None
    due_date: date
    state: TaskState
    connection_id: UUID | None = Field(description="for an entity: who received it; null once they are removed")
    sent_by: UUID
    created_at: datetime
    ended_at: datetime | None
    answer: str | None = Field(description="what the client wrote when they completed it")

    @classmethod
    def of(cls, row: Task) -> Self:
        return cls.from_row(row, connection_id=row.team_member_id)


class TaskPage(ListPage[TaskShown]):
    """Tasks, newest first."""


class TaskQuery(ListQuery):
    """Which tasks, and how many at once."""

    state: list[TaskState] = Field([], max_length=len(TaskState), description="without any: the open ones")


class SentTask(BaseModel):
    """The task was sent."""

    id: UUID
    is_new: bool = Field(description="false if the same task was sent before")


@router.get("")
def list_tasks(portal: ThePortal, who: Reader, client_id: UUID, query: Annotated[TaskQuery, Query()]) -> TaskPage:
    """A client's tasks in these states, newest first; without a state, the open ones."""
    states = query.state or [TaskState.OPEN]
    found = tasks.listing(portal.database, who, client_id, states, cursor=query.cursor, limit=query.limit)
    return TaskPage.of(found, TaskShown.of)


@router.post("", status_code=201, responses={200: {"description": "Sent before", "model": SentTask}})
def send_task(
    response: Response,
    portal: ThePortal,
    who: Importer,
    client_id: UUID,
    given: NewTask,
    idempotency_key: IdempotencyKey,
) -> SentTask:
    """Send a task to an individual, or to a connection of an entity. An entity without connections is refused:
    `connection_needed`."""
    if not tasks.is_repeated(portal.database, who, client_id, given, idempotency_key):
        portal.uses.take(Use.TASK, who, to=client_id)
    sent = tasks.send(portal.database, who, client_id, given, idempotency_key)
    response.status_code = 201 if sent.is_new else 200
    return SentTask(id=sent.task_id, is_new=sent.is_new)


@router.post("/{task_id}/completion", status_code=204)
def complete_task(portal: ThePortal, who: Importer, client_id: UUID, task_id: UUID) -> None:
    """Mark a task as completed."""
    tasks.complete(portal.database, who, client_id, task_id)


@router.post("/{task_id}/withdrawal", status_code=204)
def withdraw_task(portal: ThePortal, who: Importer, client_id: UUID, task_id: UUID) -> None:
    """Withdraw a task."""
    tasks.withdraw(portal.database, who, client_id, task_id)
