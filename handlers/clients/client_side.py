"""The clients' side of the portal: what a client who signed in sees and does. Nothing of anybody else is within reach.

What that is, is decided by `portal_db.clients.client_side`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from handlers import refusals
from handlers.access.act import by_client
from handlers.access.caller import ClientCaller
from handlers.fields import plain_text
from portal_db.clients import client_side, clients, tasks
from portal_db.clients.client_side import Holder, OwnTask
from portal_db.database import Database
from portal_db.states import TaskState
from portal_db.tables import Client, ClientField

#: Tasks shown at most, the open ones first.
LONGEST_LIST = 200


class Answer(BaseModel):
    """What a client writes when they complete a task."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    answer: Annotated[str, Field(max_length=5000), AfterValidator(plain_text)] = ""


@dataclass(frozen=True)
class Record:
    """A client as the firm holds them: their own account, one that they co-own, or an entity that they act for."""

    client: Client
    fields: Mapping[str, ClientField]


def own_tasks(database: Database, caller: ClientCaller) -> Sequence[OwnTask]:
    """The caller's tasks, open ones first."""
    with database.read() as tx:
        return client_side.tasks(tx, _holder(caller), limit=LONGEST_LIST)


def get_task(database: Database, caller: ClientCaller, task_id: UUID) -> OwnTask:
    """A task of the caller.

    Raises:
        RequestRefused: there is none with this id, or it is not theirs.
    """
    with database.read() as tx:
        found = client_side.task(tx, _holder(caller), task_id)
    if found is None:
        raise refusals.UNKNOWN_TASK()
    return found


def complete(database: Database, caller: ClientCaller, task_id: UUID, given: Answer) -> None:
    """Complete a task, with a note to the firm if there is one.

    Raises:
        RequestRefused: the task is not found or not theirs, or is closed.
    """
    with database.write() as tx:
        found = client_side.task(tx, _holder(caller), task_id)
        if found is None:
            raise refusals.UNKNOWN_TASK()
        if not tasks.end(tx, found.client.id, task_id, TaskState.COMPLETED, answer=given.answer or None):
            raise refusals.TASK_CLOSED(state=found.task.state)
        by_client(caller.login_id).audit(
            tx,
            "task.completed",
            "task",
            task_id,
            caller.practice_id,
            before=TaskState.OPEN,
            after=TaskState.COMPLETED,
        )


def records(database: Database, caller: ClientCaller) -> Sequence[Record]:
    """Everything that the firm holds of the caller and of the entities that they act for, to read."""
    with database.read() as tx:
        found = client_side.clients(tx, _holder(caller))
        fields = clients.fields_of(tx, [each.id for each in found])
    return [Record(each, fields[each.id]) for each in found]


def _holder(caller: ClientCaller) -> Holder:
    return Holder(caller.practice_id, caller.login_id)
