"""Which jobs the relay rings next (puts on their lane's Redis queue): due ones, up to a limit per practice, highest lane and
oldest first.

The limit keeps one practice's batch from delaying other practices, and a restart from ringing everything at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, false, func, literal, or_, select, tuple_

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

_LANE_RANK = case({lane.value: rank for rank, lane in enumerate(Lane)}, value=Job.lane)
_ORDER: tuple[Any, ...] = (
    _LANE_RANK, Job.asked_at, Job.position, Job.created_at, Job.id
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ring:
    """A job to ring on its lane's queue."""

    lane: Lane
    job_id: UUID


def pick(tx: Tx, *, limit: int, full_lanes: Collection[Lane] = (), permits: Permits | None = None) -> list[Ring]:
    """Choose the jobs to ring now and mark them rung.

    Args:
        limit: jobs of one practice that may be rung and unfinished at once, per lane group.
        full_lanes: lanes whose queue is long already; nothing is rung there a second time.
        permits: called for tenants whose jobs wait for the quota; without it, those jobs are rung like any other.

    Returns:
        The jobs in the order to ring them; practices take turns.
    """
    ringable = and_(is_due(), _not_rung_lately(full_lanes), ~is_paused(), ~is_out_of_turn())
    quota = _Quota(tx, ringable, permits)
    rings = _select(tx, and_(ringable, Job.interactive, ~quota.holds_interactive()), INTERACTIVE_AT_ONCE)
    per_practice = [quota.interactive_of(practice_id) for practice_id in quota.interactive_practices()]
    for practice_id in _practices_with(tx, _not_rung_lately(full_lanes)):
        for lanes in LANE_GROUPS:
            room = limit - in_flight(tx, practice_id, lanes)
            if room > 0:
                mine = and_(~Job.interactive, Job.practice_id == practice_id, Job.lane.in_(lanes))
                held = quota.holds_of(practice_id)
                free = _select(tx, and_(ringable, mine, ~held), room)
                per_practice.append(free + quota.release(practice_id, lanes[0], and_(mine, held), room - len(free)))
    rings += [ring for ring in chain.from_iterable(zip_longest(*per_practice)) if ring is not None]
    _mark_rung(tx, [ring.job_id for ring in rings])
    return rings


class _Quota:
    """Holds back the jobs that wait for the upstream's quota, and releases as many of them as permits are free.

    In background lanes, jobs of the same practice, lane and kind that were never tried are held back with them: they
    would only be deferred in turn, and must not overtake.
    """

    def __init__(self, tx: Tx, ringable: ColumnElement[bool], permits: Permits | None) -> None:
        self._tx = tx
        self._ringable = ringable
        self._permits = permits
        self._left: dict[tuple[str, Lane], int] = {}
        self._kinds: dict[tuple[UUID, bool], set[tuple[Lane, str]]] = defaultdict(set)
        if permits is not None:
            columns = (Job.practice_id, Job.interactive, Job.lane, Job.kind)
            for practice_id, interactive, lane, kind in tx.session.execute(
                select(*columns).where(waits_for_quota()).distinct()
            ):
                self._kinds[practice_id, interactive].add((lane, kind))

    def interactive_practices(self) -> list[UUID]:
        return sorted(practice_id for practice_id, interactive in self._kinds if interactive)

    def holds_interactive(self) -> ColumnElement[bool]:
        return waits_for_quota() if self._permits is not None else false()

    def interactive_of(self, practice_id: UUID) -> list[Ring]:
        mine = and_(Job.interactive, Job.practice_id == practice_id, waits_for_quota())
        return self.release(practice_id, Lane.INTERACTIVE, mine, INTERACTIVE_AT_ONCE)

    def holds_of(self, practice_id: UUID) -> ColumnElement[bool]:
        kinds = self._kinds.get((practice_id, False), set())
        return or_(false(), *(and_(Job.lane == lane, Job.kind == kind) for lane, kind in sorted(kinds)))

    def release(self, practice_id: UUID, lane: Lane, mine: ColumnElement[bool], room: int) -> list[Ring]:
        """The oldest of these jobs: as many as permits are free, minus jobs that were rung and have not taken one yet."""
        rings = _select(self._tx, and_(self._ringable, mine), room) if self._kinds and room > 0 else []
        if not rings:
            return []
        on_their_way = count_rows(self._tx, mine, is_due(), Job.rung_at >= db_now(-RING_AGAIN_SECONDS))
        return rings[: max(0, self._take(practice_id, lane, on_their_way + len(rings)) - on_their_way)]

    def _take(self, practice_id: UUID, lane: Lane, wanted: int) -> int:
        """Take up to `wanted` permits of the practice's tenants. Without a tenant all are granted: the jobs run, and fail
        because the connection is gone."""
        assert self._permits is not None  # noqa: S101 -- nothing is held back without it
        tenants = _tenants_of(self._tx, practice_id)
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


def waits_for_quota() -> ColumnElement[bool]:
    """Whether a job waits for the upstream's quota, due or not."""
    return and_(Job.state == JobState.WAITING, func.coalesce(Job.error_code, "") == QUOTA_CODE)


def _tenants_of(tx: Tx, practice_id: UUID) -> Sequence[str]:
    statement = (
        select(XpmConnection.tenant_id)
        .where(XpmConnection.practice_id == practice_id, XpmConnection.state != ConnectionState.DISCONNECTED)
        .distinct()
        .order_by(XpmConnection.tenant_id)
    )
    return tx.session.scalars(statement).all()


def forget_rings(tx: Tx) -> None:
    """Make every job that was rung but not claimed be rung again now, because Redis lost its data (P17)."""
    update_rows(tx, Job, Job.state.in_((JobState.QUEUED, JobState.WAITING)), Job.rung_at.is_not(None), rung_at=None)


def _not_rung_lately(full_lanes: Collection[Lane]) -> ColumnElement[bool]:
    again = and_(Job.rung_at < db_now(-RING_AGAIN_SECONDS), Job.lane.not_in(tuple(full_lanes)))
    return or_(Job.rung_at.is_(None), again)


def _practices_with(tx: Tx, condition: ColumnElement[bool]) -> Sequence[UUID]:
    statement = select(Job.practice_id).where(is_due(), ~Job.interactive, condition).distinct()
    return tx.session.scalars(statement.order_by(Job.practice_id)).all()


def in_flight(tx: Tx, practice_id: UUID, lanes: Collection[Lane]) -> int:
    """How many jobs are running, or were rung and may still be claimed."""
    rung = and_(is_due(), Job.rung_at >= db_now(-RING_AGAIN_SECONDS))
    is_in_flight = or_(Job.state == JobState.RUNNING, rung)
    return count_rows(tx, Job.practice_id == practice_id, Job.lane.in_(lanes), ~Job.interactive, is_in_flight)


def _select(tx: Tx, condition: ColumnElement[bool], limit: int) -> list[Ring]:
    statement = select(Job.lane, Job.id).where(condition).order_by(*_ORDER).limit(limit)
    return [Ring(lane, job_id) for lane, job_id in tx.session.execute(statement)]


def before(job: Job) -> ColumnElement[bool]:
    """Whether a job is rung before this one when both may be."""
    mine = (list(Lane).index(job.lane), job.asked_at, job.position, job.created_at, job.id)
    values = (literal(value, column.type) for value, column in zip(mine, _ORDER, strict=True))
    return tuple_(*_ORDER) < tuple_(*values)


def _mark_rung(tx: Tx, job_ids: Sequence[UUID]) -> None:
    if job_ids:
        update_rows(tx, Job, Job.id.in_(job_ids), rung_at=db_now())
