"""Bulk acts: what operators ask to be done to many dead letters, and how far it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.states import BulkAction, BulkState
from portal_db.tables.base import Base, partial_index


class BulkAct(Base):
    """One act on all dead letters that match a filter or are listed, carried out piece by piece."""

    __tablename__ = "bulk_acts"
    __table_args__ = (
        #: Two acts on the same selection do not run at once.
        partial_index("uq_bulk_acts_running", "scope", where="state = 'running'", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    action: Mapped[BulkAction]
    #: The selection: the fields of a filter, or `ids`.
    selection: Mapped[dict[str, Any]] = mapped_column(JSON)
    #: A digest of the selection.
    scope: Mapped[str] = mapped_column(String(64), index=True)
    per_minute: Mapped[int | None]
    reason: Mapped[str] = mapped_column(String(500))
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))

    state: Mapped[BulkState]
    #: How many dead letters matched when it was started.
    total: Mapped[int]
    done: Mapped[int]
    refused: Mapped[int]
    #: Why some were refused: `code`, one `message`, and `count` of each cause.
    refusals: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    #: How far it is: the last dead letter that was tried, or how many of the listed ones.
    cursor: Mapped[str | None] = mapped_column(String(100))
    #: Until when the process that carries out a piece has it for itself.
    claimed_until: Mapped[datetime | None]
    #: When the next dead letter starts, at its pace.
    next_turn_at: Mapped[datetime | None]
    #: Dead letters that died later do not belong to it, so that none is tried twice.
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
