"""Jobs that wait aside: no running worker knows their kind and consumes their lane, as during a deploy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import func, select

from portal_db.database import Tx
from portal_db.states import Lane
from portal_db.tables import Job
from portal_db.work.candidates import is_of, is_unrung, unrung_series, was_rung
from portal_db.work.workers import is_known


@dataclass(frozen=True, slots=True)
class Aside:
    """So many jobs of a lane and kind wait aside."""

    lane: Lane
    kind: str
    jobs: int


def waiting_aside(tx: Tx) -> list[Aside]:
    """The jobs that wait aside, by lane and kind. Nearly always there are none, and then none are counted."""
    series = unrung_series(tx.dialect)
    jobs = select(func.count()).where(is_of(series), is_unrung(), ~Job.interactive).correlate(series).scalar_subquery()
    of_lane = select(Job.lane, Job.kind, func.count()).group_by(Job.lane, Job.kind)
    found: Counter[tuple[Lane, str]] = Counter()
    # Together, they would be looked for in all jobs.
    for statement in (
        select(series.c.lane, series.c.kind, jobs).where(~is_known(series.c)),
        of_lane.where(is_unrung(), Job.interactive, ~is_known()),
        of_lane.where(was_rung(), ~is_known()),
    ):
        for lane, kind, count in tx.session.execute(statement):
            found[lane, kind] += count
    return [Aside(lane, kind, count) for (lane, kind), count in sorted(found.items())]
