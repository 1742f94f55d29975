"""How the record stands, for metrics: a fixed number of statements, none of which reads more because work has finished.

Jobs are counted in the partial indexes of open and dead ones, emails in that of those that are not settled.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import case, exists, func, or_, select

from portal_db.database import Tx
from portal_db.dialect import count_rows
from portal_db.states import ConnectionState, EmailState, ErrorClass, JobState, Lane, SyncMode, SyncState
from portal_db.tables import (
    Directory,
    DirectorySync,
    Job,
    MalformedMessage,
    Schedule,
    ScheduledRun,
    WelcomeEmail,
    XpmConnection,
    same_directory,
)
from portal_db.work.candidates import waits_for_quota
from portal_db.work.due import is_in, word
from portal_db.work.needs_person import WEBHOOK_FAILS
from portal_db.work.open_jobs import counted, due_since

#: Emails that are not settled, as in their partial index.
UNSETTLED = (EmailState.PENDING, EmailState.SENDING, EmailState.UNKNOWN)
#: Why an open job does not run. A job that runs, or is due and not held back, has no reason.
REASONS = ("paused", "quota", "outage", "connection", "retry", "other")
_NO_REASON = ""


def open_jobs(tx: Tx) -> tuple[Counter[tuple[Lane, JobState, str]], dict[Lane, datetime]]:
    """Open jobs by lane, state and reason; and since when the oldest of each lane is due that nothing holds back."""
    found: Counter[tuple[Lane, JobState, str]] = Counter()
    rows = counted(tx, _state_and_reason)
    for row in rows:
        is_held = row.is_paused and row.state is not JobState.RUNNING
        found[row.lane, row.state, "paused" if is_held else row.reason] += row.jobs
    return found, due_since(rows)


def _state_and_reason() -> tuple[Any, ...]:
    """A job's state, and why it does not run if no pause holds it back."""
    code = func.coalesce(Job.error_code, word(""))
    reason = case(
        (is_in(JobState.RUNNING, JobState.QUEUED), word(_NO_REASON)),
        (waits_for_quota(), word("quota")),
        (code.like(word("%\\_outage"), escape="\\"), word("outage")),
        (Job.error_class == ErrorClass.CONNECTION, word("connection")),
        (Job.error_class == ErrorClass.TRANSIENT, word("retry")),
        else_=word("other"),
    )
    return Job.state, reason.label("reason")


def dead_letters(tx: Tx) -> Counter[tuple[Lane, str, str]]:
    """Dead letters by lane, kind and error class."""
    columns = (Job.lane, Job.kind, Job.error_class)
    rows = tx.session.execute(select(*columns, func.count()).where(is_in(JobState.DEAD)).group_by(*columns))
    return Counter({(lane, kind, str(error_class or "")): count for lane, kind, error_class, count in rows})


def unsettled_emails(tx: Tx) -> dict[EmailState, int]:
    """Welcome emails that are not settled, by state."""
    statement = select(WelcomeEmail.state, func.count()).where(is_in(*UNSETTLED, of=WelcomeEmail))
    rows = tx.session.execute(statement.group_by(WelcomeEmail.state))
    return dict.fromkeys(UNSETTLED, 0) | dict(row for row in rows)


def connections(tx: Tx) -> dict[ConnectionState, int]:
    rows = tx.session.execute(select(XpmConnection.state, func.count()).group_by(XpmConnection.state))
    return dict.fromkeys(ConnectionState, 0) | dict(row for row in rows)


def connected_tenants(tx: Tx, *, limit: int) -> list[str]:
    """Tenants with a working connection."""
    statement = select(XpmConnection.tenant_id).where(XpmConnection.state == ConnectionState.CONNECTED).distinct()
    return list(tx.session.scalars(statement.order_by(XpmConnection.tenant_id).limit(limit)))


def last_success(tx: Tx, schedule: str) -> datetime | None:
    """When nightly work last succeeded. Work that never did counts from its planning; paused work not at all."""
    runs = select(ScheduledRun.ended_at).where(ScheduledRun.schedule == Schedule.name, ScheduledRun.succeeded.is_(True))
    latest = runs.order_by(ScheduledRun.due_at.desc()).limit(1).scalar_subquery()
    moment = select(func.coalesce(latest, Schedule.created_at))
    return tx.session.scalar(moment.where(Schedule.name == schedule, Schedule.paused_at.is_(None)))


def oldest_full_sync(tx: Tx) -> datetime | None:
    """When the directory that was fully synced the longest ago was: of those that are connected, and whose schedule is
    neither paused nor skipped because nobody uses the directory. One that never was counts from its creation."""
    connected = exists().where(
        same_directory(XpmConnection, Directory), XpmConnection.state == ConnectionState.CONNECTED
    )
    rests = or_(Schedule.paused_at.is_not(None), Schedule.skipped_code == "not_used")
    is_not_due = exists().where(Schedule.directory_id == Directory.id, Schedule.mode == SyncMode.FULL, rests)
    # The directory itself forgets it when it is purged, which happens each night while nobody uses it.
    applied = select(DirectorySync.started_at).where(
        DirectorySync.directory_id == Directory.id,
        DirectorySync.mode == SyncMode.FULL,
        DirectorySync.state.in_((SyncState.SUCCEEDED, SyncState.HELD)),
    )
    latest = applied.order_by(DirectorySync.started_at.desc()).limit(1).scalar_subquery()
    moment = func.coalesce(Directory.last_full_at, latest, Directory.created_at)
    return tx.session.scalar(select(func.min(moment)).where(connected, ~is_not_due))


def failing_webhooks(tx: Tx) -> int:
    """Endpoints that fail or are disabled."""
    return count_rows(tx, *WEBHOOK_FAILS)


def malformed_messages(tx: Tx) -> int:
    return count_rows(tx, MalformedMessage.id.is_not(None))
