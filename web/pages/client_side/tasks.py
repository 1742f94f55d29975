"""A client's home: their tasks, and completing one."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import ValidationError

from handlers.clients import client_side
from handlers.clients.client_side import Answer
from handlers.errors import RequestRefused
from portal_db.states import TaskState
from web.pages.frame.forms import NO_ERRORS, FormErrors, PostedByClient
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import CLIENT_HOME, ClientVisitor, TheClient

router = APIRouter()

PATH = CLIENT_HOME


@router.get(PATH)
def show_tasks(visitor: TheClient) -> Response:
    found = client_side.own_tasks(visitor.database, visitor.caller)
    to_do = [each for each in found if each.task.state is TaskState.OPEN]
    done = [each for each in found if each.task.state is not TaskState.OPEN]
    return page(visitor, "client_side/tasks.html", to_do=to_do, done=done, today=visitor.today)


@router.get(f"{PATH}/{{task_id}}")
def show_task(visitor: TheClient, task_id: UUID) -> Response:
    return _page(visitor, task_id)


@router.post(f"{PATH}/{{task_id}}/complete")
def complete(posted: PostedByClient, task_id: UUID) -> Response:
    """Complete the task; what the client writes goes to the firm with it."""
    visitor, typed = posted.visitor, posted.text("answer")
    try:
        client_side.complete(visitor.database, visitor.caller, task_id, Answer(answer=typed))
    except (ValidationError, RequestRefused) as error:
        return _page(visitor, task_id, FormErrors.of(error, ("answer",)), typed)
    return redirect(PATH, message="task-completed")


def _page(visitor: ClientVisitor, task_id: UUID, errors: FormErrors = NO_ERRORS, typed: str = "") -> Response:
    found = client_side.get_task(visitor.database, visitor.caller, task_id)
    return page(visitor, "client_side/task.html", errors, task=found.task, client=found.client, typed=typed)
