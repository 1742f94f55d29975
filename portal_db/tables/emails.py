"""Emails that invite people to activate their account: one each, however often its job is delivered to a worker (b.6)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.states import EmailState
from portal_db.tables.base import Base, partial_index


class _Invitation:
    """An email with an activation link. `version` grows when somebody sends it again; each version is sent at most once.

    `sending_token` is the lease under which the intent to send was committed. `token_hash` is the SHA-256 of the
    activation token in the link; the token itself is never stored.
    """

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    state: Mapped[EmailState]
    message_id: Mapped[str] = mapped_column(String(200), unique=True)
    sending_token: Mapped[UUID | None]
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    token_expires_at: Mapped[datetime | None]
    token_used_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class WelcomeEmail(_Invitation, Base):
    """A client's welcome email."""

    __tablename__ = "welcome_emails"
    __table_args__ = (
        partial_index("ix_welcome_emails_unsettled", "state", where="state IN ('pending', 'sending', 'unknown')"),
    )

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"), unique=True)


class CoOwnerInvitation(_Invitation, Base):
    """A co-owner's invitation, which nobody but staff ever sends (b.24)."""

    __tablename__ = "co_owner_invitations"

    login_id: Mapped[UUID] = mapped_column(ForeignKey("logins.id"), unique=True)
