"""Which jobs the relay rings next (puts on their lane's Redis queue): due ones, up to a limit per practice, highest lane and
oldest first.

The limit keeps one practice's batch from delaying other practices, and a restart from ringing everything at once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, exists, false, func, literal, or_, select, tuple_
from sqlalchemy.orm import aliased

from portal_db.database import Tx
from portal_db.dialect import count_rows, update_rows
from portal_db.states import ConnectionState, JobState, Lane
from portal_db.tables import Job, XpmConnection
from portal_db.types import db_now
from portal_db.work.due import is_due, is_out_of_turn, is_paused

#: A rung job that nobody has claimed is rung again after this time: its message was lost or dropped.
RING_AGAIN_SECONDS = 10.0
#: Lanes that share one limit; email has its own, so that a slow mail server does not delay imports.
LANE_GROUPS: tuple[tuple[Lane, ...], ...] = ((Lane.IMPORT, Lane.RESYNC), (Lane.EMAIL,))
#: The most interactive jobs rung at once; they have no limit per practice.
INTERACTIVE_AT_ONCE = 500

#: The error code of jobs that wait for the upstream's quota.
QUOTA_CODE = "xpm_quota"

#: How many permits of a tenant (its id) are free for a lane now.
Permits = Callable[[str, Lane], int]

_IS_NEW = and_(Job.state == JobState.QUEUED, Job.attempts == 0, Job.deferrals == 0, Job.lost_leases == 0)
#: The columns of a `Ring`.
_RING: tuple[Any, ...] = (Job.lane, Job.id, Job.practice_id, Job.kind, _IS_NEW.label("is_new"))
#: The number of a job's lane group; NULL for interactive jobs.
_GROUP: ColumnElement[Any] = case(
    {lane.value: number for number, lanes in enumerate(LANE_GROUPS) for lane in lanes}, value=Job.lane
)
_LANE_RANK = case({lane.value: rank for rank, lane in enumerate(Lane)}, value=Job.lane)
_ORDER: tuple[Any, ...] = (
    _LANE_RANK, Job.asked_at, Job.position, Job.created_at, Job.id
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ring:
    """A job to ring on its lane's queue. `is_new`: it was never tried, so it may run in a set."""

    lane: Lane
    job_id: UUID
    practice_id: UUID
    kind: str
    is_new: bool


def pick(tx: Tx, *, limit: int, full_lanes: Collection[Lane] = (), permits: Permits | None = None) -> list[Ring]:
    """Choose the jobs to ring now and mark them rung, in a fixed number of statements, however many practices have work.

    Args:
        limit: jobs of one practice that may be rung and unfinished at once, per lane group.
        full_lanes: lanes whose queue is long already; nothing is rung there a second time.
        permits: called for tenants whose jobs wait for the quota; without it, those jobs are rung like any other.

    Returns:
        The jobs in the order to ring them; practices take turns.
    """
    ringable = and_(is_due(), _not_rung_lately(full_lanes), ~is_paused(), ~is_out_of_turn())
    quota = _Quota(tx, permits)
    rings = _select(tx, and_(ringable, Job.interactive, ~quota.holds_interactive()), INTERACTIVE_AT_ONCE)
    per_practice = quota.interactive(ringable)
    flights = _in_flight(tx)
    for (practice_id, group), candidates in _candidates(tx, ringable, quota.holds(), limit).items():
        room = limit - flights[practice_id, group]
        if room > 0:
            free = candidates.free[:room]
            held = candidates.held[: room - len(free)]
            per_practice.append(free + quota.release(practice_id, LANE_GROUPS[group][0], held))
    rings += [ring for ring in chain.from_iterable(zip_longest(*per_practice)) if ring is not None]
    _mark_rung(tx, [ring.job_id for ring in rings])
    return rings


@dataclass(slots=True)
class _Candidates:
    """What of one practice and lane group may be rung, first things first: at once, or as permits come free."""

    free: list[Ring] = field(default_factory=list)
    held: list[Ring] = field(default_factory=list)


def _candidates(
    tx: Tx, ringable: ColumnElement[bool], held: ColumnElement[bool], limit: int
) -> dict[tuple[UUID, int], _Candidates]:
    """The first `limit` background jobs of every practice and lane group, of those that are held and of the others."""
    partition = (Job.practice_id, _GROUP, held)
    ranked = (
        select(_GROUP.label("lanes"), held.label("held"), *_RING)
        .add_columns(func.row_number().over(partition_by=partition, order_by=_ORDER).label("place"))
        .where(ringable, ~Job.interactive, _GROUP.is_not(None))
        .subquery()
    )
    statement = (
        select(ranked).where(ranked.c.place <= limit).order_by(ranked.c.practice_id, ranked.c.lanes, ranked.c.place)
    )
    found: dict[tuple[UUID, int], _Candidates] = defaultdict(_Candidates)
    for group, is_held, *columns, _ in tx.session.execute(statement):
        ring = Ring(*columns)
        of_group = found[ring.practice_id, group]
        (of_group.held if is_held else of_group.free).append(ring)
    return found


class _Quota:
    """Holds back the jobs that wait for the upstream's quota, and releases as many of them as permits are free.

    In background lanes, jobs of the same practice, lane and kind that were never tried are held back with them: they
    would only be deferred in turn, and must not overtake.
    """

    def __init__(self, tx: Tx, permits: Permits | None) -> None:
        self._tx = tx
        self._permits = permits
        self._left: dict[tuple[str, Lane], int] = {}
        self._interactive: set[UUID] = set()
        self._kinds: set[tuple[UUID, Lane, str]] = set()
        if permits is not None:
            columns = (Job.practice_id, Job.interactive, Job.lane, Job.kind)
            for practice_id, interactive, lane, kind in tx.session.execute(
                select(*columns).where(waits_for_quota()).distinct()
            ):
                if interactive:
                    self._interactive.add(practice_id)
                else:
                    self._kinds.add((practice_id, lane, kind))
        practices = self._interactive | {practice_id for practice_id, _, _ in self._kinds}
        self._tenants = _tenants_of(tx, practices) if practices else {}
        self._on_their_way = _on_their_way(tx, self.holds()) if practices else Counter()

    def holds_interactive(self) -> ColumnElement[bool]:
        return waits_for_quota() if self._permits is not None else false()

    def holds(self) -> ColumnElement[bool]:
        """The background jobs that are held: of a practice, lane and kind that waits for the quota."""
        if not self._kinds:
            return false()
        like = aliased(Job, name="put_off")
        return exists().where(
            like.practice_id == Job.practice_id,
            like.lane == Job.lane,
            like.kind == Job.kind,
            ~like.interactive,
            like.state == JobState.WAITING,
            like.error_code == QUOTA_CODE,
        )

    def interactive(self, ringable: ColumnElement[bool]) -> list[list[Ring]]:
        """What may be rung of the interactive jobs that are held, by practice."""
        if not self._interactive:
            return []
        place = func.row_number().over(partition_by=Job.practice_id, order_by=_ORDER).label("place")
        ranked = select(*_RING, place)
        ranked_held = ranked.where(ringable, Job.interactive, waits_for_quota()).subquery()
        first = select(ranked_held).where(ranked_held.c.place <= INTERACTIVE_AT_ONCE)
        held: dict[UUID, list[Ring]] = defaultdict(list)
        for *columns, _ in self._tx.session.execute(first.order_by(ranked_held.c.practice_id, ranked_held.c.place)):
            ring = Ring(*columns)
            held[ring.practice_id].append(ring)
        return [self.release(practice_id, Lane.INTERACTIVE, rings) for practice_id, rings in held.items()]

    def release(self, practice_id: UUID, lane: Lane, held: list[Ring]) -> list[Ring]:
        """The oldest of these jobs: as many as permits are free, minus jobs that were rung and have not taken one yet."""
        if not held:
            return []
        on_their_way = self._on_their_way[practice_id, lane]
        return held[: max(0, self._take(practice_id, lane, on_their_way + len(held)) - on_their_way)]

    def _take(self, practice_id: UUID, lane: Lane, wanted: int) -> int:
        """Take up to `wanted` permits of the practice's tenants. Without a tenant all are granted: the jobs run, and fail
        because the connection is gone."""
        assert self._permits is not None  # noqa: S101 -- nothing is held back without it
        tenants = self._tenants.get(practice_id, [])
        if not tenants:
            return wanted
        taken = 0
        for tenant_id in tenants:
            if (tenant_id, lane) not in self._left:
                self._left[tenant_id, lane] = self._permits(tenant_id, lane)
            of_tenant = min(self._left[tenant_id, lane], wanted - taken)
            self._left[tenant_id, lane] -= of_tenant
            taken += of_tenant
        return taken


def _on_their_way(tx: Tx, held: ColumnElement[bool]) -> Counter[tuple[UUID, Lane]]:
    """How many held jobs were rung and have not taken a permit yet, by practice and the first lane of their group."""
    rung = and_(is_due(), Job.rung_at.between(db_now(-RING_AGAIN_SECONDS), db_now()))
    mine = or_(and_(Job.interactive, waits_for_quota()), and_(~Job.interactive, held))
    statement = select(Job.practice_id, Job.interactive, _GROUP, func.count()).where(rung, mine)
    found: Counter[tuple[UUID, Lane]] = Counter()
    for practice_id, interactive, group, count in tx.session.execute(
        statement.group_by(Job.practice_id, Job.interactive, _GROUP)
    ):
        if interactive or group is not None:
            found[practice_id, Lane.INTERACTIVE if interactive else LANE_GROUPS[group][0]] += count
    return found


def waits_for_quota() -> ColumnElement[bool]:
    """Whether a job waits for the upstream's quota, due or not."""
    return and_(Job.state == JobState.WAITING, func.coalesce(Job.error_code, "") == QUOTA_CODE)


def _tenants_of(tx: Tx, practice_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    statement = (
        select(XpmConnection.practice_id, XpmConnection.tenant_id)
        .where(XpmConnection.practice_id.in_(practice_ids), XpmConnection.state != ConnectionState.DISCONNECTED)
        .distinct()
        .order_by(XpmConnection.practice_id, XpmConnection.tenant_id)
    )
    found: dict[UUID, list[str]] = defaultdict(list)
    for practice_id, tenant_id in tx.session.execute(statement):
        found[practice_id].append(tenant_id)
    return found


def forget_rings(tx: Tx) -> None:
    """Make every job that was rung but not claimed be rung again now, because Redis lost its data (P17)."""
    update_rows(tx, Job, Job.state.in_((JobState.QUEUED, JobState.WAITING)), Job.rung_at.is_not(None), rung_at=None)


def _not_rung_lately(full_lanes: Collection[Lane]) -> ColumnElement[bool]:
    again = and_(Job.rung_at < db_now(-RING_AGAIN_SECONDS), Job.lane.not_in(tuple(full_lanes)))
    is_from_the_future = Job.rung_at > db_now()  # rung before the clock went back: nobody knows when
    return or_(Job.rung_at.is_(None), again, is_from_the_future)


def in_flight(tx: Tx, practice_id: UUID, lanes: Collection[Lane]) -> int:
    """How many background jobs of a practice are running, or were rung and may still be claimed."""
    return count_rows(tx, Job.practice_id == practice_id, Job.lane.in_(lanes), _is_in_flight())


def _in_flight(tx: Tx) -> Counter[tuple[UUID, int]]:
    """`in_flight` of every practice and lane group."""
    statement = select(Job.practice_id, _GROUP, func.count()).where(_is_in_flight(), _GROUP.is_not(None))
    rows = tx.session.execute(statement.group_by(Job.practice_id, _GROUP))
    return Counter({(practice_id, group): count for practice_id, group, count in rows})


def _is_in_flight() -> ColumnElement[bool]:
    rung = and_(is_due(), Job.rung_at.between(db_now(-RING_AGAIN_SECONDS), db_now()))
    return and_(~Job.interactive, or_(Job.state == JobState.RUNNING, rung))


def _select(tx: Tx, condition: ColumnElement[bool], limit: int) -> list[Ring]:
    statement = select(*_RING).where(condition).order_by(*_ORDER).limit(limit)
    return [Ring(*columns) for columns in tx.session.execute(statement)]


def before(job: Job) -> ColumnElement[bool]:
    """Whether a job is rung before this one when both may be."""
    mine = (list(Lane).index(job.lane), job.asked_at, job.position, job.created_at, job.id)
    values = (literal(value, column.type) for value, column in zip(mine, _ORDER, strict=True))
    return tuple_(*_ORDER) < tuple_(*values)


def _mark_rung(tx: Tx, job_ids: Sequence[UUID]) -> None:
    if job_ids:
        update_rows(tx, Job, Job.id.in_(job_ids), rung_at=db_now())
