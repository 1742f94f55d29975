"""send_welcome_email: one welcome email with an activation link, never two (b.6, invariant 3).

Sending cannot be rolled back, so the intent is committed first, under the job's lease. Emails of a set are sent one after
the other (`worker.runner.chain`). An attempt that finds another attempt's intent cannot know whether the email was sent: it
marks the email unknown, and people decide (`handlers.imports.welcome_email`); unless the other was only slow, and records
first that it was sent. Then this attempt steps aside, and the next one finds the email sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message

from handlers import refusals
from handlers.access.activation import activation_token
from handlers.access.invitation import LINK_VALID_SECONDS, compose
from handlers.access.tokens import hashed
from handlers.email import addresses
from handlers.errors import JobError, OutcomeUnknown
from handlers.jobs.handler import Result, Sending, Task, job_arg
from handlers.services import Services
from portal_db import welcome_emails
from portal_db.database import Tx
from portal_db.states import EmailState, ErrorClass
from portal_db.tables import Job
from portal_db.welcome_emails import AddressedEmail, Intent
from portal_db.work.jobs import Failure, LeaseLost, lease_of


@dataclass(frozen=True, slots=True)
class Letter:
    """A welcome email, written and ready to be sent."""

    message: Message
    address: str
    token_hash: str


def fetch(services: Services, jobs: Sequence[Job]) -> list[Letter | JobError | None]:
    """Write the emails of jobs of one practice.

    Returns:
        For each its letter, `None` if it was sent already, or why it is not sent; its outcome is unknown if an earlier
        attempt began to send it and did not finish.
    """
    with services.database.glance() as tx:
        found = welcome_emails.addressed(tx, [job_arg(job, "email_id") for job in jobs], jobs[0].practice_id)
    return [_letter(services, found.get(job_arg(job, "email_id"))) for job in jobs]


def _letter(services: Services, addressed: AddressedEmail | None) -> Letter | JobError | None:
    match addressed.state if addressed is not None else None:
        case EmailState.SENT:
            return None
        case EmailState.SENDING | EmailState.UNKNOWN:
            return _unknown()
        case EmailState.PENDING if addressed is not None:
            token = activation_token(services, addressed.id, addressed.version)
            message = compose(
                services.settings,
                addressed.practice_name,
                addressed.look,
                name=addressed.name,
                to=addressed.address,
                message_id=addressed.message_id,
                token=token,
            )
            return Letter(message, addressed.address, hashed(token))
        case _:
            return refusals.EMAIL_NOT_NEEDED()


def _begin(tx: Tx, task: Task) -> bool:
    letter: Letter | None = task.fetched
    return letter is None or welcome_emails.begin_sending(
        tx,
        _intent_of(task.job),
        token_hash=letter.token_hash,
        valid_seconds=LINK_VALID_SECONDS,
        address=letter.address,
    )


def _send(services: Services, task: Task) -> None:
    letter: Letter | None = task.fetched
    if letter is not None:
        services.mailer.send(letter.message, addresses.for_delivery(letter.address))


def _record(tx: Tx, task: Task) -> bool:
    return task.fetched is None or welcome_emails.finish_sending(tx, _intent_of(task.job), EmailState.SENT)


def _withdraw(tx: Tx, task: Task) -> None:
    welcome_emails.finish_sending(tx, _intent_of(task.job), EmailState.PENDING)


#: Only the mailer's answer withdraws an intent: a failure after it accepted must not look like one before.
SENDING = Sending(_begin, _send, _record, _withdraw)


def apply(tx: Tx, tasks: Sequence[Task]) -> list[Result]:
    """Mark the emails as sent that are not yet."""
    welcome_emails.mark_sent(tx, [_intent_of(task.job) for task in tasks])
    return [[] for _ in tasks]


def on_failure(tx: Tx, job: Job, failure: Failure) -> None:
    """Mark the email refused or unknown. One that stays `sending` becomes unknown at the next attempt."""
    intent = _intent_of(job)
    match failure.error_class:
        case ErrorClass.UNKNOWN | ErrorClass.PERMANENT:
            # A bug between intent and answer leaves the outcome as unknown as no answer.
            state = welcome_emails.mark_unknown(tx, intent.email_id)
            if state is EmailState.SENT and failure.error_class is ErrorClass.UNKNOWN:
                # Whoever began it had lost the lease, but was alive, and has recorded the answer.
                raise LeaseLost(f"email {intent.email_id} was sent by an earlier attempt")
        case ErrorClass.REJECTED:
            welcome_emails.finish_sending(tx, intent, EmailState.REFUSED)
        case _:
            pass


def _intent_of(job: Job) -> Intent:
    return Intent(job_arg(job, "email_id"), job.id, lease_of(job).token)


def _unknown() -> OutcomeUnknown:
    return OutcomeUnknown(
        "email_outcome_unknown",
        "A worker stopped while sending the welcome email, or the database was restored from a backup taken before it"
        " was sent. It may or may not have been sent.",
        "Ask the client, then resend it or mark it delivered.",
    )
