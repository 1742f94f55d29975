"""How a practice's client pages and emails look."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.tables.base import Base


class PracticeLook(Base):
    """A practice's colour, logo and words of welcome; a practice without a row has none of them."""

    __tablename__ = "practice_looks"

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"), primary_key=True)
    #: As `#1f5fbf`.
    colour: Mapped[str | None] = mapped_column(String(7))
    #: A paragraph of the welcome email.
    welcome_text: Mapped[str | None] = mapped_column(String(600))
    #: The file, the media type that was found in it, and a part of its SHA-256, by which browsers know it.
    logo: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    logo_type: Mapped[str | None] = mapped_column(String(20))
    logo_digest: Mapped[str | None] = mapped_column(String(16))
