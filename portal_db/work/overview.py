"""What there is to do and who does it, now: open work by lane and by what it waits for, workers, and the last day's closes.

Reads open work and the rows of one day only, so it costs the same with a million finished jobs as with none.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, select

from portal_db.database import Tx
from portal_db.paging import LAST_ID, first_id_at
from portal_db.states import ErrorClass, ImportState, JobState, Lane
from portal_db.tables import ImportEvent, Job, Leader, Restore, Worker, WorkerKind
from portal_db.types import db_now
from portal_db.work import leaders
from portal_db.work.candidates import QUOTA_CODE
from portal_db.work.due import is_in, word
from portal_db.work.jobs import PACED_CODE
from portal_db.work.open_jobs import counted, due_since
from portal_db.work.workers import is_running


@dataclass(frozen=True, slots=True)
class Standing:
    """The database's time, the relay that leads, since when a restore is under way, and how many dead letters there are."""

    at: datetime
    leader: str | None
    restoring_since: datetime | None
    dead: int


_STANDING = select(
    db_now(),
    select(Leader.owner).where(Leader.role == leaders.RELAY, leaders.is_valid()).scalar_subquery(),
    select(func.min(Restore.begun_at)).where(Restore.finished_at.is_(None)).scalar_subquery(),
    select(func.count()).where(is_in(JobState.DEAD)).scalar_subquery(),
)


def standing(tx: Tx) -> Standing:
    return Standing(*tx.session.execute(_STANDING).one())


@dataclass(frozen=True, slots=True)
class OpenWork:
    """How many open jobs of a lane are in each condition: `running`, `due`, or what they wait for; and since when the oldest
    is due that nothing holds back."""

    jobs: Mapping[str, int]
    due_since: datetime | None


NO_WORK = OpenWork({}, None)


def open_work(tx: Tx, *, practice_id: UUID | None = None) -> dict[Lane, OpenWork]:
    """Open jobs, of one practice or of all, by lane."""
    jobs: dict[Lane, Counter[str]] = defaultdict(Counter)
    rows = counted(tx, _waits_for, practice_id=practice_id)
    for row in rows:
        if row.waits_for == "running":
            condition = "running"
        elif row.is_paused:
            condition = "paused"
        else:
            condition = "due" if row.is_due else row.waits_for
        jobs[row.lane][condition] += row.jobs
    since = due_since(rows)
    return {lane: OpenWork(dict(sorted(found.items())), since.get(lane)) for lane, found in jobs.items()}


def _waits_for() -> tuple[ColumnElement[str]]:
    """What a job waits for that is neither paused nor due; or that it runs."""
    waits_for = case(
        (is_in(JobState.RUNNING), word("running")),
        (Job.error_code == QUOTA_CODE, word("quota")),
        (Job.error_code == PACED_CODE, word("in_turn")),
        (Job.error_class == ErrorClass.CONNECTION, word("connection")),
        (Job.error_class == ErrorClass.DEFERRED, word("deferred")),
        else_=word("back_off"),
    )
    return (waits_for.label("waits_for"),)


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that runs."""

    id: UUID
    kind: str
    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunningWorker:
    """A worker process, the lanes it consumes, and the jobs that it runs now."""

    owner: str
    seen_at: datetime
    lanes: Sequence[str]
    jobs: Sequence[RunningJob]


_WORKERS = (
    select(Worker.owner, Worker.seen_at, WorkerKind.lane)
    .outerjoin(WorkerKind, WorkerKind.owner == Worker.owner)
    .where(is_running())
    .distinct()
    .order_by(Worker.owner, WorkerKind.lane)
)
_RUNNING = (
    select(Job.lease_owner, Job.id, Job.kind, Job.started_at)
    .where(is_in(JobState.RUNNING))
    .order_by(Job.started_at)
    .limit(500)
)


def running_workers(tx: Tx) -> list[RunningWorker]:
    """The worker processes that are alive, also those that have nothing to do."""
    lanes: dict[tuple[str, datetime], list[str]] = defaultdict(list)
    for owner, seen_at, lane in tx.session.execute(_WORKERS):
        lanes[owner, seen_at] += [lane] if lane else []
    running: dict[str, list[RunningJob]] = defaultdict(list)
    for holder, job_id, kind, started_at in tx.session.execute(_RUNNING):
        running[holder or ""].append(RunningJob(job_id, kind, started_at))
    return [RunningWorker(owner, seen_at, found, running[owner]) for (owner, seen_at), found in lanes.items()]


def closes(tx: Tx, at: datetime, *, hours: int) -> dict[ImportState, int]:
    """How imports have closed in the hours before a time."""
    since = at - timedelta(hours=hours)
    # By ids, so that no index of times is needed; an hour more, because machines' clocks differ. A range, because without
    # statistics PostgreSQL takes a third of all rows for later ones, and reads them all.
    recent = ImportEvent.id.between(first_id_at(since - timedelta(hours=1)), LAST_ID)
    statement = select(ImportEvent.state, func.count()).where(recent, ImportEvent.created_at >= since)
    return dict(tx.session.execute(statement.group_by(ImportEvent.state)).all())
