"""Practices, their staff, the platform's operators, and the logins of all of them and of clients."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, false
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.states import LoginKind, Role
from portal_db.tables.base import Base


class Practice(Base):
    """An accounting firm in the portal."""

    __tablename__ = "practices"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    time_zone: Mapped[str] = mapped_column(String(64))
    #: MFA for all staff and clients of the practice: without it nobody can connect to XPM (b.14).
    mfa_mandatory: Mapped[bool]
    #: Whether staff may have a browser remembered, so that it is not asked for the second factor for 30 days.
    remember_browsers: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime]


class Login(Base):
    """An email address to sign in with, of a client, staff member or operator: one row per person, platform-wide (b.1, b.2).

    `email_key` is the normalised, case-folded address; its unique index decides who has an address.
    """

    __tablename__ = "logins"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[LoginKind]
    email: Mapped[str] = mapped_column(String(320))
    email_key: Mapped[str] = mapped_column(String(320), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(200))
    activated_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Staff(Base):
    """A staff member of a practice, with one role there."""

    __tablename__ = "staff"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"), index=True)
    login_id: Mapped[UUID] = mapped_column(ForeignKey("logins.id"), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role]
    left_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Operator(Base):
    """Somebody who operates the platform; they belong to no practice."""

    __tablename__ = "operators"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    login_id: Mapped[UUID] = mapped_column(ForeignKey("logins.id"), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    #: An `OperatorRole`. Operators of earlier releases could do everything.
    role: Mapped[str] = mapped_column(String(20), server_default="admin")
    #: SHA-256 of issuer and subject: their account at the organisation's OpenID provider, once they have signed in with it.
    account_hash: Mapped[str | None] = mapped_column(String(64), index=True, unique=True)
    left_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
