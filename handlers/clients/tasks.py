"""Tasks that staff send: to an individual, or to a connection of an entity, which has no login of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from handlers import refusals
from handlers.access.act import Actor
from handlers.access.caller import Caller
from handlers.clients import task_email
from handlers.clients.queries import require_client, require_current_client
from handlers.fields import Line, plain_text
from handlers.paging import Page, page_of, read_cursor
from handlers.practice_time import now_at
from portal_db.clients import client_side, task_emails, tasks, team
from portal_db.database import Database, Tx
from portal_db.states import ClientKind, EmailState, TaskKind, TaskState
from portal_db.tables import Client, Task, TeamMember

#: The default due date of a task, in days from the practice's today.
DUE_DAYS = 10
#: The most tasks on a client's page.
MOST_SHOWN = 200


class NewTask(BaseModel):
    """A task to send."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: TaskKind = TaskKind.TO_DO
    title: Annotated[Line, Field(max_length=200)]
    note: Annotated[str, Field(max_length=5000), AfterValidator(plain_text)] | None = None
    due_date: date | None = Field(None, description=f"defaults to {DUE_DAYS} days from today")
    connection_id: UUID | None = Field(
        None, description="for an entity: the connection that receives it; not needed if there is only one"
    )


@dataclass(frozen=True)
class Sent:
    """A sent task. `is_new` is false if the same task was sent before under the same key."""

    task_id: UUID
    is_new: bool


def is_repeated(database: Database, caller: Caller, client_id: UUID, wishes: NewTask, key: str) -> bool:
    """Whether the same task was sent before under the same key, so that `send` sends none.

    Raises:
        RequestRefused: the client is not found, not visible to them or archived.
    """
    with database.read() as tx:
        require_current_client(tx, caller, client_id)
        known = tasks.by_key(tx, caller.practice_id, key)
        return known is not None and known.fingerprint == _fingerprint(client_id, wishes)


def send(database: Database, caller: Caller, client_id: UUID, wishes: NewTask, key: str) -> Sent:
    """Send a task to a client.

    Args:
        key: the requester's own key for this task.

    Raises:
        RequestRefused: the client is not found or not visible to them; the entity has no connection, or several and none
            is named; the due date is past; or the key was used for another task.
    """
    with database.write() as tx:
        client = require_current_client(tx, caller, client_id).client
        fingerprint = _fingerprint(client.id, wishes)
        if sent := _sent_before(tx, client, key, fingerprint):
            return sent
        task_id: UUID = tx.new_id()
        owner = {"id": task_id, "practice_id": client.practice_id, "client_id": client.id, "sent_by": caller.staff_id}
        asked = {"kind": wishes.kind, "title": wishes.title, "note": wishes.note or None}
        member = _receiver(tx, client, wishes)
        due = {"due_date": _due_date(tx, client, wishes), "team_member_id": member.id if member else None}
        if not tasks.add(tx, {**owner, **asked, **due, "idempotency_key": key, "fingerprint": fingerprint}):
            if sent := _sent_before(tx, client, key, fingerprint):
                return sent
            raise refusals.IDEMPOTENCY_CONFLICT()
        task_email.request(tx, task_id, client, member)
        Actor.of(caller.staff_id).audit(tx, "task.send", "task", task_id, caller.practice_id, after=TaskState.OPEN)
    return Sent(task_id, is_new=True)


def listing(
    database: Database, caller: Caller, client_id: UUID, states: Sequence[TaskState], *, cursor: str | None, limit: int
) -> Page[Task]:
    """A page of a client's tasks in some states, newest first.

    Raises:
        RequestRefused: the client is not found or not visible to them, or the cursor is not valid.
    """
    after = read_cursor(cursor)
    with database.read() as tx:
        require_client(tx, caller, client_id)
        found = tasks.page(tx, client_id, states, limit=limit + 1, after=after)
    return page_of(found, limit, lambda task: (task.created_at, task.id))


class Untold(StrEnum):
    """Why no email tells of a task."""

    #: Nobody who can open it receives it.
    NO_LOGIN = "no_login"
    #: They have not activated their account.
    NOT_ACTIVE = "not_active"
    #: They activated it since, or the task is older than these emails.
    AT_SIGN_IN = "at_sign_in"


@dataclass(frozen=True)
class Standing:
    """A task as staff follow it, and how whoever receives it hears of it."""

    task: Task
    told: EmailState | Untold


def standings(database: Database, caller: Caller, client_id: UUID) -> Sequence[Standing]:
    """A client's tasks, up to `MOST_SHOWN`: open ones by due date, then the ones that ended last.

    Raises:
        RequestRefused: the client is not found or not visible to them.
    """
    with database.read() as tx:
        client = require_client(tx, caller, client_id).client
        found = tasks.of_client(tx, client_id, limit=MOST_SHOWN)
        told = task_emails.states_of(tx, [task.id for task in found])
        members = {one.member.id: one.member for one in team.of_client(tx, client_id)}
        receivers = {task.team_member_id for task in found if task.id not in told}
        untold = {member_id: _untold(tx, client, members, member_id) for member_id in receivers}
    return [Standing(task, told.get(task.id) or untold[task.team_member_id]) for task in found]


def _untold(tx: Tx, client: Client, members: Mapping[UUID, TeamMember], member_id: UUID | None) -> Untold:
    member = members.get(member_id) if member_id is not None else None
    login = client_side.receiver(tx, client, member)
    if login is None:
        return Untold.NO_LOGIN
    return Untold.NOT_ACTIVE if login.activated_at is None else Untold.AT_SIGN_IN


def complete(database: Database, caller: Caller, client_id: UUID, task_id: UUID) -> None:
    """Mark a task as done.

    Raises:
        RequestRefused: the task is not found or not visible to them, or is closed.
    """
    _end(database, caller, client_id, task_id, TaskState.COMPLETED)


def withdraw(database: Database, caller: Caller, client_id: UUID, task_id: UUID) -> None:
    """Withdraw a task.

    Raises:
        RequestRefused: the task is not found or not visible to them, or is closed.
    """
    _end(database, caller, client_id, task_id, TaskState.WITHDRAWN)


def _end(database: Database, caller: Caller, client_id: UUID, task_id: UUID, state: TaskState) -> None:
    with database.write() as tx:
        require_client(tx, caller, client_id)
        if not tasks.end(tx, client_id, task_id, state):
            known = tasks.get(tx, client_id, task_id)
            if known is None:
                raise refusals.UNKNOWN_TASK()
            raise refusals.TASK_CLOSED(state=known.state)
        actor = Actor.of(caller.staff_id)
        actor.audit(tx, f"task.{state}", "task", task_id, caller.practice_id, before=TaskState.OPEN, after=state)


def _fingerprint(client_id: UUID, wishes: NewTask) -> str:
    return hashlib.sha256(f"{client_id} {wishes.model_dump_json()}".encode()).hexdigest()


def _sent_before(tx: Tx, client: Client, key: str, fingerprint: str) -> Sent | None:
    """The task that the same request sent before."""
    known = tasks.by_key(tx, client.practice_id, key)
    if known is not None and known.fingerprint != fingerprint:
        raise refusals.IDEMPOTENCY_CONFLICT()
    return Sent(known.id, is_new=False) if known is not None else None


def _due_date(tx: Tx, client: Client, wishes: NewTask) -> date:
    today = now_at(tx, client.practice_id).date()
    due = wishes.due_date or today + timedelta(days=DUE_DAYS)
    if due < today:
        raise refusals.DUE_DATE_PAST()
    return due


def _receiver(tx: Tx, client: Client, wishes: NewTask) -> TeamMember | None:
    """The connection of an entity that receives a task; `None` for an individual."""
    if client.kind is ClientKind.INDIVIDUAL:
        if wishes.connection_id is not None:
            raise refusals.CONNECTION_FOR_ENTITIES_ONLY()
        return None
    known = {one.member.id: one.member for one in team.of_client(tx, client.id, locked=True)}
    if not known:
        raise refusals.CONNECTION_NEEDED()
    if wishes.connection_id is None and len(known) > 1:
        raise refusals.CHOOSE_CONNECTION(count=len(known))
    if wishes.connection_id is not None and wishes.connection_id not in known:
        raise refusals.UNKNOWN_CONNECTION()
    return known[wishes.connection_id] if wishes.connection_id is not None else next(iter(known.values()))
