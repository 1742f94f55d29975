"""What there is to do and who does it, now: open work by lane and by what it waits for, workers, and the last day's closes.

Reads open work and the rows of one day only, so it costs the same with a million finished jobs as with none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, select

from portal_db.database import Tx
from portal_db.paging import LAST_ID, first_id_at
from portal_db.states import ErrorClass, ImportState, JobState, Lane
from portal_db.tables import ImportEvent, Job, Restore, Worker, WorkerKind
from portal_db.types import database_time
from portal_db.work.candidates import QUOTA_CODE, is_unrung, was_rung
from portal_db.work.due import is_due, is_in, is_paused, word
from portal_db.work.jobs import PACED_CODE
from portal_db.work.workers import is_running


@dataclass(frozen=True, slots=True)
class OpenWork:
    """Open jobs of a lane that are in one condition: `running`, `due`, or what they wait for."""

    lane: Lane
    condition: str
    jobs: int


def open_work(tx: Tx, *, practice_id: UUID | None = None) -> list[OpenWork]:
    """Open jobs, of one practice or of all, by lane and condition."""
    condition = case(
        (is_in(JobState.RUNNING), word("running")),
        (is_due(), word("due")),
        (Job.error_code == QUOTA_CODE, word("quota")),
        (Job.error_code == PACED_CODE, word("in_turn")),
        (Job.error_class == ErrorClass.CONNECTION, word("connection")),
        (Job.error_class == ErrorClass.DEFERRED, word("deferred")),
        else_=word("back_off"),
    )
    found: Counter[tuple[Lane, str]] = Counter()
    # Each of the three by its own partial index; together, SQLite would look for them in all jobs.
    for part in (is_unrung(), was_rung(), is_in(JobState.RUNNING)):
        jobs = select(Job.practice_id, Job.lane, Job.kind, condition.label("condition")).where(part)
        if practice_id is not None:
            jobs = jobs.where(Job.practice_id == practice_id)
        for row in tx.session.execute(counted(jobs)):
            found[row.lane, "paused" if row.is_paused and row.condition != "running" else row.condition] += row.jobs
    return [OpenWork(lane, name, found[lane, name]) for lane, name in sorted(found)]


def counted(jobs: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """How many of these jobs there are of each combination of their columns, and whether a pause matches it: asked once for
    each practice, lane and kind, because there may be many pauses and very many jobs.

    Args:
        jobs: selects `practice_id`, `lane`, `kind`, and what else to count by.
    """
    rows = jobs.subquery()
    groups = select(*rows.c, func.count().label("jobs")).group_by(*rows.c).subquery()
    return select(*groups.c, is_paused(groups.c).label("is_paused"))


@dataclass(frozen=True, slots=True)
class RunningWorker:
    """A worker process, the lanes it consumes, and the jobs that it runs now."""

    owner: str
    seen_at: datetime
    lanes: Sequence[str]
    jobs: Sequence[Job]


def running_workers(tx: Tx) -> list[RunningWorker]:
    """The worker processes that are alive, also those that have nothing to do."""
    workers = tx.session.scalars(select(Worker).where(is_running()).order_by(Worker.owner)).all()
    lanes: dict[str, list[str]] = {}
    for owner, lane in tx.session.execute(
        select(WorkerKind.owner, WorkerKind.lane).distinct().order_by(WorkerKind.owner, WorkerKind.lane)
    ):
        lanes.setdefault(owner, []).append(lane)
    running: dict[str, list[Job]] = {}
    for job in tx.session.scalars(select(Job).where(is_in(JobState.RUNNING)).order_by(Job.started_at).limit(500)):
        running.setdefault(job.lease_owner or "", []).append(job)
    return [RunningWorker(w.owner, w.seen_at, lanes.get(w.owner, ()), running.get(w.owner, ())) for w in workers]


def closes(tx: Tx, *, hours: int) -> dict[ImportState, int]:
    """How imports have closed in the last hours."""
    since = database_time(tx.session) - timedelta(hours=hours)
    # By ids, so that no index of times is needed; an hour more, because machines' clocks differ. A range, because without
    # statistics PostgreSQL takes a third of all rows for later ones, and reads them all.
    recent = ImportEvent.id.between(first_id_at(since - timedelta(hours=1)), LAST_ID)
    statement = select(ImportEvent.state, func.count()).where(recent, ImportEvent.created_at >= since)
    return dict(tx.session.execute(statement.group_by(ImportEvent.state)).all())


def unfinished_restore(tx: Tx) -> Restore | None:
    return tx.session.scalar(select(Restore).where(Restore.finished_at.is_(None)).order_by(Restore.begun_at).limit(1))
