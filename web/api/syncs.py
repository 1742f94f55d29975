"""Syncs of a directory as staff are told of them: the last one of each mode, the next, and why one was passed over."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from handlers.skips import MEANINGS
from portal_db.schedules import Entry
from portal_db.states import SyncMode, SyncState
from web.problems import Fault


class Sync(BaseModel):
    """A sync that began: how it stands, and how many records it brought."""

    state: SyncState
    started_at: datetime
    finished_at: datetime | None
    seen: int | None
    added: int | None
    changed: int | None
    gone: int | None
    reason: str | None = Field(description="why it failed")


class ScheduledSync(BaseModel):
    """Syncs of one mode. `passed_over` says why the last due time was not used, until one is."""

    mode: SyncMode | None
    next_at: datetime
    last: Sync | None
    passed_over: Fault | None

    @classmethod
    def of(cls, entry: Entry) -> Self:
        row = entry.schedule
        last = Sync.model_validate(entry.sync, from_attributes=True) if entry.sync else None
        return cls(mode=row.mode, next_at=row.next_due_at, last=last, passed_over=_fault(entry.passed_over))


def _fault(code: str | None) -> Fault | None:
    if code is None:
        return None
    message, remedy = MEANINGS[code].for_staff
    return Fault(code=code, message=message, remedy=remedy or None)
