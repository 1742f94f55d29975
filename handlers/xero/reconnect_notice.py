"""send_reconnect_notice: emails a staff member once when their connection breaks, and says what to do.

A connection's break makes one row and one job. As with the welcome email, the intent to send is committed first, so that
whoever finds one that is not their own never sends a second email.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.message import Message

from config.settings import Settings
from handlers.email import addresses
from handlers.email.compose import compose
from handlers.email.greeting import greeting
from handlers.errors import Deferred, OutcomeUnknown, Transient
from handlers.jobs.enqueue import FollowUp, standalone_job
from handlers.jobs.handler import job_arg
from handlers.jobs.kinds import JobKind
from handlers.services import Services
from handlers.xero.connection import connection_lost
from portal_db.database import Tx
from portal_db.states import ConnectionState, EmailState, ErrorClass
from portal_db.tables import Job, XpmConnection
from portal_db.work import jobs
from portal_db.work.jobs import Failure, LeaseLost
from portal_db.xero import reconnect_notices
from portal_db.xero.reconnect_notices import AddressedNotice

#: The page that the email links to.
INTEGRATIONS_PATH = "/configure/integrations"


def request(tx: Tx, connection: XpmConnection, number: int) -> None:
    """Request the notice of a break, in the transaction that marks it; the relay rings the job."""
    notice_id = reconnect_notices.add(tx, connection.id, number)
    if notice_id is None:
        return
    kind = JobKind.SEND_RECONNECT_NOTICE
    args, key = {"notice_id": str(notice_id)}, f"{kind}:{connection.id}:{number}"
    jobs.add(tx, [standalone_job(tx, kind, connection.practice_id, args, dedupe_key=key)])


def fetch(services: Services, job: Job) -> bool:
    """Commit the intent, then send. Send nothing if the connection works again or its owner has left.

    Returns:
        Whether it was sent.

    Raises:
        OutcomeUnknown: an earlier attempt began to send, and its outcome was never recorded.
        Rejected, Transient: from the mail server; nothing was sent.
    """
    notice_id, token = job_arg(job, "notice_id"), jobs.lease_of(job).token
    with services.database.read() as tx:
        letter = reconnect_notices.addressed(tx, notice_id)
    if letter.notice.state is EmailState.SENDING:
        raise OutcomeUnknown(
            "email_outcome_unknown",
            "A worker stopped while sending the reconnect email, so it may or may not have been sent.",
            "Ask the staff member whether they know that XPM must be reconnected.",
        )
    if letter.notice.state is not EmailState.PENDING or not _is_needed(letter):
        return False
    with services.database.write() as tx:
        jobs.require_held(tx, jobs.lease_of(job))
        if not reconnect_notices.begin_sending(tx, notice_id, token):
            raise LeaseLost(f"notice {notice_id} is no longer pending")
    try:
        services.mailer.send(_message(services.settings, letter), addresses.for_delivery(letter.login.email))
    except (Deferred, Transient):  # only when the mailer is certain that nothing was sent is the intent withdrawn
        with services.database.write() as tx:
            reconnect_notices.finish_sending(tx, notice_id, token, EmailState.PENDING)
        raise
    return True


def apply(tx: Tx, job: Job, row: None, was_sent: bool) -> Sequence[FollowUp]:
    """Record that it was sent, or is no longer needed."""
    notice_id = job_arg(job, "notice_id")
    if was_sent:
        reconnect_notices.finish_sending(tx, notice_id, jobs.lease_of(job).token, EmailState.SENT)
    else:
        reconnect_notices.cancel(tx, notice_id)
    return []


def on_failure(tx: Tx, job: Job, failure: Failure) -> None:
    """Record a refusal, or that the outcome is unknown."""
    notice_id = job_arg(job, "notice_id")
    match failure.error_class:
        case ErrorClass.UNKNOWN | ErrorClass.PERMANENT:
            reconnect_notices.mark_unknown(tx, notice_id)
        case ErrorClass.REJECTED:
            reconnect_notices.finish_sending(tx, notice_id, jobs.lease_of(job).token, EmailState.REFUSED)
        case _:
            pass


def _is_needed(letter: AddressedNotice) -> bool:
    """The connection is still in this break, and its owner still works at the practice."""
    connection = letter.connection
    is_this_break = connection.state is ConnectionState.BROKEN and connection.breaks == letter.notice.number
    return is_this_break and letter.staff.left_at is None


def _message(settings: Settings, letter: AddressedNotice) -> Message:
    lost = connection_lost(letter.connection.broken_code)
    return compose(
        settings,
        "reconnect",
        to=letter.login.email,
        subject="Reconnect Xero Practice Manager",
        message_id=f"{letter.notice.id.hex}.reconnect",
        values={
            "greeting": greeting(letter.staff.name),
            "practice_name": letter.practice.name,
            "what_happened": lost.message,
            "what_to_do": lost.remedy or "",
            "integrations_url": f"{settings.public_url.rstrip('/')}{INTEGRATIONS_PATH}",
        },
    )
