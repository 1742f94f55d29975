"""Since when work that could run has not: what counts as late, for the console, metrics and alerts alike."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.orm import aliased

from portal_db.database import Tx
from portal_db.states import Lane
from portal_db.tables import Import, Job
from portal_db.types import UtcDateTime
from portal_db.work.candidates import is_of, is_put_off_by_quota, is_unrung, unrung_series, waits_for_quota, was_rung
from portal_db.work.due import is_due, is_out_of_turn, is_paused


def oldest_due(tx: Tx, *, practice_id: UUID | None = None) -> dict[Lane, datetime]:
    """Since when the oldest due job of each lane is due, of those that no pause, no turn and no quota holds back; lanes
    without one are left out.

    Of jobs that were not rung, the first in order of each practice, lane and kind counts: the relay rings it first.
    """
    since = _due_since(tx.dialect)
    free = (is_due(), ~waits_for_quota())
    of_lane = select(Job.lane, func.min(since)).group_by(Job.lane)
    urgent = of_lane.where(is_unrung(), Job.interactive, *free, ~is_paused(), ~is_out_of_turn())
    series = unrung_series(tx.dialect)
    first = select(since).where(is_of(series), is_unrung(), ~Job.interactive, *free, ~is_out_of_turn())
    first = first.order_by(Job.asked_at, Job.position, Job.created_at, Job.id).limit(1).correlate(series)
    held = aliased(Job, name="held")
    by_quota = exists().where(is_put_off_by_quota(held), ~held.interactive, is_of(series, held))
    others = select(series.c.lane, first.scalar_subquery()).where(~is_paused(series.c), ~by_quota)
    rung = of_lane.where(was_rung(), *free, ~is_paused())
    if practice_id is not None:
        urgent, rung = (each.where(Job.practice_id == practice_id) for each in (urgent, rung))
        others = others.where(series.c.practice_id == practice_id)
    found: dict[Lane, datetime] = {}
    for statement in (urgent, others, rung):
        for lane, moment in tx.session.execute(statement):
            if moment is not None:
                found[lane] = min(found.get(lane, moment), moment)
    return found


def _due_since(dialect: str) -> Any:
    """The last of: created, its import reopened, its last attempt, the end of its wait."""
    epoch = select(Import.epoch_started_at).where(Import.id == Job.import_id).correlate(Job).scalar_subquery()
    moments = (func.coalesce(moment, Job.created_at) for moment in (epoch, Job.started_at, Job.next_attempt_at))
    last = func.greatest if dialect == "postgresql" else func.max
    return last(Job.created_at, *moments, type_=UtcDateTime())
