"""send_task_email: tells a client of a task, by one email with a link to it, never two.

As with the welcome email, the intent is committed first, under the job's lease: an attempt that finds another attempt's
intent cannot know whether the email was sent, marks it unknown and sends none. Who has not activated their account gets no
email, since they could not open the task: it is there when they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from uuid import UUID

from config.settings import Settings
from handlers.access import firm
from handlers.access.firm import Look
from handlers.email import addresses
from handlers.email.compose import compose
from handlers.email.greeting import greeting
from handlers.errors import JobError, OutcomeUnknown
from handlers.jobs import handler
from handlers.jobs.enqueue import add_job_of
from handlers.jobs.handler import Result, Sending, job_arg
from handlers.jobs.kinds import JobKind
from handlers.services import Services
from portal_db.clients import client_side, task_emails
from portal_db.clients.task_emails import AddressedTask
from portal_db.database import Tx
from portal_db.states import EmailState, ErrorClass, TaskState
from portal_db.tables import Client, Job, TeamMember
from portal_db.work.jobs import Failure, lease_of

#: The page of a task.
PATH = "/my/tasks"


@dataclass(frozen=True, slots=True)
class Letter:
    """An email, written and ready to be sent."""

    message: Message
    address: str


def request(tx: Tx, task_id: UUID, client: Client, member: TeamMember | None) -> None:
    """Request the email of a task that was just sent, if whoever receives it can open it. The relay rings the job."""
    login = client_side.receiver(tx, client, member)
    if login is None or login.activated_at is None:
        return
    task_emails.add(tx, task_id, login.id)
    add_job_of(tx, JobKind.SEND_TASK_EMAIL, client.practice_id, task_id=task_id)


def fetch(services: Services, of_practice: Sequence[Job]) -> list[Letter | JobError | None]:
    """Write the emails of jobs of one practice.

    Returns:
        For each its letter, `None` if there is nothing to send, or why not: an earlier attempt began to send it and did not
        finish.
    """
    task_ids = [job_arg(job, "task_id") for job in of_practice]
    with services.database.read() as tx:
        found = task_emails.addressed(tx, task_ids, of_practice[0].practice_id)
        look = firm.look_of(tx, of_practice[0].practice_id)
    return [_letter(services.settings, look, found.get(task_id)) for task_id in task_ids]


def _letter(settings: Settings, look: Look, found: AddressedTask | None) -> Letter | JobError | None:
    if found is not None and found.email.state in (EmailState.SENDING, EmailState.UNKNOWN):
        return OutcomeUnknown(
            "email_outcome_unknown",
            "A worker stopped while sending the email of a task, so it may or may not have been sent.",
            "The client sees the task at their next sign-in. Dismiss this.",
        )
    if found is None or found.email.state is not EmailState.PENDING or found.task.state is not TaskState.OPEN:
        return None
    return Letter(_message(settings, look, found), found.login.email)


def _begin(tx: Tx, task: handler.Task) -> bool:
    letter: Letter | None = task.fetched
    return letter is None or task_emails.begin_sending(
        tx, job_arg(task.job, "task_id"), lease_of(task.job), address=letter.address
    )


def _send(services: Services, task: handler.Task) -> None:
    letter: Letter | None = task.fetched
    if letter is not None:
        services.mailer.send(letter.message, addresses.for_delivery(letter.address))


def _record(tx: Tx, task: handler.Task) -> bool:
    return task.fetched is None or _finish(tx, task.job, EmailState.SENT)


def _withdraw(tx: Tx, task: handler.Task) -> None:
    _finish(tx, task.job, EmailState.PENDING)


#: Only the mailer's answer withdraws an intent: a failure after it accepted must not look like one before.
SENDING = Sending(_begin, _send, _record, _withdraw)


def apply(tx: Tx, tasks: Sequence[handler.Task]) -> list[Result]:
    """Mark the emails as sent that are not yet, and give up those of tasks that need none any more."""
    for task in tasks:
        if task.fetched is None:
            task_emails.cancel(tx, job_arg(task.job, "task_id"))
        else:
            _finish(tx, task.job, EmailState.SENT)
    return [[] for _ in tasks]


def on_failure(tx: Tx, job: Job, failure: Failure) -> None:
    """Mark the email refused or unknown."""
    match failure.error_class:
        case ErrorClass.UNKNOWN | ErrorClass.PERMANENT:
            # A bug between intent and answer leaves the outcome as unknown as no answer.
            task_emails.mark_unknown(tx, job_arg(job, "task_id"))
        case ErrorClass.REJECTED:
            _finish(tx, job, EmailState.REFUSED)
        case _:
            pass


def _finish(tx: Tx, job: Job, state: EmailState) -> bool:
    return task_emails.finish_sending(tx, job_arg(job, "task_id"), lease_of(job).token, state)


def _message(settings: Settings, look: Look, found: AddressedTask) -> Message:
    is_own = found.client.login_id == found.login.id
    return compose(
        settings,
        "task",
        to=found.login.email,
        subject=f"A task from {found.practice.name}",
        message_id=f"{found.task.id.hex}.task",
        values={
            "greeting": greeting(found.client.given_name or found.client.name) if is_own else "Hello",
            "practice_name": found.practice.name,
            "due": f"{found.task.due_date.day} {found.task.due_date:%b %Y}",
            "task_url": f"{settings.public_url.rstrip('/')}{PATH}/{found.task.id}",
            **firm.email_values(settings, look),
        },
    )
