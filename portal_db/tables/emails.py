"""Welcome emails: one per client, however often its job is delivered to a worker (b.6)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.states import EmailState
from portal_db.tables.base import Base, partial_index


class WelcomeEmail(Base):
    """A client's welcome email. `version` grows when somebody sends it again; each version is sent at most once.

    `sending_token` is the lease under which the intent to send was committed. `token_hash` is the SHA-256 of the
    activation token in the link; the token itself is never stored.
    """

    __tablename__ = "welcome_emails"
    __table_args__ = (
        partial_index("ix_welcome_emails_unsettled", "state", where="state IN ('pending', 'sending', 'unknown')"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"), unique=True)
    version: Mapped[int]
    state: Mapped[EmailState]
    message_id: Mapped[str] = mapped_column(String(200), unique=True)
    sending_token: Mapped[UUID | None]
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    token_expires_at: Mapped[datetime | None]
    token_used_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
