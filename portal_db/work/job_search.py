"""Finding jobs, above all dead letters: by filters that the database applies, in pages, and in groups with one cause."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    SQLColumnExpression,
    Uuid,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
)

from portal_db.aliases import alias_of
from portal_db.database import Tx
from portal_db.paging import LAST_ID, LATEST, LONGEST_PAGE, Cursor, latest_given, latest_of, newer, newest_first
from portal_db.states import OPEN_JOB_STATES, JobState, Lane
from portal_db.tables import Job
from portal_db.types import UtcDateTime, db_time
from portal_db.work.due import is_in, is_open


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

    def conditions(self, of: type[Job] = Job) -> list[ColumnElement[bool]]:
        """The conditions that a job must meet.

        Args:
            of: the latest jobs, if only these are searched.
        """
        equal = {of.practice_id: self.practice_id, of.import_id: self.import_id, of.kind: self.kind,
                 of.lane: self.lane, of.error_code: self.code}  # fmt: skip
        found = [column == value for column, value in equal.items() if value is not None]
        if self.states:
            found.append(of.state.in_(self.states))
            if of is Job and set(self.states) <= OPEN_JOB_STATES:
                found.append(is_open())
        if self.group is not None:
            found += [of.kind == self.group.kind, _code(of) == self.group.code, _cause(of) == self.group.cause]
        if self.text is not None:
            found.append(func.lower(of.error_message).contains(self.text.lower(), autoescape=True))
        if self.older_than is not None:
            found.append(_time_of(self, of) <= db_time(-self.older_than))
        if self.newer_than is not None:
            found.append(_time_of(self, of) >= db_time(-self.newer_than))
        return found


def listing(tx: Tx, which: Filter, *, limit: int, after: Cursor | None = None) -> list[Job]:
    """A page of jobs, newest first: dead letters by the time they died, others by their ids, which are in the order of
    time."""
    limit = min(limit, LONGEST_PAGE)
    # Most often the latest jobs fill a page, and all that match need not be sorted.
    if which.import_id is None:
        before = after.row_id if after else None
        found = (
            _latest_dead(tx, which, after, limit) if which.only_dead else latest(tx, which, before=before, limit=limit)
        )
        if len(found) == limit:
            return found
    ids = select(Job.id).where(*which.conditions())
    order: tuple[ColumnElement[Any], ...] = (Job.id.desc(),)
    if which.only_dead:
        order = (Job.finished_at.desc(), *order)
        ids = newest_first(ids, Job.finished_at, Job.id, after=after, limit=limit)
    else:
        ids = ids.where(Job.id < after.row_id) if after else ids
        ids = ids.order_by(*order).limit(limit)
    # First the ids, so that only a page of whole rows is read: sorting all that match takes twice as long.
    return list(tx.session.scalars(select(Job).where(Job.id.in_(ids)).order_by(*order)))


#: Jobs that `latest` looks through for those that match, and dead letters before all of them are looked for.
LOOKED_THROUGH, LOOKED_THROUGH_DEAD = 5_000, 1_000


def latest(tx: Tx, which: Filter, *, before: UUID | None, limit: int) -> list[Job]:
    """Jobs that match among the latest ones, newest first."""
    recent, given = latest_of(Job), latest_given(before, looked_through=LOOKED_THROUGH)
    statement = select(recent).where(*which.conditions(recent)).order_by(recent.id.desc())
    return list(tx.session.scalars(statement.limit(min(limit, LONGEST_PAGE)), given))


@cache
def _dead() -> type[Job]:
    """The latest dead letters after a cursor, made once: making them takes longer than the statement."""
    at, row_id = bindparam("at", type_=UtcDateTime()), bindparam("id", type_=Uuid())
    follows = (Job.finished_at <= at, or_(Job.finished_at < at, Job.id < row_id))
    statement = select(Job).where(is_in(JobState.DEAD), *follows)
    ordered = statement.order_by(Job.finished_at.desc(), Job.id.desc()).limit(bindparam("most", type_=Integer()))
    return alias_of(Job, ordered.subquery())


def _latest_dead(tx: Tx, which: Filter, after: Cursor | None, limit: int) -> list[Job]:
    """Dead letters that match among the latest ones, newest first."""
    dead = _dead()
    statement = select(dead).where(*which.conditions(dead))
    given = {"at": after.at if after else LATEST, "id": after.row_id if after else LAST_ID, "most": LOOKED_THROUGH_DEAD}
    page = newest_first(statement, dead.finished_at, dead.id, after=None, limit=limit)
    return list(tx.session.scalars(page, given))


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
    found = tx.session.execute(_by_cause(which, *columns, db_time(), limit=limit)).all()
    days = _days(tx, which, found[0][-1]) if found else {}
    return [
        Grouped(group := Group(kind, code, cause), number, practices, first, last, message or "", days[group])
        for kind, code, cause, number, practices, first, last, message, _ in found
    ]


def _days(tx: Tx, which: Filter, now: datetime) -> defaultdict[Group, list[int]]:
    """How many of each group died on each of the last days: apart from the rest, since those days' letters are few."""
    begins = [now - timedelta(days=day) for day in range(1, DAYS + 1)]
    day = case(*((Job.finished_at > begin, DAYS - number) for number, begin in enumerate(begins, 1))).label("day")
    key = (Job.kind, _code(), _cause(), day)
    statement = select(*key, func.count()).where(*which.conditions(), Job.finished_at > begins[-1]).group_by(*key)
    found: defaultdict[Group, list[int]] = defaultdict(lambda: [0] * DAYS)
    for kind, code, cause, number, count in tx.session.execute(statement):
        found[Group(kind, code, cause)][number] = count
    return found


def _by_cause(which: Filter, *columns: Any, limit: int) -> Select[Any]:
    key = (Job.kind, _code(), _cause())
    statement = select(*key, *columns).where(*which.conditions()).group_by(*key)
    return statement.order_by(func.count().desc(), func.max(Job.finished_at).desc(), *key).limit(
        min(limit, LONGEST_PAGE)
    )


#: A literal instead of a parameter: PostgreSQL treats two parameters as two different expressions when it groups.
_NOTHING: ColumnElement[str] = literal_column("''")


def _time_of(which: Filter, of: type[Job] = Job) -> SQLColumnExpression[Any]:
    """The time that ages and the order are based on."""
    return of.finished_at if which.only_dead else of.created_at


def _code(of: type[Job] = Job) -> ColumnElement[str]:
    return func.coalesce(of.error_code, _NOTHING)


def _cause(of: type[Job] = Job) -> ColumnElement[str]:
    return func.coalesce(of.error_cause, _NOTHING)


def group_named(text: str) -> Group | None:
    """Parse a group as it is printed; `None` when the text is not a group."""
    kind, _, rest = text.partition("/")
    code, slash, cause = rest.rpartition("/")
    return Group(kind, code, "" if cause == "-" else cause) if kind and slash else None
