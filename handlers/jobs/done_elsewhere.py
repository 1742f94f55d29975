"""Whether a dead letter's work was done since, is being done, or may have been done: then it is not requeued."""

from __future__ import annotations

from datetime import UTC, datetime

from handlers import refusals
from handlers.errors import RequestRefused
from handlers.jobs.handler import job_arg
from handlers.jobs.kinds import JobKind, Part, part_of
from portal_db import welcome_emails
from portal_db.database import Tx
from portal_db.states import ConnectionState, EmailState, ErrorClass
from portal_db.tables import Import, Job
from portal_db.work import job_facts

DISMISS = "There is nothing left to do: dismiss this dead letter."


def require_undone(tx: Tx, job: Job, row: Import | None) -> None:
    """Pass if running the job again is what brings its work about.

    Raises:
        RequestRefused: it was done elsewhere, it is under way, or nobody knows whether it was done. It names what did it.
    """
    if job.kind == JobKind.SEND_WELCOME_EMAIL:
        _require_unsent(tx, job)
    elif job.kind == JobKind.SEND_RECONNECT_NOTICE:
        _require_untold(tx, job)
    elif job.error_class is ErrorClass.UNKNOWN:
        raise _unknown("Whether this was done is not known.", "Find out, then dismiss this dead letter.")
    elif row is not None and part_of(job.kind) is Part.SPINE:
        require_uncreated(tx, row)
    if row is not None:
        _require_no_later_job(tx, job)


def require_uncreated(tx: Tx, row: Import) -> None:
    """Pass if nothing else made a client of the import's XPM record, or is about to.

    Raises:
        RequestRefused: naming the client or the import.
    """
    made = job_facts.linked_client(tx, row.practice_id, row.xpm_uuid)
    if made is not None:
        by = f", made by import {made.import_id}" if made.import_id is not None else ""
        raise _done(f"This XPM record is client {made.client_id} since {_moment(made.linked_at)}{by}.")
    other = job_facts.open_import_of_record(tx, row)
    if other is not None:
        raise refusals.UNDER_WAY_ELSEWHERE(id=other.id, what=other.state.value.replace("_", " "))


def _require_unsent(tx: Tx, job: Job) -> None:
    known = welcome_emails.get(tx, job_arg(job, "email_id"))
    if known is None:
        raise _done("There is no welcome email to be sent any more.")
    email = known.email
    if known.activated_at is not None:
        raise _done(f"The client activated the login at {_moment(known.activated_at)}: no invitation is needed.")
    match email.state:
        case EmailState.SENT:
            raise _done(f"Email {email.id} was sent as version {email.version} at {_moment(email.sent_at)}.")
        case EmailState.UNKNOWN | EmailState.SENDING:
            raise _unknown(
                f"Whether email {email.id} was sent is not known.",
                f"Ask the client, then use `portal-sync emails resend {email.id}` or `… mark-delivered`.",
            )
        case EmailState.CANCELLED | EmailState.REFUSED:
            raise _done(f"Email {email.id} is {email.state.value}.")
        case EmailState.PENDING:
            return


def _require_untold(tx: Tx, job: Job) -> None:
    found = job_facts.notice_with_connection(tx, job_arg(job, "notice_id"))
    if found is None:
        raise _done("There is no email to be sent any more.")
    notice, connection = found
    if connection.state is not ConnectionState.BROKEN or connection.breaks != notice.number:
        raise _done(f"Connection {connection.id} is {connection.state.value} by now: nobody needs to be told.")
    if notice.state in (EmailState.UNKNOWN, EmailState.SENDING):
        raise _unknown(
            "Whether the reconnect email was sent is not known.",
            "Ask the staff member whether they know that XPM must be reconnected, then dismiss this dead letter.",
        )
    if notice.state is not EmailState.PENDING:
        raise _done(f"The reconnect email is {notice.state.value}.")


def _require_no_later_job(tx: Tx, job: Job) -> None:
    later = job_facts.later_job(tx, job)
    if later is not None:
        raise _done(f"Job {later.id} of the same import took this over; it is {later.state.value}.")


def _done(message: str) -> RequestRefused:
    return RequestRefused("done_elsewhere", message, DISMISS, field="job_id")


def _unknown(message: str, remedy: str) -> RequestRefused:
    return RequestRefused("outcome_unknown", message, remedy, field="job_id")


def _moment(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at is not None else "a time that was not kept"
