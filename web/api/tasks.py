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
from web.api.imports import IdempotencyKey
from web.http.bodies import key_of
from web.http.identity import Importer, Reader
from web.portal import ThePortal

router = APIRouter(prefix="/clients/{client_id}/tasks", tags=["tasks"])


class TaskShown(BaseModel):
    """A task of a client."""

    id: UUID
    kind: TaskKind
    title: str
    note: str | None
    due_date: date
    state: TaskState
    connection_id: UUID | None = Field(description="of an entity: who received it; null once they were removed")
    sent_by: UUID
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, row: Task) -> Self:
        shown = {name: getattr(row, name) for name in cls.model_fields if name != "connection_id"}
        return cls.model_validate({**shown, "connection_id": row.team_member_id})


class SentTask(BaseModel):
    """The task is there."""

    id: UUID
    is_new: bool = Field(description="false when the same task was sent before")


@router.get("")
def list_tasks(
    portal: ThePortal,
    who: Reader,
    client_id: UUID,
    state: Annotated[list[TaskState] | None, Query(max_length=len(TaskState))] = None,
) -> list[TaskShown]:
    """A client's tasks, those that are due first first; the open ones, or those in the states that are named."""
    found = tasks.listing(portal.database, who, client_id, state or [TaskState.OPEN])
    return [TaskShown.of(row) for row in found]


@router.post("", status_code=201, responses={200: {"description": "Sent before", "model": SentTask}})
def send_task(
    response: Response,
    portal: ThePortal,
    who: Importer,
    client_id: UUID,
    given: NewTask,
    idempotency_key: IdempotencyKey,
) -> SentTask:
    """Send a task to a person, or to a connection of an entity. An entity without one is refused: `connection_needed`."""
    sent = tasks.send(portal.database, who, client_id, given, key_of(idempotency_key))
    response.status_code = 201 if sent.is_new else 200
    return SentTask(id=sent.task_id, is_new=sent.is_new)


@router.post("/{task_id}/completion", status_code=204)
def complete_task(portal: ThePortal, who: Importer, client_id: UUID, task_id: UUID) -> None:
    """Note that what was asked for is done."""
    tasks.complete(portal.database, who, client_id, task_id)


@router.post("/{task_id}/withdrawal", status_code=204)
def withdraw_task(portal: ThePortal, who: Importer, client_id: UUID, task_id: UUID) -> None:
    """Take a task back."""
    tasks.withdraw(portal.database, who, client_id, task_id)
