"""The facts behind what holds a job: who is before it in its batch, how full its practice is, whether a relay leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, select

from portal_db import ringing
from portal_db.database import Tx
from portal_db.due import is_due, is_out_of_turn, is_paused
from portal_db.ringing import LANE_GROUPS, QUOTA_CODE
from portal_db.states import JobState, Lane
from portal_db.tables import Import, Job, Leader
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a batch that is not resolved yet."""

    import_id: UUID
    #: From 0.
    position: int
    state: str


def rows_before(tx: Tx, job: Job) -> tuple[int, Row] | None:
    """How many earlier rows of its batch hold a job back (b.10), and the first of them; `None` when none does."""
    held = select(Job.id).where(Job.id == job.id, is_out_of_turn())
    mine = tx.session.get(Import, job.import_id) if job.import_id is not None else None
    if tx.session.scalar(held) is None or mine is None or mine.batch_id is None:
        return None
    earlier = and_(Import.batch_id == mine.batch_id, Import.position < mine.position, Import.resolved_at.is_(None))
    number = tx.session.scalar(select(func.count()).select_from(Import).where(earlier)) or 0
    first = tx.session.execute(select(Import).where(earlier).order_by(Import.position).limit(1)).scalar_one()
    return number, Row(first.id, first.position or 0, first.state.value)


def in_flight(tx: Tx, job: Job) -> tuple[Sequence[Lane], int] | None:
    """The lanes whose ring limit a job shares, and how many jobs of its practice are rung or running there; `None` for
    jobs that no limit holds."""
    lanes = next((group for group in LANE_GROUPS if job.lane in group), None)
    if job.interactive or lanes is None:
        return None
    return lanes, ringing.in_flight(tx, job.practice_id, lanes)


def ahead_of(tx: Tx, job: Job, lanes: Sequence[Lane]) -> int:
    """How many due jobs of the same practice and lanes are rung before this one."""
    statement = select(func.count()).where(
        Job.practice_id == job.practice_id,
        Job.lane.in_(lanes),
        ~Job.interactive,
        Job.id != job.id,
        is_due(),
        ~is_paused(),
        ~is_out_of_turn(),
        ringing.before(job),
    )
    return tx.session.scalar(statement) or 0


def put_off_like(tx: Tx, job: Job) -> Job | None:
    """A job of the same practice, lane and kind that the upstream's quota has put off: the relay holds this one with it,
    so that it does not overtake."""
    statement = select(Job).where(
        Job.practice_id == job.practice_id,
        Job.interactive == job.interactive,
        Job.lane == job.lane,
        Job.kind == job.kind,
        Job.state == JobState.WAITING,
        Job.error_code == QUOTA_CODE,
    )
    return tx.session.scalar(statement.order_by(Job.next_attempt_at, Job.id).limit(1))


def leader(tx: Tx, role: str) -> tuple[str, datetime] | None:
    """Who holds a role now, and until when; `None` while nobody does."""
    statement = select(Leader.owner, Leader.until).where(Leader.role == role, Leader.until > db_now())
    found = tx.session.execute(statement).one_or_none()
    return (found[0], found[1]) if found is not None else None
