"""Which jobs may be claimed now: conditions that the claim and the relay share, so that they never differ."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlalchemy.orm import aliased

from portal_db.states import JobState
from portal_db.tables import Import, Job, Pause
from portal_db.types import db_now

#: Created once: a statement with a new alias would be compiled again each time.
_mine, _earlier = aliased(Import, name="mine"), aliased(Import, name="earlier")


def is_due() -> ColumnElement[bool]:
    """Whether a job is queued, or waiting and its next attempt is due."""
    return or_(Job.state == JobState.QUEUED, and_(Job.state == JobState.WAITING, Job.next_attempt_at <= db_now()))


def is_paused() -> ColumnElement[bool]:
    """Whether a pause matches the job in every part (practice, lane, kind) that the pause names."""
    return exists().where(
        or_(Pause.practice_id.is_(None), Pause.practice_id == Job.practice_id),
        or_(Pause.lane.is_(None), Pause.lane == Job.lane),
        or_(Pause.kind.is_(None), Pause.kind == Job.kind),
    )


def is_out_of_turn() -> ColumnElement[bool]:
    """Whether an earlier row of the same batch is still unresolved: it might need the same email (b.10)."""
    return and_(
        Job.in_batch_order,
        exists().where(
            _mine.id == Job.import_id,
            _earlier.batch_id == _mine.batch_id,
            _earlier.position < _mine.position,
            _earlier.resolved_at.is_(None),
        ),
    )
