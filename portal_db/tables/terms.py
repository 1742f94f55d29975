"""The terms of use of a practice's client portal, and which of them each client accepted."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.tables.base import Base


class Terms(Base):
    """One version of a practice's terms, a text or a link; with neither, the practice has none from then on. No row is ever
    changed: the newest one counts."""

    __tablename__ = "terms"
    __table_args__ = (
        CheckConstraint("text IS NULL OR url IS NULL", name="one_form"),
        Index("ix_terms_newest", "practice_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    text: Mapped[str | None] = mapped_column(String(20_000))
    url: Mapped[str | None] = mapped_column(String(2_000))
    set_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    set_at: Mapped[datetime]


class TermsAcceptance(Base):
    """A client accepted these terms when they activated their account."""

    __tablename__ = "terms_acceptances"

    login_id: Mapped[UUID] = mapped_column(ForeignKey("logins.id"), primary_key=True)
    terms_id: Mapped[UUID] = mapped_column(ForeignKey("terms.id"), primary_key=True)
    accepted_at: Mapped[datetime]
