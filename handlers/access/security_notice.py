"""send_security_notice: tells somebody by email what changed of what they sign in with, or that a key of theirs ends soon.

As with every email, the intent to send is committed first, so that whoever finds one that is not their own never sends a
second one.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.message import Message
from typing import Any
from uuid import UUID

from config.settings import Settings
from handlers.access.origin import Origin, browser_name
from handlers.email.compose import compose
from handlers.email.greeting import fits, greeting
from handlers.email.once import send_once
from handlers.jobs.enqueue import FollowUp, add_job_of
from handlers.jobs.handler import job_arg
from handlers.jobs.kinds import JobKind
from handlers.practice_time import at_practice, written
from handlers.services import Services
from portal_db.access import account_emails, security_notices
from portal_db.access.credentials import SignIn
from portal_db.access.security_notices import AddressedNotice
from portal_db.database import Tx
from portal_db.states import EmailState
from portal_db.tables import Job, Practice, SecurityNotice
from portal_db.work import jobs
from portal_db.work.jobs import LeaseLost

#: By the name of the event in the sign-in log (`handlers.access.sign_in_log`): what the email says.
WORDS = {
    "password_set_by_link": "Your password was set by a link.",
    "password_set_by_operator": "Your password was set by the portal's support.",
    "password_changed": "Your password was changed.",
    "second_factor_set_up": "Multi-factor authentication was set up for your account.",
    "recovery_codes_renewed": "New recovery codes were made for your account. The earlier ones no longer work.",
    "second_factor_turned_off": "Multi-factor authentication was turned off for your account.",
    "second_factor_reset": "Multi-factor authentication was reset for your account. Set it up again at your next sign-in.",
    "passkey_added": "A passkey was added to your account.",
    "passkey_removed": "A passkey was removed from your account.",
}
#: Not in that log: `handlers.access.ending_keys`.
KEY_ENDS = "api_key_ends"


def request(
    tx: Tx,
    event: str,
    login_id: UUID,
    practice_id: UUID,
    *,
    origin: Origin | None = None,
    api_key_id: UUID | None = None,
) -> bool:
    """Request the email about an event, in the transaction of what it is about; the relay rings the job.

    Returns:
        False if this person has the one about this key already.
    """
    row: dict[str, Any] = {"login_id": login_id, "event": event, "api_key_id": api_key_id}
    row |= {"address": origin.address, "agent": origin.agent} if origin else {}
    notice_id = security_notices.add(tx, row)
    if notice_id is None:
        return False
    add_job_of(tx, JobKind.SEND_SECURITY_NOTICE, practice_id, notice_id=notice_id)
    return True


def fetch(services: Services, job: Job) -> EmailState:
    """Commit the intent, then send. Send nothing if its owner has left.

    Returns:
        What became of the email.

    Raises:
        Transient, Deferred: from the mail server; nothing was sent.
    """
    notice_id, lease = job_arg(job, "notice_id"), jobs.lease_of(job).token
    with services.database.read() as tx:
        letter = security_notices.addressed(tx, notice_id)
    if letter is None or letter.notice.state is EmailState.SENDING:  # an attempt that was cut off may have sent it
        return EmailState.UNKNOWN
    if letter.notice.state is not EmailState.PENDING or letter.found is None or letter.practice is None:
        return EmailState.CANCELLED
    with services.database.write() as tx:
        jobs.require_held(tx, jobs.lease_of(job))
        if not account_emails.begin_sending(tx, SecurityNotice, notice_id, lease):
            raise LeaseLost(f"security notice {notice_id} is no longer pending")
    message = _message(services.settings, letter, letter.found, letter.practice)
    email = letter.found.login.email
    return send_once(services, message, email, lambda tx: account_emails.withdraw(tx, SecurityNotice, notice_id, lease))


def apply(tx: Tx, job: Job, row: None, state: EmailState) -> Sequence[FollowUp]:
    """Record what became of the email."""
    account_emails.finish(tx, SecurityNotice, job_arg(job, "notice_id"), state)
    return []


def _message(settings: Settings, letter: AddressedNotice, found: SignIn, practice: Practice) -> Message:
    url, notice, key = settings.public_url.rstrip("/"), letter.notice, letter.key
    values = {"greeting": greeting(found.given_name), "practice_name": practice.name}
    if key is not None and key.ends_at is not None:
        template, subject = "key_ends", "An API key ends soon"
        name = key.name if fits(key.name) else "API key"
        values |= {"key": f"{name} ({key.hint}…)", "ends": written(at_practice(practice, key.ends_at))}
    else:
        template, subject = "security_notice", "A change to how you sign in"
        where = f", from {browser_name(notice.agent)} at {notice.address}" if notice.address else ""
        values |= {"what_happened": WORDS[notice.event], "where": where, "reset_url": f"{url}/forgotten-password"}
        values |= {"when": written(at_practice(practice, notice.created_at))}
    return compose(
        settings,
        template,
        to=found.login.email,
        subject=subject,
        message_id=f"{notice.id.hex}.security-notice",
        values=values,
    )
