"""The worker processes that are running, and what each of them can do."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.tables.base import Base


class Worker(Base):
    """A worker process. It counts as gone once it was not seen for `lasts_seconds`."""

    __tablename__ = "workers"

    owner: Mapped[str] = mapped_column(String(100), primary_key=True)
    seen_at: Mapped[datetime]
    lasts_seconds: Mapped[float]


class WorkerKind(Base):
    """A lane that a worker consumes, with a kind of job that it knows: text, because another release may know other ones."""

    __tablename__ = "worker_kinds"

    owner: Mapped[str] = mapped_column(ForeignKey("workers.owner"), primary_key=True)
    lane: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40), primary_key=True)
