"""What practices did in a day, as numbers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.tables.base import Base


class DailyCount(Base):
    """How often a practice did something in the 24 hours that began with the first time."""

    __tablename__ = "daily_counts"

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"), primary_key=True)
    what: Mapped[str] = mapped_column(String(40), primary_key=True)
    began_at: Mapped[datetime]
    used: Mapped[int]
