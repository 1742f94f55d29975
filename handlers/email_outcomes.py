"""What people decide about a welcome email whose outcome is unknown: send exactly one more, or count it as delivered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from handlers.acting import Act, reopened, settle_by_hand
from handlers.flow import FollowUp
from handlers.follow_ups import following, remade
from handlers.requests import RequestRefused
from handlers.send_welcome_email import LINK_VALID_SECONDS
from handlers.settle import settle
from portal_db import dead_letters, email_decisions, jobs
from portal_db.database import Database, Tx, again_after_deadlock
from portal_db.email_decisions import Known
from portal_db.states import EmailState, ImportState, JobState
from portal_db.tables import Import, Job
from portal_db.types import database_time

KIND = "send_welcome_email"


@dataclass(frozen=True)
class Decided:
    """What became of the email and of its import."""

    email_id: UUID
    import_id: UUID
    version: int
    state: ImportState


@again_after_deadlock
def resend(database: Database, act: Act, email_id: UUID) -> Decided:
    """Have one further email sent, with a new link; the one before leads nowhere from now on.

    Raises:
        RequestRefused: there is none such, the login is activated, it is on its way, or was sent with a link that works.
    """
    with database.write() as tx:
        known, row = _locked(tx, act, email_id)
        _require_sendable(tx, known)
        return send_again(tx, act, row, known)


def send_again(tx: Tx, act: Act, row: Import, known: Known) -> Decided:
    """Renew an email of a locked import and give it a job of its own in an open epoch.

    Raises:
        RequestRefused: somebody else decided about it meanwhile.
    """
    version = email_decisions.renew(tx, known.email)
    if version is None:
        raise _meanwhile()
    before = _taken_over(tx, act, row)
    row = reopened(tx, act, row)
    follow_up = FollowUp(KIND, {"email_id": str(known.email.id)})
    made = following(tx, before, follow_up) if before is not None else remade(tx, row, follow_up)
    job = replace(made, epoch=row.epoch, dedupe_key=f"{row.id}:{row.epoch}:{KIND}:{version}")
    jobs.add(tx, [job])
    _audit(tx, act, known, f"pending, version {version}", "email.resend")
    return Decided(known.email.id, row.id, version, settle(tx, row))


@again_after_deadlock
def mark_delivered(database: Database, act: Act, email_id: UUID) -> Decided:
    """Count an email of unknown outcome as sent, when it seems to have been; its link works.

    Raises:
        RequestRefused: there is none such, or its outcome is not unknown.
    """
    with database.write() as tx:
        known, row = _locked(tx, act, email_id)
        email = known.email
        if email.state is not EmailState.UNKNOWN:
            raise RequestRefused(
                "not_unknown",
                f"The outcome of this email is known: {email.state.value}.",
                "There is nothing to decide.",
                field="email_id",
            )
        expires = email.token_expires_at
        sent_at = expires - timedelta(seconds=LINK_VALID_SECONDS) if expires is not None else None
        if not email_decisions.mark_delivered(tx, email, sent_at=sent_at):
            raise _meanwhile()
        for job in jobs.of_import(tx, row.id):
            if job.kind == KIND and dead_letters.count_as_done(tx, job.id):
                act.audit(tx, "job.done", "job", job.id, job.practice_id, before=job.state, after=JobState.SUCCEEDED)
        _audit(tx, act, known, f"sent, version {email.version}", "email.mark_delivered")
        return Decided(email.id, row.id, email.version, settle_by_hand(tx, act, row))


def _locked(tx: Tx, act: Act, email_id: UUID) -> tuple[Known, Import]:
    """An email as it stands, its import locked first."""
    known = email_decisions.get(tx, email_id)
    if known is None:
        raise RequestRefused(
            "unknown_email", "There is no welcome email of this id.", "See `portal-sync emails list`.", field="email_id"
        )
    row = act.lock_import(tx, known.import_id)
    return email_decisions.get(tx, email_id) or known, row


def _require_sendable(tx: Tx, known: Known) -> None:
    email = known.email
    if known.activated_at is not None:
        raise _refused("login_activated", "The client has activated the login already.", "No invitation is needed.")
    match email.state:
        case EmailState.PENDING | EmailState.SENDING:
            words = f"This email is {email.state.value} already, as version {email.version}."
            raise _refused(
                "email_under_way", words, f"See `portal-sync dead list --kind {KIND}` if it does not go out."
            )
        case EmailState.CANCELLED:
            raise _refused("email_cancelled", "This email was cancelled.", "The practice can invite the client itself.")
        case EmailState.SENT:
            expires = email.token_expires_at
            if expires is not None and expires > database_time(tx.session):
                words = f"This email was sent, and its link works until {expires:%Y-%m-%d %H:%M} UTC."
                raise _refused("email_sent", words, "There is nothing to decide.")
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
        if dead_letters.dismiss(tx, job.id):
            act.audit(
                tx, "job.supersede", "job", job.id, job.practice_id, before=JobState.DEAD, after=JobState.DISMISSED
            )


def _audit(tx: Tx, act: Act, known: Known, after: str, action: str) -> None:
    email = known.email
    before = f"{email.state.value}, version {email.version}"
    act.audit(tx, action, "email", email.id, email.practice_id, before=before, after=after)


def _refused(code: str, message: str, remedy: str) -> RequestRefused:
    return RequestRefused(code, message, remedy, field="email_id")


def _meanwhile() -> RequestRefused:
    return _refused("decided_meanwhile", "Somebody else decided about this email meanwhile.", "Look at it again.")
