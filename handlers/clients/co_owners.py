"""Inviting the co-owner of a client's account, who then activates it and signs in (b.24: review itself invites nobody).

The email is the job invite_co_owner. As with the welcome email, the intent to send is committed first: whoever finds
one that is not their own never sends a second one. An outcome that nobody knows is shown to staff, who ask and decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from config.settings import Settings
from handlers import refusals
from handlers.access import invitation
from handlers.access.act import Act
from handlers.access.activation import activation_token
from handlers.access.caller import Caller
from handlers.access.invitation import LINK_VALID_SECONDS, Preview
from handlers.access.tokens import hashed
from handlers.clients.queries import require_client, require_co_owner, require_current_client
from handlers.email.once import send_once
from handlers.jobs.enqueue import FollowUp, digest_of, standalone_job
from handlers.jobs.handler import job_arg
from handlers.jobs.kinds import JobKind
from handlers.services import Bell, Services
from portal_db import co_owner_invitations, welcome_emails
from portal_db.access import account_emails
from portal_db.clients.team import CoOwnership
from portal_db.database import Database, Tx, retry_on_deadlock
from portal_db.states import EmailState, ErrorClass
from portal_db.tables import Client, CoOwnerInvitation, Job
from portal_db.work import jobs
from portal_db.work.jobs import Failure, LeaseLost, lease_of, require_held

KIND = JobKind.INVITE_CO_OWNER


@dataclass(frozen=True)
class Asked:
    """What staff see before they invite a co-owner."""

    client: Client
    found: CoOwnership
    letter: Preview


def ask(database: Database, settings: Settings, caller: Caller, client_id: UUID, member_id: UUID) -> Asked:
    """A co-owner, and the email that they would receive.

    Raises:
        RequestRefused: the client is not found or not visible to the caller, or has no such co-owner.
    """
    with database.read() as tx:
        client = require_client(tx, caller, client_id).client
        found = require_co_owner(tx, client_id, member_id)
        to = found.login.email
        letter = invitation.preview(tx, settings, caller.practice_id, name=found.member.name, to=to)
        return Asked(client, found, letter)


def is_repeated(database: Database, caller: Caller, client_id: UUID, member_id: UUID, key: str) -> bool:
    """Whether the same request was made before, so that `invite` sends no email.

    Raises:
        RequestRefused: the client is not found, not visible to them or archived, or has no such co-owner.
    """
    with database.read() as tx:
        require_current_client(tx, caller, client_id)
        email = require_co_owner(tx, client_id, member_id).email
        return email is not None and jobs.is_known(tx, _dedupe_key(email, key))


@retry_on_deadlock
def invite(database: Database, bell: Bell, caller: Caller, client_id: UUID, member_id: UUID, key: str) -> None:
    """Send a co-owner an invitation, or the next one; earlier links stop working.

    Args:
        key: the requester's own key for this request; a second request with it changes nothing.

    Raises:
        RequestRefused: the client is not found, not visible to them or archived, or has no such co-owner; the co-owner is
            active; or an invitation is on its way.
    """
    with database.write() as tx:
        client = require_current_client(tx, caller, client_id).client
        is_first = co_owner_invitations.add(tx, require_co_owner(tx, client_id, member_id).login.id)
        found = require_co_owner(tx, client_id, member_id)
        if (email := found.email) is None:
            raise refusals.INVITED_MEANWHILE()
        dedupe_key = _dedupe_key(email, key)
        job = standalone_job(tx, KIND, client.practice_id, {"invitation_id": str(email.id)}, dedupe_key=dedupe_key)
        if not jobs.add(tx, [job], rung=True):
            return
        if found.login.activated_at is not None:
            raise refusals.CO_OWNER_ACTIVATED()
        version = 1 if is_first else _renew(tx, email)
        act = Act.of_staff(caller)
        act.audit(tx, "client.invite_co_owner", "client", client_id, client.practice_id, after=f"version {version}")
    bell.ring(job.lane, [job.id])


def _dedupe_key(email: CoOwnerInvitation, key: str) -> str:
    return f"{KIND}:{email.id}:{digest_of(key)}"


def _renew(tx: Tx, email: CoOwnerInvitation) -> int:
    if email.state in (EmailState.PENDING, EmailState.SENDING):
        raise refusals.INVITE_ON_ITS_WAY()
    version = welcome_emails.renew(tx, email)
    if version is None:
        raise refusals.INVITED_MEANWHILE()
    return version


def fetch(services: Services, job: Job) -> EmailState:
    """Commit the intent with the link, then send. Send nothing if the co-owner is active or the client archived.

    Returns:
        What became of the email.

    Raises:
        Transient, Deferred: from the mail server; nothing was sent.
    """
    invitation_id, lease = job_arg(job, "invitation_id"), lease_of(job).token
    with services.database.read() as tx:
        found = co_owner_invitations.addressed(tx, invitation_id, job.practice_id)
    if found is None:
        return EmailState.CANCELLED
    if found.invitation.state is EmailState.SENDING:  # an attempt that was cut off may have sent it
        return EmailState.UNKNOWN
    is_wanted = found.login.activated_at is None and found.client.archived_at is None
    if found.invitation.state is not EmailState.PENDING or not is_wanted:
        return EmailState.CANCELLED
    token = activation_token(services, invitation_id, found.invitation.version)
    with services.database.write() as tx:
        require_held(tx, lease_of(job))
        if not co_owner_invitations.begin_sending(
            tx, invitation_id, lease, token_hash=hashed(token), valid_seconds=LINK_VALID_SECONDS
        ):
            raise LeaseLost(f"invitation {invitation_id} is no longer pending")
    message = invitation.compose(
        services.settings,
        found.practice.name,
        found.look,
        name=found.member.name,
        to=found.login.email,
        message_id=found.invitation.message_id,
        token=token,
    )
    return send_once(
        services, message, found.login.email, lambda tx: co_owner_invitations.withdraw(tx, invitation_id, lease)
    )


def apply(tx: Tx, job: Job, row: None, state: EmailState) -> Sequence[FollowUp]:
    """Record what became of the email."""
    account_emails.finish(tx, CoOwnerInvitation, job_arg(job, "invitation_id"), state)
    return []


def on_failure(tx: Tx, job: Job, failure: Failure) -> None:
    """A bug between intent and answer leaves the outcome unknown."""
    if failure.error_class is ErrorClass.PERMANENT:
        account_emails.finish(tx, CoOwnerInvitation, job_arg(job, "invitation_id"), EmailState.UNKNOWN)
