"""Checks whether a dead letter's work was, is being or may have been done elsewhere: then it is not requeued."""

from __future__ import annotations

from datetime import UTC, datetime

from handlers import refusals
from handlers.jobs.handler import job_arg
from handlers.jobs.kinds import JobKind, Part, part_of
from portal_db import welcome_emails
from portal_db.database import Tx
from portal_db.states import ConnectionState, EmailState, ErrorClass
from portal_db.tables import Import, Job
from portal_db.work import job_facts


def require_undone(tx: Tx, job: Job, row: Import | None) -> None:
    """Pass if the job's work is still to be done, so that it can be requeued.

    Raises:
        RequestRefused: it was done elsewhere, it is under way, or its outcome is unknown. The message names what did it.
    """
    if job.kind == JobKind.SEND_WELCOME_EMAIL:
        _require_unsent(tx, job)
    elif job.kind == JobKind.SEND_RECONNECT_NOTICE:
        _require_notice_unsent(tx, job)
    elif job.error_class is ErrorClass.UNKNOWN:
        raise refusals.OUTCOME_UNKNOWN()
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
        by = f", created by import {made.import_id}" if made.import_id is not None else ""
        raise refusals.RECORD_ALREADY_IMPORTED(
            client_id=made.client_id, linked_at=utc_text(made.linked_at), by_import=by
        )
    other = job_facts.open_import_of_record(tx, row)
    if other is not None:
        raise refusals.RECORD_BEING_IMPORTED(import_id=other.id, state=other.state.value.replace("_", " "))


def _require_unsent(tx: Tx, job: Job) -> None:
    known = welcome_emails.get(tx, job_arg(job, "email_id"))
    if known is None:
        raise refusals.WELCOME_EMAIL_GONE()
    email = known.email
    if known.activated_at is not None:
        raise refusals.ACTIVATED_ALREADY(activated_at=utc_text(known.activated_at))
    match email.state:
        case EmailState.SENT:
            raise refusals.EMAIL_ALREADY_SENT(email_id=email.id, version=email.version, sent_at=utc_text(email.sent_at))
        case EmailState.UNKNOWN | EmailState.SENDING:
            raise refusals.EMAIL_OUTCOME_UNKNOWN(email_id=email.id)
        case EmailState.CANCELLED | EmailState.REFUSED:
            raise refusals.EMAIL_CLOSED(email_id=email.id, state=email.state.value)
        case EmailState.PENDING:
            return


def _require_notice_unsent(tx: Tx, job: Job) -> None:
    found = job_facts.notice_with_connection(tx, job_arg(job, "notice_id"))
    if found is None:
        raise refusals.NOTICE_GONE()
    notice, connection = found
    if connection.state is not ConnectionState.BROKEN or connection.breaks != notice.number:
        raise refusals.NOTICE_NOT_NEEDED(connection_id=connection.id, state=connection.state.value)
    if notice.state in (EmailState.UNKNOWN, EmailState.SENDING):
        raise refusals.NOTICE_OUTCOME_UNKNOWN()
    if notice.state is not EmailState.PENDING:
        raise refusals.NOTICE_CLOSED(state=notice.state.value)


def _require_no_later_job(tx: Tx, job: Job) -> None:
    later = job_facts.later_job(tx, job)
    if later is not None:
        raise refusals.REPLACED_BY_LATER_JOB(later_id=later.id, state=later.state.value)


def utc_text(at: datetime | None) -> str:
    """A time as operators read it."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at is not None else "an unknown time"
