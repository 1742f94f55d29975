"""What the relay reads at a look: the jobs that may be rung, what is in flight, and what waits for the upstream's quota.

Every statement reads a partial index of open jobs, and of each practice, lane and kind no more than may be rung: a look
costs the same with a deep backlog and with a million finished jobs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)

from portal_db.aliases import alias_of
from portal_db.database import Tx
from portal_db.states import JobState, Lane
from portal_db.tables import Job
from portal_db.types import db_time
from portal_db.work.due import is_due, is_free, is_in, is_out_of_turn, is_paused
from portal_db.work.workers import is_known

# The statements of a look are built once: building one takes as long as running it.

#: A rung job that nobody has claimed is rung again after this time, unless its queue is long: its message was lost or
#: dropped.
RING_AGAIN_SECONDS = 10.0
#: Lanes that share one limit. Email and webhooks have their own, so that a slow server of somebody else delays nothing but
#: what is sent to it. The interactive lane is one for work that no import does, as emails with a link for a password.
LANE_GROUPS: tuple[tuple[Lane, ...], ...] = (
    (Lane.IMPORT, Lane.RESYNC),
    (Lane.EMAIL,),
    (Lane.WEBHOOKS,),
    (Lane.INTERACTIVE,),
)
#: The number of each lane's group.
GROUP_OF: dict[Lane, int] = {lane: number for number, lanes in enumerate(LANE_GROUPS) for lane in lanes}
#: The most background jobs that a look reads: more would take longer than an idle transaction may, and no look would ever
#: end. The next one, a tenth of a second later, reads on.
AT_ONCE = 750
#: The error code of jobs that wait for the upstream's quota.
QUOTA_CODE = "xpm_quota"

#: The jobs that a pause or the quota stops together: a practice's of one lane and kind.
Series = tuple[UUID, Lane, str]

_RANK_OF = {lane: rank for rank, lane in enumerate(Lane)}
#: Jobs are rung in this order.
ORDER: tuple[Any, ...] = (
    case({lane.value: rank for lane, rank in _RANK_OF.items()}, value=Job.lane),
    Job.asked_at, Job.position, Job.created_at, Job.id,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that may be rung. `is_new`: it was never tried, so it may run in a set. `age`: its place within its lane."""

    lane: Lane
    job_id: UUID
    practice_id: UUID
    kind: str
    is_new: bool
    interactive: bool
    waits_for_quota: bool
    age: tuple[Any, ...]

    @property
    def series(self) -> Series:
        return self.practice_id, self.lane, self.kind

    @property
    def order(self) -> tuple[Any, ...]:
        """The same as `ORDER`."""
        return _RANK_OF.get(self.lane, len(_RANK_OF)), *self.age


def waits_for_quota(of: Any = Job) -> ColumnElement[bool]:
    """Whether a job waits for the upstream's quota, due or not."""
    code = func.coalesce(of.error_code, literal_column("''"))
    return and_(is_in(JobState.WAITING, of=of), code == literal_column(f"'{QUOTA_CODE}'"))


def _columns(of: Any) -> tuple[Any, ...]:
    """The columns of a `Candidate`."""
    is_new = and_(of.state == JobState.QUEUED, of.attempts == 0, of.deferrals == 0, of.lost_leases == 0)
    return (
        of.lane, of.id, of.practice_id, of.kind, is_new.label("is_new"), of.interactive,
        waits_for_quota(of).label("waits_for_quota"), of.asked_at, of.position, of.created_at,
    )  # fmt: skip


def _candidate(row: Any) -> Candidate:
    lane, job_id, practice_id, kind, is_new, interactive, waits, *age = row
    return Candidate(lane, job_id, practice_id, kind, is_new, interactive, waits, (*age, job_id))


def is_unrung(of: Any = Job) -> ColumnElement[bool]:
    """Whether an open job was not rung, as in the partial index of these."""
    return and_(is_in(JobState.QUEUED, JobState.WAITING, of=of), of.rung_at.is_(None))


def was_rung() -> ColumnElement[bool]:
    """Whether a job was rung and not claimed, as in the partial indexes of these."""
    return and_(is_in(JobState.QUEUED, JobState.WAITING), Job.rung_at.is_not(None))


def rung_in_vain(tx: Tx, full_lanes: Collection[Lane]) -> tuple[list[Candidate], list[UUID]]:
    """Jobs that were rung long ago and not claimed.

    Returns:
        Those whose messages were lost, of all lanes except full ones, and the ids of those that cannot be claimed any more.
    """
    lanes = tuple(lane for lane in Lane if lane not in full_lanes)
    found = [row for each in _in_vain(lanes) for row in tx.connection.execute(each)][:AT_ONCE]
    again = [_candidate(job) for may_be, *job in found if may_be]
    return again, [row.id for row in found if not row.may_be_claimed]


@cache
def _in_vain(lanes: tuple[Lane, ...]) -> tuple[Select[Any], Select[Any]]:
    may_be_claimed = and_(is_due(), is_free())
    columns = (may_be_claimed.label("may_be_claimed"), *_columns(Job))
    of_lanes = select(*columns).where(was_rung(), Job.lane.in_(list(Lane))).limit(AT_ONCE)
    long_ago = of_lanes.where(or_(Job.lane.in_(lanes), ~may_be_claimed), Job.rung_at < db_time(-RING_AGAIN_SECONDS))
    # The clock went back since then.
    return long_ago, of_lanes.where(Job.rung_at > db_time())


def interactive(tx: Tx, limit: int, *, waiting_for_quota: bool | None) -> list[Candidate]:
    """The first `limit` unrung interactive jobs: of all practices, or of each for those that wait for the quota.

    Args:
        waiting_for_quota: whether to read only those that wait for the quota, or only the others; `None`: all.
    """
    return [_candidate(row) for row in tx.connection.execute(_first_interactive(limit, waiting_for_quota))]


@cache
def _first_interactive(limit: int, waiting_for_quota: bool | None) -> Select[Any]:
    statement = select(*_columns(Job)).where(is_unrung(), Job.interactive, is_due(), is_free())
    if waiting_for_quota is None:
        return statement.order_by(*ORDER).limit(limit)
    if not waiting_for_quota:
        return statement.where(~waits_for_quota()).order_by(*ORDER).limit(limit)
    place = func.row_number().over(partition_by=Job.practice_id, order_by=ORDER).label("place")
    ranked = statement.where(waits_for_quota()).add_columns(place).subquery()
    return select(*(column for column in ranked.c if column.name != "place")).where(ranked.c.place <= limit)


def background(tx: Tx, limit: int) -> list[tuple[int, Candidate]]:
    """The first unrung background jobs of each practice, lane and kind: as many as its practice has room for in the lane's
    group, with that room. Practices without room are left out; of too many, those with most room come first."""
    statement = _first_of_each(limit, tx.dialect)
    return [(room, _candidate(row)) for room, *row in tx.connection.execute(statement, {"at_once": AT_ONCE})]


@cache
def _first_of_each(limit: int, dialect: str) -> Select[Any]:
    with_room = _with_room(limit, dialect)
    if dialect == "postgresql":
        first = _first_of(with_room, _columns(Job)).limit(with_room.c.room).lateral()
        statement = select(with_room.c.room, first).select_from(
            with_room.join(first, true())
        )  # read in order, up to LIMIT
    else:  # SQLite has no LATERAL
        job = alias_of(Job, name="job")
        first_ids = _first_of(with_room, (Job.id,)).limit(limit)
        statement = select(with_room.c.room, *_columns(job)).select_from(with_room.join(job, job.id.in_(first_ids)))
        statement = statement.order_by(with_room.c.room.desc(), job.practice_id, job.asked_at, job.position, job.id)
    return statement.limit(bindparam("at_once"))


def _first_of(series: CTE, columns: tuple[Any, ...]) -> Select[Any]:
    """The unrung jobs of one of the series, in order: read from the index, so that a LIMIT ends the reading."""
    statement = select(*columns).where(is_of(series), is_unrung(), ~Job.interactive, is_due(), ~is_out_of_turn())
    return statement.order_by(Job.asked_at, Job.position, Job.created_at, Job.id).correlate(series)


def _with_room(limit: int, dialect: str) -> CTE:
    """The series with unrung jobs that are not paused, each with how many more jobs its practice and group have room for.

    The room is counted for each series anew: joining the series with counts of their groups takes the square of them, since
    no statistics tell how many there are.
    """
    series, running = unrung_series(dialect), _running().cte("running")
    group = _group(series.c.lane)
    rung = select(func.count()).where(
        was_rung(), ~Job.interactive, Job.practice_id == series.c.practice_id, _group(Job.lane) == group
    )
    flying = func.coalesce(running.c.jobs, 0) + rung.correlate(series).scalar_subquery()
    running_there = and_(running.c.practice_id == series.c.practice_id, running.c.lane_group == group)
    statement = select(series, (limit - flying).label("room")).select_from(series.outerjoin(running, running_there))
    statement = statement.where(group.is_not(None), is_known(series.c), ~is_paused(series.c))
    rooms = statement.cte("rooms")
    return select(rooms).where(rooms.c.room > 0).order_by(rooms.c.room.desc(), rooms.c.practice_id).cte("with_room")


def unrung_series(dialect: str) -> CTE:
    """Every practice, lane and kind with unrung background jobs."""
    return _distinct(
        "series", ("practice_id", "lane", "kind"), lambda job: and_(is_unrung(job), ~job.interactive), dialect
    )


def is_of(series: FromClause, job: Any = Job) -> ColumnElement[bool]:
    """Whether a job belongs to one of the series."""
    return and_(job.practice_id == series.c.practice_id, job.lane == series.c.lane, job.kind == series.c.kind)


def _distinct(
    name: str, columns: Collection[str], condition: Callable[[Any], ColumnElement[bool]], dialect: str
) -> CTE:
    """The distinct values of the first columns of an index, each found by one step in it from the one before."""
    job = alias_of(Job, name="job")
    key = [getattr(job, column) for column in columns]
    if dialect == "postgresql":
        # Values straight from the index: a join with the jobs would be planned as reading all of them while they are few,
        # and such a plan is kept by the connection when they are many.
        first = select(*key).where(condition(job)).order_by(*key).limit(1)
        steps = select(first.subquery("first_one")).cte(name, recursive=True)
        following = first.where(tuple_(*key) > tuple_(*steps.c)).correlate(steps).lateral("following")
        return steps.union_all(select(following).select_from(steps.join(following, true())))
    found = alias_of(Job, name="found")  # SQLite has no LATERAL
    first_id = select(job.id).where(condition(job)).order_by(*key).limit(1)
    values = select(*(getattr(found, column) for column in columns))
    steps = values.where(found.id == first_id.scalar_subquery()).cte(name, recursive=True)
    beyond = first_id.where(tuple_(*key) > tuple_(*steps.c)).correlate(steps).scalar_subquery()
    return steps.union_all(values.select_from(steps.join(found, found.id == beyond)))


def _group(lane: Any) -> ColumnElement[Any]:
    """The number of a lane's group; NULL for a lane that this version does not know."""
    return case({each.value: literal_column(str(number)) for each, number in GROUP_OF.items()}, value=lane)


def _running() -> Select[Any]:
    """How many background jobs of each practice and lane group are running."""
    columns = (Job.practice_id, _group(Job.lane).label("lane_group"))
    statement = select(*columns, func.count().label("jobs")).where(is_in(JobState.RUNNING), ~Job.interactive)
    return statement.group_by(*columns)


def in_flight(tx: Tx, practice_ids: Collection[UUID]) -> Counter[tuple[UUID, int]]:
    """How many background jobs of each of these practices and lane group are running, or were rung and not claimed yet."""
    columns = (Job.practice_id, _group(Job.lane).label("lane_group"))
    rung = select(*columns, func.count()).where(was_rung(), ~Job.interactive).group_by(*columns)
    found: Counter[tuple[UUID, int]] = Counter()
    for statement in (_running(), rung):
        for practice_id, group, count in tx.session.execute(statement.where(Job.practice_id.in_(practice_ids))):
            found[practice_id, group] += count
    return found


def waiting_series(tx: Tx) -> tuple[set[UUID], set[Series]]:
    """The practices whose interactive jobs wait for the quota, and the series whose background jobs do."""
    practices: set[UUID] = set()
    series: set[Series] = set()
    for is_interactive, practice_id, lane, kind in tx.session.execute(_waiting_series(tx.dialect)):
        if is_interactive:
            practices.add(practice_id)
        else:
            series.add((practice_id, lane, kind))
    return practices, series


@cache
def _waiting_series(dialect: str) -> Select[Any]:
    return select(_distinct("waiting", ("interactive", "practice_id", "lane", "kind"), is_put_off_by_quota, dialect))


def is_put_off_by_quota(of: Any = Job) -> ColumnElement[bool]:
    """`waits_for_quota`, written as in the partial index of these jobs."""
    return and_(is_in(JobState.WAITING, of=of), of.error_code == literal_column(f"'{QUOTA_CODE}'"))


def on_their_way(
    tx: Tx, practice_ids: Collection[UUID], series: Collection[Series], full_lanes: Collection[Lane]
) -> Counter[tuple[UUID, Lane]]:
    """How many jobs of these practices that the quota holds back were rung and have not taken a permit yet, by practice and
    the first lane of their group.

    Args:
        series: those whose background jobs are held back.
        full_lanes: lanes whose queue is long, where a ring may be old.
    """
    columns = (Job.interactive, Job.practice_id, Job.lane, Job.kind)
    held_back = or_(~Job.interactive, waits_for_quota())
    may_be_queued = or_(Job.rung_at >= db_time(-RING_AGAIN_SECONDS), Job.lane.in_(full_lanes))
    statement = select(*columns, func.count()).where(was_rung(), Job.rung_at <= db_time(), may_be_queued)
    statement = statement.where(Job.practice_id.in_(practice_ids), held_back)
    found: Counter[tuple[UUID, Lane]] = Counter()
    for is_interactive, practice_id, lane, kind, count in tx.session.execute(statement.group_by(*columns)):
        if is_interactive:
            found[practice_id, Lane.INTERACTIVE] += count
        elif (practice_id, lane, kind) in series and lane in GROUP_OF:
            found[practice_id, LANE_GROUPS[GROUP_OF[lane]][0]] += count
    return found
