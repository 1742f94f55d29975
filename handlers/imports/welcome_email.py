"""What people decide about welcome emails: invite a client, send an email again, or mark it as delivered.

The email itself is sent by `handlers.imports.send_welcome_email`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from config.settings import Settings
from handlers import refusals
from handlers.access import invitation
from handlers.access.act import Act
from handlers.access.caller import Caller
from handlers.access.invitation import LINK_VALID_SECONDS, Preview
from handlers.clients.queries import require_client, require_current_client
from handlers.imports.accept import Accepted
from handlers.imports.reopen import lock_import, reopen_if_closed, settle_after_decision
from handlers.imports.settle import settle
from handlers.jobs.enqueue import FollowUp, digest_of, follow_up_job, import_job, missing_job, trace_of_epoch
from handlers.jobs.kinds import JobKind
from handlers.services import Bell
from portal_db import welcome_emails
from portal_db.clients.client_queries import ClientEntry
from portal_db.database import Database, Tx, retry_on_deadlock
from portal_db.paging import Cursor
from portal_db.states import EmailState, ImportState, JobState, Lane
from portal_db.tables import Import, Job, WelcomeEmail
from portal_db.types import database_time
from portal_db.welcome_emails import EmailEntry
from portal_db.work import jobs

KIND = JobKind.SEND_WELCOME_EMAIL


@dataclass(frozen=True)
class Decided:
    """The email in its current version, and the state of its import."""

    email_id: UUID
    import_id: UUID
    version: int
    state: ImportState


def preview(database: Database, settings: Settings, caller: Caller, client_id: UUID) -> Preview | None:
    """What a client would receive; `None` for an entity.

    Raises:
        RequestRefused: the client is not found or not visible to the caller.
    """
    with database.read() as tx:
        entry = require_client(tx, caller, client_id)
        if entry.login is None:
            return None
        name = entry.client.given_name or entry.client.name
        return invitation.preview(tx, settings, caller.practice_id, name=name, to=entry.login.email)


def is_repeated(database: Database, caller: Caller, client_id: UUID, key: str) -> bool:
    """Whether the same request was made before, so that `invite` sends no email.

    Raises:
        RequestRefused: the client is not found, not visible to them or archived.
    """
    with database.read() as tx:
        import_id = require_current_client(tx, caller, client_id).client.import_id
        return import_id is not None and jobs.is_known(tx, _dedupe_key(import_id, key))


@retry_on_deadlock
def invite(database: Database, bell: Bell, caller: Caller, client_id: UUID, key: str) -> Accepted:
    """Send a client one welcome email, as part of the import that created the client.

    Args:
        key: the requester's own key for this request.

    Raises:
        RequestRefused: the client is not found or not visible to them, is an entity or active, or has a welcome email
            that is on its way or of unknown outcome.
    """
    act = Act.of_staff(caller)
    with database.write() as tx:
        entry = require_current_client(tx, caller, client_id)
        if entry.login is None:
            raise refusals.NO_LOGIN()
        row = lock_import(tx, act, entry.client.import_id)
        earlier = jobs.of_import(tx, row.id)
        dedupe_key = _dedupe_key(row.id, key)
        if any(job.dedupe_key == dedupe_key for job in earlier):
            return Accepted(row.id, is_new=False)
        follow_up = FollowUp(KIND, {"email_id": str(_add_or_renew(tx, act, entry))})
        supersede(tx, act, [job for job in earlier if job.kind == KIND])
        row = reopen_if_closed(tx, act, row)
        job = import_job(
            tx,
            follow_up,
            row.id,
            row.practice_id,
            interactive=True,
            epoch=row.epoch,
            dedupe_key=dedupe_key,
            trace=trace_of_epoch(earlier, row.epoch),
        )
        jobs.add(tx, [job], rung=True)
        settle(tx, row)
    bell.ring(Lane.EMAIL, [job.id])
    return Accepted(row.id, is_new=True)


@retry_on_deadlock
def resend(database: Database, act: Act, email_id: UUID) -> Decided:
    """Send one more email, with a new link; the previous link stops working.

    Raises:
        RequestRefused: not found, or not visible to them; the login is activated; or the email is on its way, its job is
            running, or it was sent with a link that still works.
    """
    with database.write() as tx:
        known, row = _lock_email(tx, act, email_id)
        _require_sendable(tx, known)
        return send_again(tx, act, row, known)


@retry_on_deadlock
def mark_delivered(database: Database, act: Act, email_id: UUID) -> Decided:
    """Count an email of unknown outcome as sent, because it seems to have arrived; its link works.

    Raises:
        RequestRefused: not found, or not visible to them; or its outcome is known.
    """
    with database.write() as tx:
        known, row = _lock_email(tx, act, email_id)
        email = known.email
        if email.state is not EmailState.UNKNOWN:
            raise refusals.OUTCOME_KNOWN(state=email.state.value)
        expires = email.token_expires_at
        sent_at = expires - timedelta(seconds=LINK_VALID_SECONDS) if expires is not None else None
        if not welcome_emails.mark_delivered(tx, email, sent_at=sent_at):
            raise refusals.DECIDED_MEANWHILE()
        for job in jobs.of_import(tx, row.id):
            if job.kind == KIND and jobs.mark_done(tx, job.id):
                act.audit(tx, "job.done", "job", job.id, job.practice_id, before=job.state, after=JobState.SUCCEEDED)
        _audit(tx, act, "email.mark_delivered", email, f"sent, version {email.version}")
        return Decided(email.id, row.id, email.version, settle_after_decision(tx, act, row))


def send_again(tx: Tx, act: Act, row: Import, known: EmailEntry) -> Decided:
    """Renew an email of a locked import, and enqueue a job for it in an open epoch. A job that waits for its turn, as after
    a restore, sends the current version: it stays the only one.

    Raises:
        RequestRefused: somebody else decided about it meanwhile, or a job of it is running.
    """
    still_open = [job for job in jobs.lock_open(tx, row.id) if job.kind == KIND]
    if any(job.state is JobState.RUNNING for job in still_open):  # it has read the version before
        raise refusals.EMAIL_JOB_RUNNING()
    version = welcome_emails.renew(tx, known.email)
    if version is None:
        raise refusals.DECIDED_MEANWHILE()
    every = jobs.of_import(tx, row.id)
    earlier = [job for job in every if job.kind == KIND]
    supersede(tx, act, earlier)
    row = reopen_if_closed(tx, act, row)
    if not still_open:
        follow_up = FollowUp(KIND, {"email_id": str(known.email.id)})
        # Housekeeping may have deleted the earlier jobs.
        job = follow_up_job(tx, earlier[-1], follow_up) if earlier else missing_job(tx, row, follow_up, every)
        dedupe_key = f"{row.id}:{row.epoch}:{KIND}:{version}"
        trace = trace_of_epoch(every, row.epoch)
        jobs.add(tx, [replace(job, epoch=row.epoch, dedupe_key=dedupe_key, trace_context=trace)])
    _audit(tx, act, "email.resend", known.email, f"pending, version {version}")
    return Decided(known.email.id, row.id, version, settle(tx, row))


def supersede(tx: Tx, act: Act, earlier: Sequence[Job]) -> None:
    """Dismiss those of the jobs that are dead letters, since another job does their work."""
    for job in earlier:
        if jobs.dismiss(tx, job.id):
            before, after = JobState.DEAD, JobState.DISMISSED
            act.audit(tx, "job.supersede", "job", job.id, job.practice_id, before=before, after=after)


def _lock_email(tx: Tx, act: Act, email_id: UUID) -> tuple[EmailEntry, Import]:
    """Lock an email's import, and read the email again."""
    known = welcome_emails.get(tx, email_id)
    if known is None:
        raise refusals.UNKNOWN_EMAIL()
    row = lock_import(tx, act, known.import_id)
    return welcome_emails.get(tx, email_id) or known, row


def _require_sendable(tx: Tx, known: EmailEntry) -> None:
    email = known.email
    if known.activated_at is not None:
        raise refusals.CLIENT_ACTIVATED(field="email_id")
    match email.state:
        case EmailState.PENDING | EmailState.SENDING:
            raise refusals.EMAIL_IN_QUEUE(state=email.state.value, version=email.version)
        case EmailState.CANCELLED:
            raise refusals.EMAIL_CANCELLED()
        case EmailState.SENT:
            expires = email.token_expires_at
            if expires is not None and expires > database_time(tx.session):
                raise refusals.EMAIL_STILL_VALID(expires=f"{expires:%Y-%m-%d %H:%M}")
        case EmailState.UNKNOWN | EmailState.REFUSED:
            return


def _dedupe_key(import_id: UUID, key: str) -> str:
    return f"{import_id}:{KIND}:{digest_of(key)}"


def _add_or_renew(tx: Tx, act: Act, entry: ClientEntry) -> UUID:
    """The client's welcome email, pending: its first version, or the next one."""
    client = entry.client
    known = welcome_emails.of_client(tx, client.id)
    if known is None:
        email_id = welcome_emails.add(tx, client.practice_id, client.id, asked_at=database_time(tx.session))
        act.audit(tx, "email.send", "email", email_id, client.practice_id, after="pending, version 1")
        return email_id
    if known.activated_at is not None:
        raise refusals.CLIENT_ACTIVATED()
    email = known.email
    match email.state:
        case EmailState.PENDING | EmailState.SENDING:
            raise refusals.INVITE_ON_ITS_WAY()
        case EmailState.UNKNOWN:
            raise refusals.INVITE_OUTCOME_UNKNOWN()
        case EmailState.SENT | EmailState.REFUSED | EmailState.CANCELLED:
            version = welcome_emails.renew(tx, email)
    if version is None:
        raise refusals.INVITED_MEANWHILE()
    _audit(tx, act, "email.resend", email, f"pending, version {version}")
    return email.id


def _audit(tx: Tx, act: Act, action: str, email: WelcomeEmail, after: str) -> None:
    before = f"{email.state.value}, version {email.version}"
    act.audit(tx, action, "email", email.id, email.practice_id, before=before, after=after)


def listing(
    database: Database,
    *,
    states: Sequence[EmailState],
    practice_id: UUID | None = None,
    limit: int,
    after: Cursor | None = None,
) -> Sequence[EmailEntry]:
    """A page of the welcome emails in these states, newest first."""
    with database.read() as tx:
        return welcome_emails.listing(tx, states=states, practice_id=practice_id, limit=limit, after=after)
