"""What somebody had typed when their session ended."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.tables.base import Base


class KeptForm(Base):
    """A form that was sent with a session that had just ended, until its sender has signed in again, for an hour at most.

    token_hash: the SHA-256 of the value of the session's cookie; the session that follows it takes the form over.
    content: the fields, encrypted with TOKEN_KEYS.
    """

    __tablename__ = "kept_forms"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    #: The path of the page with the form.
    path: Mapped[str] = mapped_column(String(200))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    ends_at: Mapped[datetime]
