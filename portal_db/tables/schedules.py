"""Recurring work: schedules, and the due times that were claimed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.states import SyncMode
from portal_db.tables.base import Base


class Schedule(Base):
    """Recurring work: a directory's syncs of one mode, or named nightly work."""

    __tablename__ = "schedules"
    __table_args__ = (UniqueConstraint("directory_id", "mode"), Index("ix_schedules_next_due_at", "next_due_at"))

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    directory_id: Mapped[UUID | None] = mapped_column(ForeignKey("directories.id"))
    mode: Mapped[SyncMode | None]
    next_due_at: Mapped[datetime]
    #: When that was decided; `None` if an earlier release did.
    planned_at: Mapped[datetime | None]
    #: When and why the last due time was skipped: a stable code, and details if there are any. `None` once it ran.
    skipped_at: Mapped[datetime | None]
    skipped_code: Mapped[str | None] = mapped_column(String(64))
    skipped_why: Mapped[str | None] = mapped_column(String(500))
    #: Since when it is paused, by which operator, and why.
    paused_at: Mapped[datetime | None]
    paused_by: Mapped[UUID | None] = mapped_column(ForeignKey("operators.id"))
    paused_why: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime]


class ScheduledRun(Base):
    """A due time of a schedule that was claimed. Its key makes it happen once, whichever process leads."""

    __tablename__ = "scheduled_runs"

    schedule: Mapped[str] = mapped_column(String(40), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(100))
    claimed_at: Mapped[datetime]
    #: The job that was inserted for it. For work that the leader does itself: when it ended, and whether it succeeded.
    job_id: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]
    succeeded: Mapped[bool | None]
