"""Which jobs the relay rings next (puts on their lane's Redis queue): due ones, up to a limit per practice, highest lane and
oldest first.

The limit keeps one practice's batch from delaying other practices, and a restart from ringing everything at once: of one
practice and lane group, no look leaves more background jobs rung and unfinished than the limit, however long ago they were
rung. On top come only those that a worker claims without such a ring: follow-ups that run on at once, what `reconcile` rings
while no relay runs, and what is still queued when a pause ends.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import chain, zip_longest
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, literal, select, tuple_

from portal_db.database import Tx
from portal_db.dialect import among, update_rows
from portal_db.states import JobState, Lane
from portal_db.tables import Job, XpmConnection, is_live_connection
from portal_db.types import db_now
from portal_db.work import candidates
from portal_db.work.candidates import GROUP_OF, LANE_GROUPS, ORDER, Candidate, Series
from portal_db.work.due import is_in

#: The most interactive jobs rung at once; they have no limit per practice.
INTERACTIVE_AT_ONCE = 500

#: How many permits of a tenant (its id) are free for a lane now.
Permits = Callable[[str, Lane], int]


def pick(tx: Tx, *, limit: int, full_lanes: Collection[Lane] = (), permits: Permits | None = None) -> list[Candidate]:
    """Choose the jobs to ring now and mark them rung, in a fixed number of statements, however many practices have work.

    Args:
        limit: jobs of one practice that may be rung and unfinished at once, per lane group.
        full_lanes: lanes whose queue is long already; nothing is rung there a second time, since its message still waits.
        permits: called for tenants whose jobs wait for the quota; without it, those jobs are rung like any other.

    Returns:
        The jobs in the order to ring them; practices take turns.
    """
    again, idle = candidates.rung_in_vain(tx, full_lanes)
    # Workers drop the messages of these: they leave their places, and are rung anew once they can be claimed.
    _set_rung(tx, idle, None)
    quota = _Quota(tx, permits, full_lanes)
    rings, held = _interactive(tx, quota, [each for each in again if each.interactive])
    per_practice = [quota.release(of[0].practice_id, Lane.INTERACTIVE, of) for of in held]
    for group, due in _background(tx, limit, quota, [each for each in again if not each.interactive]):
        free = [each for each in due if not quota.holds(each)]
        waiting = [each for each in due if quota.holds(each)]
        per_practice.append(free + quota.release(due[0].practice_id, LANE_GROUPS[group][0], waiting))
    rings += [ring for ring in chain.from_iterable(zip_longest(*per_practice)) if ring is not None]
    chosen = {ring.job_id for ring in rings}
    # What the quota holds back now has no message any more either: it leaves its place to work that needs no quota.
    _set_rung(tx, [each.job_id for each in again if each.job_id not in chosen], None)
    _set_rung(tx, [ring.job_id for ring in rings], db_now())
    return rings


def _interactive(tx: Tx, quota: _Quota, again: list[Candidate]) -> tuple[list[Candidate], list[list[Candidate]]]:
    """The first interactive jobs, and for each practice the first that wait for the quota."""
    free = candidates.interactive(tx, INTERACTIVE_AT_ONCE, waiting_for_quota=False if quota.applies else None)
    waiting = candidates.interactive(tx, INTERACTIVE_AT_ONCE, waiting_for_quota=True) if quota.interactive else []
    by_practice: dict[UUID, list[Candidate]] = defaultdict(list)
    for each in waiting + [each for each in again if quota.holds(each)]:
        by_practice[each.practice_id].append(each)
    free += [each for each in again if not quota.holds(each)]
    return _in_order(free)[:INTERACTIVE_AT_ONCE], [
        _in_order(of)[:INTERACTIVE_AT_ONCE] for _, of in sorted(by_practice.items())
    ]


def _background(tx: Tx, limit: int, quota: _Quota, again: list[Candidate]) -> list[tuple[int, list[Candidate]]]:
    """The lane groups of practices with background jobs that may be rung, and which: those that were rung before, since they
    have their places, and the first others for which there is room. Those that the quota holds back go last."""
    rooms: dict[tuple[UUID, int], int] = {}
    unrung: dict[tuple[UUID, int], list[Candidate]] = defaultdict(list)
    due: dict[tuple[UUID, int], list[Candidate]] = defaultdict(list)
    for room, each in candidates.background(tx, limit):
        key = (each.practice_id, GROUP_OF[each.lane])
        rooms[key] = room
        unrung[key].append(each)
    for key, of in unrung.items():
        due[key] += sorted(of, key=lambda each: (quota.holds(each), each.order))[: rooms[key]]
    for each in again:
        due[each.practice_id, GROUP_OF[each.lane]].append(each)
    return [(key[1], _in_order(of)) for key, of in sorted(due.items())]


def _in_order(jobs: Iterable[Candidate]) -> list[Candidate]:
    return sorted(jobs, key=lambda each: each.order)


class _Quota:
    """Holds back the jobs that wait for the upstream's quota, and releases as many of them as permits are free.

    In background lanes, jobs of the same practice, lane and kind that were never tried are held back with them: they
    would only be deferred in turn, and must not overtake.
    """

    def __init__(self, tx: Tx, permits: Permits | None, full_lanes: Collection[Lane]) -> None:
        self._permits = permits
        self._left: dict[tuple[str, Lane], int] = {}
        #: The practices whose interactive jobs wait, and the series of background jobs that do.
        self.interactive: set[UUID] = set()
        self._series: set[Series] = set()
        if permits is not None:
            self.interactive, self._series = candidates.waiting_series(tx)
        practices = self.interactive | {practice_id for practice_id, _, _ in self._series}
        self._tenants = _tenants_of(tx, practices) if practices else {}
        self._on_their_way: Counter[tuple[UUID, Lane]] = Counter()
        if practices:
            self._on_their_way = candidates.on_their_way(tx, practices, self._series, full_lanes)

    @property
    def applies(self) -> bool:
        return self._permits is not None

    def holds(self, job: Candidate) -> bool:
        """Whether a job is held back."""
        return self.applies and (job.waits_for_quota if job.interactive else job.series in self._series)

    def release(self, practice_id: UUID, lane: Lane, held: list[Candidate]) -> list[Candidate]:
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


def _tenants_of(tx: Tx, practice_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    statement = (
        select(XpmConnection.practice_id, XpmConnection.tenant_id)
        .where(XpmConnection.practice_id.in_(practice_ids), is_live_connection)
        .distinct()
        .order_by(XpmConnection.practice_id, XpmConnection.tenant_id)
    )
    found: dict[UUID, list[str]] = defaultdict(list)
    for practice_id, tenant_id in tx.session.execute(statement):
        found[practice_id].append(tenant_id)
    return found


_IS_RUNG = (is_in(JobState.QUEUED, JobState.WAITING), Job.rung_at.is_not(None))


def forget_rings(tx: Tx) -> None:
    """Make every job that was rung but not claimed be rung again now, because Redis lost its data (P17)."""
    update_rows(tx, Job, *_IS_RUNG, rung_at=None)


def ring_elsewhere(tx: Tx, job_ids: Sequence[UUID]) -> None:
    """Make these be rung again now, for another worker: this one stops, or does not know their kind."""
    update_rows(tx, Job, Job.id.in_(job_ids), *_IS_RUNG, rung_at=None)


def before(job: Job) -> ColumnElement[bool]:
    """Whether a job is rung before this one when both may be."""
    mine = (list(Lane).index(job.lane), job.asked_at, job.position, job.created_at, job.id)
    values = (literal(value, column.type) for value, column in zip(mine, ORDER, strict=True))
    return tuple_(*ORDER) < tuple_(*values)


def _set_rung(tx: Tx, job_ids: Sequence[UUID], rung_at: Any) -> None:
    if job_ids:
        update_rows(tx, Job, among(tx, Job.id, job_ids), rung_at=rung_at)
