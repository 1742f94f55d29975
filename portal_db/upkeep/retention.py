"""What has been kept long enough: finding and deleting it, so many rows at a time.

Finding is a look, so that nothing waits while a big table is read; deleting names the rows found and checks them again. Dead
letters are never old enough, and the history of an import is kept whole as long as it is open or has one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select
from sqlalchemy.orm import aliased

from portal_db.database import Tx
from portal_db.states import OPEN_IMPORT_STATES, OPEN_JOB_STATES, JobState, SyncState
from portal_db.tables import (
    ClientChange,
    DirectoryStaged,
    DirectorySync,
    Import,
    ImportEvent,
    Job,
    JobAttempt,
    MalformedMessage,
    RelationshipSync,
    ScheduledRun,
    WebhookDelivery,
    XeroConsent,
)
from portal_db.types import db_now

DAY = 86_400
#: States in which a job is neither to be done nor a dead letter.
FINISHED = (JobState.SUCCEEDED, JobState.REJECTED, JobState.CANCELLED, JobState.DISMISSED)

_sibling = aliased(Job)


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """A table whose rows are kept for a while. `old` is given the days, and says which rows are past them."""

    table: Any
    old: Callable[[float], ColumnElement[bool]]
    #: Tables whose rows go with it, by the column that points to it.
    with_it: Sequence[Any] = ()


def _finished_jobs(days: float) -> ColumnElement[bool]:
    still_matters = exists().where(
        _sibling.import_id == Job.import_id, _sibling.state.in_((*OPEN_JOB_STATES, JobState.DEAD))
    )
    import_is_open = exists().where(Import.id == Job.import_id, Import.state.in_(OPEN_IMPORT_STATES))
    of_a_closed_import = or_(Job.import_id.is_(None), and_(~still_matters, ~import_is_open))
    return and_(Job.state.in_(FINISHED), Job.finished_at < db_now(-days * DAY), of_a_closed_import)


def _told_deliveries(days: float) -> ColumnElement[bool]:
    still_matters = exists().where(Job.id == WebhookDelivery.job_id, Job.state.in_((*OPEN_JOB_STATES, JobState.DEAD)))
    return and_(WebhookDelivery.created_at < db_now(-days * DAY), ~still_matters)


def _ended_syncs(days: float) -> ColumnElement[bool]:
    return and_(DirectorySync.state != SyncState.RUNNING, DirectorySync.finished_at < db_now(-days * DAY))


#: By the name that people read.
KEPT: dict[str, RetentionRule] = {
    "finished jobs": RetentionRule(Job, _finished_jobs, with_it=(JobAttempt.job_id,)),
    "import events": RetentionRule(ImportEvent, lambda days: ImportEvent.created_at < db_now(-days * DAY)),
    "webhook deliveries": RetentionRule(WebhookDelivery, _told_deliveries),
    "client changes": RetentionRule(ClientChange, lambda days: ClientChange.at < db_now(-days * DAY)),
    "re-sync summaries": RetentionRule(
        RelationshipSync, lambda days: RelationshipSync.started_at < db_now(-days * DAY)
    ),
    "malformed messages": RetentionRule(
        MalformedMessage, lambda days: MalformedMessage.received_at < db_now(-days * DAY)
    ),
    "syncs of directories": RetentionRule(DirectorySync, _ended_syncs, with_it=(DirectoryStaged.sync_id,)),
    "ended consents": RetentionRule(XeroConsent, lambda days: XeroConsent.expires_at < db_now(-days * DAY)),
}


def find(tx: Tx, kept: RetentionRule, days: float, *, after: UUID | None, limit: int) -> list[UUID]:
    """Ids of rows that are past their days, from the one after, in order: a walk along the primary key."""
    statement = select(kept.table.id).where(kept.old(days)).order_by(kept.table.id).limit(limit)
    if after is not None:
        statement = statement.where(kept.table.id > after)
    return list(tx.session.scalars(statement))


def drop(tx: Tx, kept: RetentionRule, days: float, ids: Sequence[UUID]) -> int:
    """Delete those of these rows that still are past their days, with what hangs on them.

    Returns:
        How many they were.
    """
    still = select(kept.table.id).where(kept.table.id.in_(ids), kept.old(days)).with_for_update(of=kept.table)
    found = list(tx.session.scalars(still))
    for column in kept.with_it:
        _delete(tx, column.class_, column.in_(found))
    _delete(tx, kept.table, kept.table.id.in_(found))
    return len(found)


def drop_scheduled_runs(tx: Tx, days: float) -> None:
    """Forget due times of long ago; each night it is those of one day."""
    _delete(tx, ScheduledRun, ScheduledRun.due_at < db_now(-days * DAY))


def _delete(tx: Tx, table: Any, condition: ColumnElement[bool]) -> None:
    tx.session.execute(delete(table).where(condition))
