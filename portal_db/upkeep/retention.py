"""Retention: finding and deleting rows that have been kept long enough, a limited number at a time.

Finding only reads, so that nothing waits while a big table is searched; deleting names the rows found and checks them again.
Dead letters never expire, and an import's jobs are all kept while it is open or has a dead letter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, tuple_

from portal_db.aliases import alias_of
from portal_db.database import Tx
from portal_db.dialect import delete_rows, update_rows
from portal_db.paging import by_id
from portal_db.states import OPEN_IMPORT_STATES, OPEN_JOB_STATES, EmailState, JobState, SyncState
from portal_db.tables import (
    AuditEntry,
    ClientChange,
    DirectoryStaged,
    DirectorySync,
    Import,
    ImportEvent,
    Job,
    JobAttempt,
    MalformedMessage,
    PasswordReset,
    RelationshipSync,
    ScheduledRun,
    SecurityNotice,
    SignInEntry,
    WebhookDelivery,
    XeroConsent,
)
from portal_db.types import db_now

DAY = 86_400
#: States of a job that is neither open nor a dead letter.
FINISHED = (JobState.SUCCEEDED, JobState.REJECTED, JobState.CANCELLED, JobState.DISMISSED)

_sibling = alias_of(Job)


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """A table whose rows are kept for some days. `is_expired` takes the days and returns the condition on a row."""

    table: Any
    is_expired: Callable[[float], ColumnElement[bool]]
    #: The columns of other tables that point to this one; their rows are deleted with it.
    cascade: Sequence[Any] = ()


def _finished_jobs(days: float) -> ColumnElement[bool]:
    still_matters = exists().where(
        _sibling.import_id == Job.import_id, _sibling.state.in_((*OPEN_JOB_STATES, JobState.DEAD))
    )
    import_is_open = exists().where(Import.id == Job.import_id, Import.state.in_(OPEN_IMPORT_STATES))
    of_a_closed_import = or_(Job.import_id.is_(None), and_(~still_matters, ~import_is_open))
    return and_(Job.state.in_(FINISHED), Job.finished_at < db_now(-days * DAY), of_a_closed_import)


def _ended_deliveries(days: float) -> ColumnElement[bool]:
    still_matters = exists().where(Job.id == WebhookDelivery.job_id, Job.state.in_((*OPEN_JOB_STATES, JobState.DEAD)))
    return and_(WebhookDelivery.created_at < db_now(-days * DAY), ~still_matters)


def _ended_syncs(days: float) -> ColumnElement[bool]:
    return and_(DirectorySync.state != SyncState.RUNNING, DirectorySync.finished_at < db_now(-days * DAY))


def _ended_links(days: float) -> ColumnElement[bool]:
    """Links count from their end; a request of which no link was made, from itself. One still to be sent stays."""
    is_settled = PasswordReset.state.not_in((EmailState.PENDING, EmailState.SENDING))
    ended_at = func.coalesce(PasswordReset.ends_at, PasswordReset.created_at)
    return and_(is_settled, ended_at < db_now(-days * DAY))


#: By the name that people read.
RULES: dict[str, RetentionRule] = {
    "finished jobs": RetentionRule(Job, _finished_jobs, cascade=(JobAttempt.job_id,)),
    "import events": RetentionRule(ImportEvent, lambda days: ImportEvent.created_at < db_now(-days * DAY)),
    "webhook deliveries": RetentionRule(WebhookDelivery, _ended_deliveries),
    "client changes": RetentionRule(ClientChange, lambda days: ClientChange.at < db_now(-days * DAY)),
    "re-sync summaries": RetentionRule(
        RelationshipSync, lambda days: RelationshipSync.started_at < db_now(-days * DAY)
    ),
    "sign-in log": RetentionRule(SignInEntry, lambda days: SignInEntry.at < db_now(-days * DAY)),
    "malformed messages": RetentionRule(
        MalformedMessage, lambda days: MalformedMessage.received_at < db_now(-days * DAY)
    ),
    "syncs of directories": RetentionRule(DirectorySync, _ended_syncs, cascade=(DirectoryStaged.sync_id,)),
    "requests for a new password": RetentionRule(PasswordReset, _ended_links),
    "emails about accounts": RetentionRule(
        SecurityNotice, lambda days: SecurityNotice.created_at < db_now(-days * DAY)
    ),
    "ended consents": RetentionRule(XeroConsent, lambda days: XeroConsent.expires_at < db_now(-days * DAY)),
}


def find(tx: Tx, rule: RetentionRule, days: float, *, after: UUID | None, limit: int) -> list[UUID]:
    """Ids of expired rows, in the order of ids."""
    statement = select(rule.table.id).where(rule.is_expired(days))
    return list(tx.session.scalars(by_id(statement, rule.table.id, after=after, limit=limit)))


def drop(tx: Tx, rule: RetentionRule, days: float, ids: Sequence[UUID]) -> int:
    """Delete the rows among these that are still expired, with the rows that point to them.

    Returns:
        How many rows of the rule's table were deleted.
    """
    expired = select(rule.table.id).where(rule.table.id.in_(ids), rule.is_expired(days)).with_for_update(of=rule.table)
    found = list(tx.session.scalars(expired))
    for column in rule.cascade:
        delete_rows(tx, column.class_, column.in_(found))
    delete_rows(tx, rule.table, rule.table.id.in_(found))
    return len(found)


def forget_addresses(tx: Tx, days: float, *, limit: int) -> int:
    """Empty the network address of up to `limit` old acts in the audit trail, and return how many there were."""
    is_old = (AuditEntry.address.is_not(None), AuditEntry.at < db_now(-days * DAY))
    old = select(AuditEntry.id).where(*is_old).order_by(AuditEntry.at).limit(limit)
    return update_rows(tx, AuditEntry, AuditEntry.id.in_(old), address=None)


def drop_scheduled_runs(tx: Tx, days: float, *, limit: int) -> int:
    """Delete up to `limit` runs of old due times, and return how many there were."""
    key = (ScheduledRun.schedule, ScheduledRun.due_at)
    old = select(*key).where(ScheduledRun.due_at < db_now(-days * DAY)).order_by(*key).limit(limit)
    return delete_rows(tx, ScheduledRun, tuple_(*key).in_(old))
