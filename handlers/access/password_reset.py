"""A forgotten password: whoever knows the address asks for an email, and the link in it sets a new password.

The answer is the same for every address, and is given before anything is looked up, so neither its words nor its time say
who has a login. The email is the job send_password_reset: as with every email, the intent to send is committed first, so
that whoever finds one that is not their own never sends a second one. An unknown outcome stays unknown: they ask again.
A new colleague is invited by the same email in other words, whose link works for as long as a printed one.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from email.message import Message
from uuid import UUID

from config.settings import Settings
from handlers.access import passwords, sign_in_log
from handlers.access.origin import Origin
from handlers.access.sessions import key_of
from handlers.access.sign_in_log import SignInEvent
from handlers.access.tokens import hashed
from handlers.access.tries import Tries
from handlers.email.compose import compose
from handlers.email.greeting import greeting
from handlers.email.once import send_once
from handlers.jobs.enqueue import FollowUp, add_job_of
from handlers.jobs.handler import job_arg
from handlers.jobs.kinds import JobKind
from handlers.services import Bell, Services
from portal_db.access import account_emails, credentials, password_resets
from portal_db.access.credentials import SignIn
from portal_db.access.password_resets import AddressedReset
from portal_db.database import Database, Tx
from portal_db.states import EmailState
from portal_db.tables import Job, PasswordReset
from portal_db.work import jobs
from portal_db.work.jobs import LeaseLost, NewJob

#: How long a link works, and how long after the request an email is still wanted.
LINK_SECONDS = 3600.0


def admit(tries: Tries, email: str, *, address: str) -> str:
    """Count a request for this email from this network address.

    Returns:
        What the address is looked up by, for `request`.

    Raises:
        TooManyTries: there were too many for one of the two.
    """
    email_key = key_of(email)
    tries.take_reset(email_key, address)
    return email_key


def request(database: Database, bell: Bell, email_key: str, origin: Origin) -> None:
    """Request the email, if anybody signs in with this address. To be called once the answer is given."""
    with database.read() as tx:
        found = credentials.by_email(tx, email_key)
    if found is None:
        return
    with database.write() as tx:
        job = add_email(tx, found.login.id, found.practice_id)
        sign_in_log.note(tx, SignInEvent.RESET_REQUESTED, found, origin)
    bell.ring(job.lane, [job.id])


def add_email(tx: Tx, login_id: UUID, practice_id: UUID, *, is_invitation: bool = False) -> NewJob:
    """Record the email and the job that sends it, which the caller rings."""
    reset_id = password_resets.add(tx, login_id, is_invitation=is_invitation)
    return add_job_of(tx, JobKind.SEND_PASSWORD_RESET, practice_id, reset_id=reset_id)


def fetch(services: Services, job: Job) -> EmailState:
    """Commit the intent with a new link, then send. Send nothing if the request is old or its owner has left.

    Returns:
        What became of the email.

    Raises:
        Transient, Deferred: from the mail server; nothing was sent.
    """
    reset_id, lease = job_arg(job, "reset_id"), jobs.lease_of(job).token
    with services.database.read() as tx:
        letter = password_resets.addressed(tx, reset_id, wanted_seconds=LINK_SECONDS)
    if letter is None or letter.reset.state is EmailState.SENDING:  # an attempt that was cut off may have sent it
        return EmailState.UNKNOWN
    is_wanted = letter.is_recent or letter.reset.is_invitation
    if letter.reset.state is not EmailState.PENDING or not is_wanted or letter.found is None:
        return EmailState.CANCELLED
    token = secrets.token_urlsafe(32)
    token_hash = hashed(token)
    with services.database.write() as tx:
        jobs.require_held(tx, jobs.lease_of(job))
        seconds = passwords.LINK_SECONDS if letter.reset.is_invitation else LINK_SECONDS
        if not password_resets.begin_sending(tx, reset_id, lease, token_hash=token_hash, valid_seconds=seconds):
            raise LeaseLost(f"password reset {reset_id} is no longer pending")
    email = letter.found.login.email
    message = _message(services.settings, letter, letter.found, token)
    return send_once(services, message, email, lambda tx: password_resets.withdraw(tx, reset_id, lease))


def apply(tx: Tx, job: Job, row: None, state: EmailState) -> Sequence[FollowUp]:
    """Record what became of the email."""
    account_emails.finish(tx, PasswordReset, job_arg(job, "reset_id"), state)
    return []


def _message(settings: Settings, letter: AddressedReset, found: SignIn, token: str) -> Message:
    is_invitation = letter.reset.is_invitation
    return compose(
        settings,
        "staff_invitation" if is_invitation else "password_reset",
        to=found.login.email,
        subject=f"Join {letter.practice_name} in the portal" if is_invitation else "Set a new password",
        message_id=f"{letter.reset.id.hex}.password-reset",
        values={
            "greeting": greeting(found.given_name),
            "practice_name": letter.practice_name,
            "reset_url": passwords.link_of(settings.public_url, token),
        },
    )
