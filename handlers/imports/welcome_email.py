"""What people decide about a welcome email whose outcome is unknown: send exactly one more, or count it as delivered."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from handlers import refusals
from handlers.access.act import Act
from handlers.access.caller import Caller
from handlers.clients import queries
from handlers.imports.accept import Accepted
from handlers.imports.reopen import lock_import, reopened, settle_by_hand
from handlers.imports.send_welcome_email import LINK_VALID_SECONDS
from handlers.imports.settle import settle
from handlers.jobs.enqueue import FollowUp, following, later, remade
from handlers.jobs.kinds import JobKind
from handlers.services import Bell
from portal_db import welcome_emails
from portal_db.clients.client_queries import ClientEntry
from portal_db.database import Database, Tx, retry_on_deadlock
from portal_db.paging import Cursor
from portal_db.states import EmailState, ImportState, JobState, Lane
from portal_db.tables import Import, Job
from portal_db.types import database_time
from portal_db.welcome_emails import EmailEntry
from portal_db.work import jobs

KIND = JobKind.SEND_WELCOME_EMAIL


@dataclass(frozen=True)
class Decided:
    """What became of the email and of its import."""

    email_id: UUID
    import_id: UUID
    version: int
    state: ImportState


@retry_on_deadlock
def resend(database: Database, act: Act, email_id: UUID) -> Decided:
    """Have one further email sent, with a new link; the one before leads nowhere from now on.

    Raises:
        RequestRefused: there is none such, the login is activated, it is on its way, or was sent with a link that works.
    """
    with database.write() as tx:
        known, row = _locked(tx, act, email_id)
        _require_sendable(tx, known)
        return send_again(tx, act, row, known)


def send_again(tx: Tx, act: Act, row: Import, known: EmailEntry) -> Decided:
    """Renew an email of a locked import and give it a job of its own in an open epoch.

    Raises:
        RequestRefused: somebody else decided about it meanwhile.
    """
    version = welcome_emails.renew(tx, known.email)
    if version is None:
        raise refusals.DECIDED_MEANWHILE()
    before = _taken_over(tx, act, row)
    row = reopened(tx, act, row)
    follow_up = FollowUp(KIND, {"email_id": str(known.email.id)})
    made = following(tx, before, follow_up) if before is not None else remade(tx, row, follow_up)
    job = replace(made, epoch=row.epoch, dedupe_key=f"{row.id}:{row.epoch}:{KIND}:{version}")
    jobs.add(tx, [job])
    _audit(tx, act, known, f"pending, version {version}", "email.resend")
    return Decided(known.email.id, row.id, version, settle(tx, row))


@retry_on_deadlock
def mark_delivered(database: Database, act: Act, email_id: UUID) -> Decided:
    """Count an email of unknown outcome as sent, when it seems to have been; its link works.

    Raises:
        RequestRefused: there is none such, or its outcome is not unknown.
    """
    with database.write() as tx:
        known, row = _locked(tx, act, email_id)
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
        _audit(tx, act, known, f"sent, version {email.version}", "email.mark_delivered")
        return Decided(email.id, row.id, email.version, settle_by_hand(tx, act, row))


def _locked(tx: Tx, act: Act, email_id: UUID) -> tuple[EmailEntry, Import]:
    """An email as it stands, its import locked first."""
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


def _taken_over(tx: Tx, act: Act, row: Import) -> Job | None:
    """The import's last job of this kind; dead letters among them are taken out, since another job does their work.
    `None` when it is so long ago that none of them is kept."""
    of_kind = [job for job in jobs.of_import(tx, row.id) if job.kind == KIND]
    supersede(tx, act, of_kind)
    return of_kind[-1] if of_kind else None


def supersede(tx: Tx, act: Act, letters: Sequence[Job]) -> None:
    """Take those of the jobs out that are dead letters: another job takes their work over."""
    for job in letters:
        if jobs.dismiss(tx, job.id):
            act.audit(
                tx, "job.supersede", "job", job.id, job.practice_id, before=JobState.DEAD, after=JobState.DISMISSED
            )


def _audit(tx: Tx, act: Act, known: EmailEntry, after: str, action: str) -> None:
    email = known.email
    before = f"{email.state.value}, version {email.version}"
    act.audit(tx, action, "email", email.id, email.practice_id, before=before, after=after)


@retry_on_deadlock
def invite(database: Database, bell: Bell, caller: Caller, client_id: UUID, key: str) -> Accepted:
    """Have one welcome email sent, by the import that created the client.

    Args:
        key: the requester's own key for this press.

    Raises:
        RequestRefused: no such client for them, an entity, an active login, or an email that is under way or of unknown
            outcome.
    """
    act = Act.of_staff(caller)
    with database.write() as tx:
        entry = queries.require(tx, caller, client_id)
        if entry.login is None:
            raise refusals.NO_LOGIN()
        row = lock_import(tx, act, entry.client.import_id)
        before = jobs.of_import(tx, row.id)
        press = f"{row.id}:{KIND}:{hashlib.sha256(key.encode()).hexdigest()[:32]}"
        if any(job.dedupe_key == press for job in before):
            return Accepted(row.id, is_new=False)
        email_id = _renewed(tx, act, entry)
        supersede(tx, act, [job for job in before if job.kind == KIND])
        row = reopened(tx, act, row)
        follow_up = FollowUp(KIND, {"email_id": str(email_id)})
        job = replace(later(tx, row.id, row.practice_id, follow_up), epoch=row.epoch, dedupe_key=press)
        jobs.add(tx, [job], rung=True)
        settle(tx, row)
    bell.ring(Lane.EMAIL, [job.id])
    return Accepted(row.id, is_new=True)


def _renewed(tx: Tx, act: Act, entry: ClientEntry) -> UUID:
    """The client's welcome email, waiting to be sent: its first version, or the next one."""
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
    before, after = f"{email.state.value}, version {email.version}", f"pending, version {version}"
    act.audit(tx, "email.resend", "email", email.id, email.practice_id, before=before, after=after)
    return email.id


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
