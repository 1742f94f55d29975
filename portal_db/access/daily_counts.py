"""What a practice has done in a day, counted: a day begins with the first of it and lasts 24 hours."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, case, select

from portal_db.database import Tx
from portal_db.dialect import upsert
from portal_db.tables import DailyCount
from portal_db.types import db_now

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Today:
    """How much was counted, and when the day is over."""

    used: int = 0
    seconds_left: float = 0.0


def read(tx: Tx, practice_id: UUID, what: str) -> Today:
    found = tx.session.execute(_TODAY, {"practice_id": practice_id, "what": what}).one_or_none()
    if found is None:
        return Today()
    used, began_at, now = found
    return Today(used, DAY_SECONDS - (now - began_at).total_seconds())


_TODAY = select(DailyCount.used, DailyCount.began_at, db_now()).where(
    DailyCount.practice_id == bindparam("practice_id"),
    DailyCount.what == bindparam("what"),
    DailyCount.began_at > db_now(-DAY_SECONDS),
)


def add(tx: Tx, practice_id: UUID, what: str, number: int) -> int:
    """Count so many more. Returns how many there were in this day."""
    is_today = DailyCount.began_at > db_now(-DAY_SECONDS)
    row = {"practice_id": practice_id, "what": what, "used": number, "began_at": db_now()}
    changed = {
        "used": case((is_today, DailyCount.used + number), else_=number),
        "began_at": case((is_today, DailyCount.began_at), else_=db_now()),
    }
    statement = upsert(tx, DailyCount, row).on_conflict_do_update(index_elements=["practice_id", "what"], set_=changed)
    return int(tx.session.scalar(statement.returning(DailyCount.used)))
