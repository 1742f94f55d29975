"""Finding jobs, above all dead letters: by filters that the database applies, in pages, and in groups with one cause."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, and_, case, func, literal_column, select

from portal_db.database import Tx
from portal_db.paging import LONGEST_PAGE, Cursor, among_latest, newer, newest_first
from portal_db.states import OPEN_JOB_STATES, JobState, Lane
from portal_db.tables import Job
from portal_db.types import database_time, db_time
from portal_db.work.due import is_open


@dataclass(frozen=True, slots=True)
class Group:
    """Dead letters with one cause, written `kind/code/digest of the normalised message`. The digest is empty for those that
    an older version wrote."""

    kind: str
    code: str
    cause: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.code}/{self.cause or '-'}"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs to find; a filter that is not set matches all. Ages are in seconds: of dead letters since they died, of
    other jobs since they were created."""

    states: Sequence[JobState] = ()
    practice_id: UUID | None = None
    import_id: UUID | None = None
    kind: str | None = None
    lane: Lane | None = None
    code: str | None = None
    group: Group | None = None
    #: Part of the error message; upper and lower case are the same.
    text: str | None = None
    older_than: float | None = None
    newer_than: float | None = None

    @property
    def only_dead(self) -> bool:
        return tuple(self.states) == (JobState.DEAD,)

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions that a job must meet."""
        equal = {Job.practice_id: self.practice_id, Job.import_id: self.import_id, Job.kind: self.kind,
                 Job.lane: self.lane, Job.error_code: self.code}  # fmt: skip
        found = [column == value for column, value in equal.items() if value is not None]
        if self.states:
            found.append(Job.state.in_(self.states))
            if set(self.states) <= OPEN_JOB_STATES:
                found.append(is_open())
        if self.group is not None:
            found += [Job.kind == self.group.kind, _code() == self.group.code, _cause() == self.group.cause]
        if self.text is not None:
            found.append(func.lower(Job.error_message).contains(self.text.lower(), autoescape=True))
        if self.older_than is not None:
            found.append(_time_of(self) <= db_time(-self.older_than))
        if self.newer_than is not None:
            found.append(_time_of(self) >= db_time(-self.newer_than))
        return found


def listing(tx: Tx, which: Filter, *, limit: int, after: Cursor | None = None) -> list[Job]:
    """A page of jobs, newest first: dead letters by the time they died, others by their ids, which are in the order of
    time."""
    limit = min(limit, LONGEST_PAGE)
    ids = select(Job.id).where(*which.conditions())
    order: tuple[ColumnElement[Any], ...] = (Job.id.desc(),)
    if which.only_dead:
        order = (Job.finished_at.desc(), *order)
        ids = newest_first(ids, Job.finished_at, Job.id, after=after, limit=limit)
    else:
        before = after.row_id if after else None
        # Most often the latest jobs fill a page, and all that match need not be sorted.
        if which.import_id is None and len(found := latest(tx, which, before=before, limit=limit)) == limit:
            return found
        ids = ids.where(Job.id < before) if before else ids
        ids = ids.order_by(*order).limit(limit)
    # First the ids, so that only a page of whole rows is read: sorting all that match takes twice as long.
    return list(tx.session.scalars(select(Job).where(Job.id.in_(ids)).order_by(*order)))


#: Jobs that `latest` looks through for those that match.
LOOKED_THROUGH = 5_000


def latest(tx: Tx, which: Filter, *, before: UUID | None, limit: int) -> list[Job]:
    """Jobs that match among the latest ones, newest first."""
    recent = among_latest(tx, Job.id, before=before, looked_through=LOOKED_THROUGH)
    statement = select(Job).where(recent, *which.conditions()).order_by(Job.id.desc())
    return list(tx.session.scalars(statement.limit(min(limit, LONGEST_PAGE))))


def cursor_of(which: Filter, job: Job) -> Cursor:
    """The cursor of the page after this job."""
    return Cursor((job.finished_at or job.created_at) if which.only_dead else job.created_at, job.id)


def oldest_first(
    tx: Tx, which: Filter, *, until: datetime, limit: int, after: Cursor | None = None
) -> list[tuple[UUID, Cursor]]:
    """Ids of matching jobs, oldest first, for working through all of them.

    Args:
        until: jobs later than this are left out, so that one that dies again meanwhile is not found twice.
    """
    statement = select(Job.id, _time_of(which)).where(*which.conditions(), _time_of(which) <= until)
    if after is not None:
        statement = statement.where(newer(_time_of(which), Job.id, after))
    rows = tx.session.execute(statement.order_by(_time_of(which), Job.id).limit(limit)).all()
    return [(job_id, Cursor(at, job_id)) for job_id, at in rows]


def practices_of(tx: Tx, job_ids: Collection[UUID]) -> set[UUID]:
    """The practices that these jobs belong to."""
    return set(tx.session.scalars(select(Job.practice_id).where(Job.id.in_(job_ids)).distinct()))


@dataclass(frozen=True, slots=True)
class Cause:
    """A group at a glance: how many dead letters it has, its last time, and one of the messages."""

    group: Group
    count: int
    last_seen: datetime
    message: str


def causes(tx: Tx, which: Filter, *, limit: int) -> list[Cause]:
    """The groups of dead letters at a glance, most frequent first; `groups` says more, and takes longer."""
    columns = (func.count(), func.max(Job.finished_at), func.min(Job.error_message))
    return [
        Cause(Group(kind, code, cause), number, last, message or "")
        for kind, code, cause, number, last, message in tx.session.execute(_by_cause(which, *columns, limit=limit))
    ]


@dataclass(frozen=True, slots=True)
class Grouped:
    """A group: how many dead letters of how many practices it has, its first and last time, one of the messages, and how
    many died in each 24 hours of the last days, the latest last."""

    group: Group
    count: int
    practices: int
    first_seen: datetime
    last_seen: datetime
    message: str
    days: Sequence[int] = ()


#: Days that are counted one by one.
DAYS = 7


def groups(tx: Tx, which: Filter, *, limit: int) -> list[Grouped]:
    """Dead letters by cause, most frequent first."""
    columns = (
        func.count(),
        func.count(Job.practice_id.distinct()),
        func.min(Job.finished_at),
        func.max(Job.finished_at),
        func.min(Job.error_message),
    )
    found = tx.session.execute(_by_cause(which, *columns, limit=limit)).all()
    days = _days(tx, which)
    return [
        Grouped(group := Group(kind, code, cause), number, practices, first, last, message or "", days[group])
        for kind, code, cause, number, practices, first, last, message in found
    ]


def _days(tx: Tx, which: Filter) -> defaultdict[Group, list[int]]:
    """How many of each group died on each of the last days: apart from the rest, since those days' letters are few."""
    now = database_time(tx.session)
    ends = [now - timedelta(days=day) for day in range(DAYS, -1, -1)]
    key = (Job.kind, _code(), _cause())
    counts = (
        func.count(case((and_(Job.finished_at > begin, Job.finished_at <= end), 1))) for begin, end in pairwise(ends)
    )
    statement = select(*key, *counts).where(*which.conditions(), Job.finished_at > ends[0]).group_by(*key)
    found: defaultdict[Group, list[int]] = defaultdict(lambda: [0] * DAYS)
    for kind, code, cause, *days in tx.session.execute(statement):
        found[Group(kind, code, cause)] = days
    return found


def _by_cause(which: Filter, *columns: Any, limit: int) -> Select[Any]:
    key = (Job.kind, _code(), _cause())
    statement = select(*key, *columns).where(*which.conditions()).group_by(*key)
    return statement.order_by(func.count().desc(), func.max(Job.finished_at).desc(), *key).limit(
        min(limit, LONGEST_PAGE)
    )


#: A literal instead of a parameter: PostgreSQL treats two parameters as two different expressions when it groups.
_NOTHING: ColumnElement[str] = literal_column("''")


def _time_of(which: Filter) -> SQLColumnExpression[Any]:
    """The time that ages and the order are based on."""
    return Job.finished_at if which.only_dead else Job.created_at


def _code() -> ColumnElement[str]:
    return func.coalesce(Job.error_code, _NOTHING)


def _cause() -> ColumnElement[str]:
    return func.coalesce(Job.error_cause, _NOTHING)


def group_named(text: str) -> Group | None:
    """Parse a group as it is printed; `None` when the text is not a group."""
    kind, _, rest = text.partition("/")
    code, slash, cause = rest.rpartition("/")
    return Group(kind, code, "" if cause == "-" else cause) if kind and slash else None
