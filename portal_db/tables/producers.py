"""Producers of queue messages, and the practices that each serves."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.tables.base import Base


class Producer(Base):
    """A program that requests imports by queue message and signs each with its secret, which is encrypted with TOKEN_KEYS.

    A revoked producer keeps its row, but no secret.
    """

    __tablename__ = "producers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    secret: Mapped[bytes | None]
    #: The previous secret, which is accepted too for a while after a rotation.
    old_secret: Mapped[bytes | None]
    old_secret_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class ProducerPractice(Base):
    """A practice that a producer may request imports for."""

    __tablename__ = "producer_practices"

    producer_id: Mapped[UUID] = mapped_column(ForeignKey("producers.id"), primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"), primary_key=True)
