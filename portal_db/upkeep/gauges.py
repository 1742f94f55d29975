"""How the record stands, for metrics: a fixed number of statements, none of which reads more because work has finished.

Jobs are counted in the partial indexes of open and dead ones, emails in that of those that are not settled.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, exists, func, select
from sqlalchemy.orm import aliased

from portal_db.database import Tx
from portal_db.dialect import count_rows, is_postgresql
from portal_db.states import ConnectionState, EmailState, ErrorClass, JobState, Lane, SyncMode, SyncState
from portal_db.tables import (
    Directory,
    DirectorySync,
    Import,
    Job,
    MalformedMessage,
    Schedule,
    ScheduledRun,
    WelcomeEmail,
    XpmConnection,
    same_directory,
)
from portal_db.types import UtcDateTime, database_time
from portal_db.work.candidates import is_put_off_by_quota, is_unrung, unrung_series, waits_for_quota, was_rung
from portal_db.work.due import is_due, is_in, is_out_of_turn, is_paused, word
from portal_db.work.needs_person import WEBHOOK_FAILS

#: Emails that are not settled, as in their partial index.
UNSETTLED = (EmailState.PENDING, EmailState.SENDING, EmailState.UNKNOWN)
#: Why an open job does not run. A job that runs, or is due and not held back, has no reason.
REASONS = ("paused", "quota", "outage", "connection", "retry", "other")
_NO_REASON = ""


def open_jobs(tx: Tx) -> Counter[tuple[Lane, JobState, str]]:
    """Open jobs by lane, state and reason."""
    found: Counter[tuple[Lane, JobState, str]] = Counter()
    for condition in (is_unrung(), was_rung(), is_in(JobState.RUNNING)):
        jobs = select(Job.lane, Job.state, _reason().label("reason")).where(condition).subquery()
        for row in tx.session.execute(select(*jobs.c, func.count().label("jobs")).group_by(*jobs.c)):
            found[row.lane, row.state, row.reason] += row.jobs
    return found


def _reason() -> ColumnElement[str]:
    code = func.coalesce(Job.error_code, word(""))
    return case(
        (is_in(JobState.RUNNING), word(_NO_REASON)),
        (is_paused(), word("paused")),
        (is_in(JobState.QUEUED), word(_NO_REASON)),
        (waits_for_quota(), word("quota")),
        (code.like(word("%\\_outage"), escape="\\"), word("outage")),
        (Job.error_class == ErrorClass.CONNECTION, word("connection")),
        (Job.error_class == ErrorClass.TRANSIENT, word("retry")),
        else_=word("other"),
    )


def dead_letters(tx: Tx) -> Counter[tuple[Lane, str, str]]:
    """Dead letters by lane, kind and error class."""
    columns = (Job.lane, Job.kind, Job.error_class)
    rows = tx.session.execute(select(*columns, func.count()).where(is_in(JobState.DEAD)).group_by(*columns))
    return Counter({(lane, kind, str(error_class or "")): count for lane, kind, error_class, count in rows})


def oldest_due(tx: Tx) -> dict[Lane, float]:
    """For how many seconds the oldest due job of each lane is due, of those that no pause, no turn and no quota holds back.

    Of jobs that were not rung, the first in order of each practice, lane and kind counts: the relay rings it first.
    """
    dialect = "postgresql" if is_postgresql(tx) else "sqlite"
    since = _due_since(dialect)
    free = (is_due(), ~waits_for_quota())
    of_lane = select(Job.lane, func.min(since)).group_by(Job.lane)
    urgent = of_lane.where(is_unrung(), Job.interactive, *free, ~is_paused(), ~is_out_of_turn())
    series = unrung_series(dialect)
    this = (Job.practice_id == series.c.practice_id, Job.lane == series.c.lane, Job.kind == series.c.kind)
    first = select(since).where(*this, is_unrung(), ~Job.interactive, *free, ~is_out_of_turn())
    first = first.order_by(Job.asked_at, Job.position, Job.created_at, Job.id).limit(1).correlate(series)
    held = aliased(Job, name="held")
    by_quota = exists().where(
        is_put_off_by_quota(held), ~held.interactive,
        held.practice_id == series.c.practice_id, held.lane == series.c.lane, held.kind == series.c.kind,
    )  # fmt: skip
    others = select(series.c.lane, first.scalar_subquery()).where(~is_paused(series.c), ~by_quota)
    rung = of_lane.where(was_rung(), *free, ~is_paused())
    now = database_time(tx.session)
    ages = dict.fromkeys(Lane, 0.0)
    for statement in (urgent, others, rung):
        for lane, moment in tx.session.execute(statement):
            if moment is not None and lane in ages:
                ages[lane] = max(ages[lane], (now - moment).total_seconds())
    return ages


def _due_since(dialect: str) -> Any:
    """The last of: created, its import reopened, its last attempt, the end of its wait."""
    epoch = select(Import.epoch_started_at).where(Import.id == Job.import_id).correlate(Job).scalar_subquery()
    moments = (func.coalesce(moment, Job.created_at) for moment in (epoch, Job.started_at, Job.next_attempt_at))
    last = func.greatest if dialect == "postgresql" else func.max
    return last(Job.created_at, *moments, type_=UtcDateTime())


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
    """When nightly work last succeeded."""
    statement = select(ScheduledRun.ended_at).where(ScheduledRun.schedule == schedule, ScheduledRun.succeeded.is_(True))
    return tx.session.scalar(statement.order_by(ScheduledRun.due_at.desc()).limit(1))


def oldest_full_sync(tx: Tx) -> datetime | None:
    """When the directory that was fully synced the longest ago was: of those that are connected, and whose schedule is not
    paused. One that never was counts from its creation."""
    connected = exists().where(
        same_directory(XpmConnection, Directory), XpmConnection.state == ConnectionState.CONNECTED
    )
    paused = exists().where(
        Schedule.directory_id == Directory.id, Schedule.mode == SyncMode.FULL, Schedule.paused_at.is_not(None)
    )
    moment = func.coalesce(Directory.last_full_at, Directory.created_at)
    return tx.session.scalar(select(func.min(moment)).where(connected, ~paused))


def held_directories(tx: Tx) -> int:
    """Directories whose last full sync waits for somebody to accept that records are gone."""
    full = select(DirectorySync.state).where(
        DirectorySync.directory_id == Directory.id, DirectorySync.mode == SyncMode.FULL
    )
    last = full.order_by(DirectorySync.started_at.desc()).limit(1).correlate(Directory).scalar_subquery()
    return tx.session.scalar(select(func.count()).select_from(Directory).where(last == SyncState.HELD)) or 0


def failing_webhooks(tx: Tx) -> int:
    """Endpoints that fail or are disabled."""
    return count_rows(tx, *WEBHOOK_FAILS)


def malformed_messages(tx: Tx) -> int:
    return count_rows(tx, MalformedMessage.id.is_not(None))
