"""The second factor of an account: an authenticator app's secret, recovery codes, and sign-ins that wait for it.

An account is a login, of whatever kind.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.tables.base import Base


class SecondFactor(Base):
    """An account's second factor, and how many codes were tried. `secret` is its authenticator app's, encrypted under
    TOKEN_KEYS; without one the account has passkeys alone."""

    __tablename__ = "second_factors"

    login_id: Mapped[UUID] = mapped_column(ForeignKey("logins.id"), primary_key=True)
    secret: Mapped[bytes | None]
    #: The time step of the last accepted code: no code is accepted twice.
    last_step: Mapped[int | None] = mapped_column(BigInteger)
    set_up_at: Mapped[datetime | None]
    #: What cookies of remembered browsers are signed with, among other things: another one forgets them all.
    browsers_key: Mapped[UUID | None]
    #: Codes tried since the last right one, in a window that ends at `tries_until`.
    tries: Mapped[int]
    tries_until: Mapped[datetime | None]


class RecoveryCode(Base):
    """A code that signs in once in place of the second factor. `code_hash` is a SHA-256 of the code and the account."""

    __tablename__ = "recovery_codes"

    login_id: Mapped[UUID] = mapped_column(ForeignKey("logins.id"), primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    used_at: Mapped[datetime | None]


class PendingSignIn(Base):
    """A sign-in whose password was right and whose second factor is still to be given. It is no session."""

    __tablename__ = "pending_sign_ins"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    login_id: Mapped[UUID] = mapped_column(ForeignKey("logins.id"), index=True)
    ends_at: Mapped[datetime]
