"""Schedules: taking on a due time, once for everybody. The unique (schedule, due time) row decides, not the clock."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore
from portal_db.tables import ScheduledRun
from portal_db.types import db_now


def claim(tx: Tx, schedule: str, due_at: datetime, owner: str) -> bool:
    """Take a due time on. False when somebody has it.

    What it makes in the record belongs into the same transaction: then it happens exactly once. Work outside it happens
    at most once.
    """
    row = {"schedule": schedule, "due_at": due_at, "owner": owner, "claimed_at": db_now()}
    return tx.session.scalar(insert_or_ignore(tx, ScheduledRun, row).returning(ScheduledRun.schedule)) is not None


def was_ever_due(tx: Tx, schedule: str) -> bool:
    """Whether any due time of the schedule was taken on; a schedule that is new has none to catch up with."""
    return (
        tx.session.scalar(select(ScheduledRun.schedule).where(ScheduledRun.schedule == schedule).limit(1)) is not None
    )
