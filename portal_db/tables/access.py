"""How programs and staff authenticate: API keys, sessions, and links to set a password. Only hashes are stored."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.states import EmailState
from portal_db.tables.base import Base


class ApiKey(Base):
    """A practice's key for a program, which names the staff member it acts for in each call.

    `key_hash` is the SHA-256 of the whole key; `hint` is its first characters, so that people can identify it.
    """

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(20))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    #: When the key stops working: its time is over, it was revoked, or replaced by another one.
    ends_at: Mapped[datetime | None]
    #: Of a key that was made to end: after how many days.
    lifetime_days: Mapped[int | None]
    #: The staff member who made it; `None`: an operator, or an earlier release.
    made_by: Mapped[UUID | None]
    #: When it was last used, give or take a few minutes.
    last_used_at: Mapped[datetime | None]


class _PortalSession:
    """A signed-in browser. `token_hash` is the SHA-256 of the cookie's value; `address` and `agent` are what the request
    that began it said."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    #: When it ends if it is not used again, and when it ends at the latest.
    idle_until: Mapped[datetime]
    ends_at: Mapped[datetime]
    #: When its owner last proved who they are, by the second factor or, where there is none, by the password.
    confirmed_at: Mapped[datetime | None]
    address: Mapped[str | None] = mapped_column(String(45))
    agent: Mapped[str | None] = mapped_column(String(200))


class StaffSession(_PortalSession, Base):
    """A staff member's session."""

    __tablename__ = "staff_sessions"

    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), index=True)


class ClientSession(_PortalSession, Base):
    """A client's session: no query for staff's sessions ever finds it, and the other way round."""

    __tablename__ = "client_sessions"

    login_id: Mapped[UUID] = mapped_column(ForeignKey("logins.id"), index=True)


class OperatorSession(Base):
    """An operator's signed-in browser, at the console. `token_hash` is the SHA-256 of the cookie's value."""

    __tablename__ = "operator_sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    #: When it ends if it is not used again, and when it ends at the latest.
    idle_until: Mapped[datetime]
    ends_at: Mapped[datetime]
    #: When the operator last gave a code of their second factor.
    confirmed_at: Mapped[datetime]


class PasswordLink(Base):
    """A link to set a password, once. A new link replaces the login's earlier one."""

    __tablename__ = "password_links"

    login_id: Mapped[UUID] = mapped_column(ForeignKey("logins.id"), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    ends_at: Mapped[datetime]


class PasswordReset(Base):
    """A forgotten password, or the invitation of a new colleague: the email with a link to set a password. The link is made
    as the email is sent; it works once, until `ends_at`. `sending_token` is the lease under which the intent to send was
    committed."""

    __tablename__ = "password_resets"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    login_id: Mapped[UUID] = mapped_column(ForeignKey("logins.id"), index=True)
    state: Mapped[EmailState]
    is_invitation: Mapped[bool] = mapped_column(server_default=false())
    sending_token: Mapped[UUID | None]
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    ends_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class SecurityNotice(Base):
    """An email to somebody about their own account. With a key it is about that one's end, and sent once to each person.
    `sending_token` is the lease under which the intent to send was committed."""

    __tablename__ = "security_notices"
    __table_args__ = (UniqueConstraint("api_key_id", "login_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    login_id: Mapped[UUID] = mapped_column(ForeignKey("logins.id"), index=True)
    event: Mapped[str] = mapped_column(String(40))
    api_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("api_keys.id"))
    #: Where the request came from that changed something; empty for an operator at the command line.
    address: Mapped[str | None] = mapped_column(String(45))
    agent: Mapped[str | None] = mapped_column(String(200))
    state: Mapped[EmailState]
    sending_token: Mapped[UUID | None]
    sent_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class SignInEntry(Base):
    """One event of the sign-in log. No row is ever changed. Without a practice it is about an email that nobody has."""

    __tablename__ = "sign_in_log"
    __table_args__ = (Index("ix_sign_in_log_listing", "practice_id", "at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    practice_id: Mapped[UUID | None] = mapped_column(ForeignKey("practices.id"))
    staff_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    #: Of a client, who is no staff member.
    login_id: Mapped[UUID | None] = mapped_column(index=True)
    event: Mapped[str] = mapped_column(String(40))
    #: Where the request came from; empty for an operator at the command line.
    address: Mapped[str | None] = mapped_column(String(45))
    agent: Mapped[str | None] = mapped_column(String(200))
    detail: Mapped[str | None] = mapped_column(String(100))
