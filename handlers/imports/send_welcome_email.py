"""send_welcome_email: one welcome email with an activation link, never two (b.6, invariant 3).

Sending cannot be rolled back, so the intent is committed first, under the job's lease. An attempt that finds another
attempt's intent cannot know whether the email was sent: it marks the email unknown, and people decide
(`handlers.imports.welcome_email`).
"""

from __future__ import annotations

from collections.abc import Sequence
from email.message import EmailMessage

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from handlers import refusals
from handlers.access.activation import activation_token, hash_token
from handlers.email import addresses
from handlers.email import compose as email_compose
from handlers.errors import Deferred, OutcomeUnknown, Transient
from handlers.jobs.enqueue import FollowUp
from handlers.jobs.handler import job_arg
from handlers.services import Services
from portal_db import welcome_emails
from portal_db.database import DATABASE_AWAY, Tx
from portal_db.states import EmailState, ErrorClass
from portal_db.tables import Import, Job
from portal_db.welcome_emails import AddressedEmail, Intent
from portal_db.work.jobs import Failure, LeaseLost

LINK_VALID_SECONDS = 30 * 24 * 3600


def fetch(services: Services, job: Job) -> Intent:
    """Commit the intent, then send.

    Raises:
        OutcomeUnknown: an earlier attempt began to send and did not finish.
        Rejected, Transient: from the mail server; nothing was sent.
    """
    intent = _intent_of(job)
    with services.database.read() as tx:
        addressed = welcome_emails.addressed(tx, intent.email_id, job.practice_id)
    if addressed is None:
        raise refusals.EMAIL_NOT_NEEDED()
    email = addressed.email
    if email.state is EmailState.SENT:
        return intent
    if email.state is not EmailState.PENDING:
        raise _unknown() if email.state in (EmailState.SENDING, EmailState.UNKNOWN) else refusals.EMAIL_NOT_NEEDED()
    token = activation_token(services, email.id, email.version)
    _begin(services, intent, token)
    message = compose(services, addressed, token)
    try:
        services.mailer.send(message, addresses.for_delivery(addressed.login.email))
    except (Deferred, Transient):
        # Only the mailer's answer withdraws an intent: a failure after it accepted must not look like one before.
        with services.database.write() as tx:
            welcome_emails.finish_sending(tx, intent, EmailState.PENDING)
        raise
    return intent


def apply(tx: Tx, job: Job, row: Import, intent: Intent) -> Sequence[FollowUp]:
    """Mark the email as sent."""
    welcome_emails.finish_sending(tx, intent, EmailState.SENT)
    return []


def on_failure(tx: Tx, job: Job, failure: Failure) -> None:
    """Mark the email refused or unknown. One that stays `sending` becomes unknown at the next attempt."""
    intent = _intent_of(job)
    match failure.error_class:
        case ErrorClass.UNKNOWN | ErrorClass.PERMANENT:
            # A bug between intent and answer leaves the outcome as unknown as no answer.
            welcome_emails.mark_unknown(tx, intent.email_id)
        case ErrorClass.REJECTED:
            welcome_emails.finish_sending(tx, intent, EmailState.REFUSED)
        case _:
            pass


def compose(services: Services, addressed: AddressedEmail, token: str) -> EmailMessage:
    """The message with its activation link."""
    values = {
        "client_name": addressed.client.name,
        "practice_name": addressed.practice.name,
        "activation_url": f"{services.settings.public_url.rstrip('/')}/activate/{token}",
        "days": str(LINK_VALID_SECONDS // 86_400),
    }
    return email_compose.compose(
        services.settings,
        "welcome",
        to=addressed.login.email,
        subject=f"Welcome to the client portal of {addressed.practice.name}",
        message_id=addressed.email.message_id,
        values=values,
    )


@retry(
    retry=retry_if_exception_type(DATABASE_AWAY),
    stop=stop_after_attempt(3),
    wait=wait_random_exponential(multiplier=0.05, max=1.0),
    reraise=True,
)
def _begin(services: Services, intent: Intent, token: str) -> None:
    """Commit the intent, again if the database did not answer: nothing was sent yet, so nothing is unknown."""
    with services.database.write() as tx:
        if not welcome_emails.begin_sending(tx, intent, token_hash=hash_token(token), valid_seconds=LINK_VALID_SECONDS):
            raise LeaseLost(f"email {intent.email_id} is not pending any more")


def _intent_of(job: Job) -> Intent:
    if job.lease_token is None:
        raise LeaseLost(f"job {job.id} has no lease")
    return Intent(job_arg(job, "email_id"), job.id, job.lease_token)


def _unknown() -> OutcomeUnknown:
    return OutcomeUnknown(
        "email_outcome_unknown",
        "A worker stopped while sending the welcome email, or the database was restored from a backup taken before it"
        " was sent. It may or may not have been sent.",
        "Ask the client, then resend it or mark it delivered.",
    )
