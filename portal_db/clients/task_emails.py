"""Emails that tell of tasks: one at most for each task, which is its key, and the intent before each sending."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, or_, select, update

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore, update_rows
from portal_db.states import EmailState
from portal_db.tables import Client, Login, Practice, Task, TaskEmail
from portal_db.types import db_now
from portal_db.work.jobs import IS_HELD, Lease


def add(tx: Tx, task_id: UUID, login_id: UUID) -> None:
    """Record that the task is to be told of."""
    row = {"task_id": task_id, "login_id": login_id, "state": EmailState.PENDING, "created_at": db_now()}
    insert_or_ignore(tx, TaskEmail, row)


@dataclass(frozen=True, slots=True)
class AddressedTask:
    """An email with everything that is needed to write it. `name` is the client's that the task is for."""

    email: TaskEmail
    task: Task
    client: Client
    practice: Practice
    login: Login


def addressed(tx: Tx, task_ids: Collection[UUID], practice_id: UUID) -> dict[UUID, AddressedTask]:
    """A practice's emails, by task."""
    statement = (
        select(TaskEmail, Task, Client, Practice, Login)
        .join(Task, Task.id == TaskEmail.task_id)
        .join(Client, Client.id == Task.client_id)
        .join(Practice, Practice.id == Task.practice_id)
        .join(Login, Login.id == TaskEmail.login_id)
        .where(TaskEmail.task_id.in_(task_ids), Task.practice_id == practice_id)
    )
    found = [AddressedTask(*row) for row in tx.session.execute(statement)]
    return {each.task.id: each for each in found}


def states_of(tx: Tx, task_ids: Collection[UUID]) -> dict[UUID, EmailState]:
    """How far the emails of these tasks are."""
    statement = select(TaskEmail.task_id, TaskEmail.state).where(TaskEmail.task_id.in_(task_ids))
    return dict(tx.session.execute(statement).all())


_TABLE: Any = TaskEmail.__table__
_IS_OURS = and_(TaskEmail.state == EmailState.SENDING, TaskEmail.sending_token == bindparam("token"))
_BEGIN = (
    update(_TABLE)
    .where(
        TaskEmail.task_id == bindparam("email_of"),
        IS_HELD,
        or_(TaskEmail.state == EmailState.PENDING, _IS_OURS),
        select(Login.email).where(Login.id == TaskEmail.login_id).scalar_subquery() == bindparam("address"),
    )
    .values(state=EmailState.SENDING, sending_token=bindparam("token"))
    .returning(TaskEmail.task_id)
)


def begin_sending(tx: Tx, task_id: UUID, lease: Lease, *, address: str) -> bool:
    """Record the intent to send. False when the email is not pending, its login has another address by now, or the job was
    cancelled or taken back: the job's row is locked. Under the same lease it may be recorded again as long as nothing was
    sent: its COMMIT may have got no answer."""
    values = {"email_of": task_id, "job_id": lease.job_id, "token": lease.token, "address": address}
    return tx.connection.scalar(_BEGIN, values) is not None


def finish_sending(tx: Tx, task_id: UUID, token: UUID, state: EmailState) -> bool:
    """End an intent: sent, refused, or, known not to be sent, pending again. False when another lease holds it."""
    if state is not EmailState.SENT:
        return _move(tx, task_id, _is_ours(token), state=state)
    # Again under the same lease it changes nothing but the time.
    is_ours = (TaskEmail.sending_token == token, TaskEmail.state.in_((EmailState.SENDING, EmailState.SENT)))
    return _move(tx, task_id, *is_ours, state=EmailState.SENT, sent_at=db_now())


def cancel(tx: Tx, task_id: UUID) -> None:
    """Give up an email that nobody has begun to send."""
    _move(tx, task_id, TaskEmail.state == EmailState.PENDING, state=EmailState.CANCELLED)


def mark_unknown(tx: Tx, task_id: UUID) -> None:
    """Mark an email unknown that an interrupted attempt left in `sending`."""
    _move(tx, task_id, TaskEmail.state == EmailState.SENDING, state=EmailState.UNKNOWN)


def _is_ours(token: UUID) -> ColumnElement[bool]:
    return and_(TaskEmail.state == EmailState.SENDING, TaskEmail.sending_token == token)


def _move(tx: Tx, task_id: UUID, *conditions: ColumnElement[bool], **values: Any) -> bool:
    return bool(update_rows(tx, TaskEmail, TaskEmail.task_id == task_id, *conditions, **values))
