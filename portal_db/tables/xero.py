"""XPM and Xero: logins with their tokens, staff's connections to tenants, the records that a login saw there, pending
consents, and the emails that ask for a reconnect."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ColumnElement, ForeignKey, LargeBinary, String, UniqueConstraint, false, literal_column
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.states import ConnectionState, EmailState
from portal_db.tables.base import Base, partial_index


class XeroLogin(Base):
    """A person's login at Xero and its tokens, encrypted. One row per Xero user id: its connections share the tokens, so
    none invalidates another's by refreshing.

    `version` grows with every change of the tokens, and every change names the version it follows. A process that refreshes
    them holds `refresh_lease`; no database lock is held during the call to Xero.
    """

    __tablename__ = "xero_logins"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    xero_user_id: Mapped[str] = mapped_column(String(64), unique=True)
    #: `None` once the tokens were deleted because nothing uses them.
    access_token: Mapped[bytes | None] = mapped_column(LargeBinary)
    refresh_token: Mapped[bytes | None] = mapped_column(LargeBinary)
    access_expires_at: Mapped[datetime]
    #: When these tokens were stored.
    updated_at: Mapped[datetime]
    version: Mapped[int]
    refresh_lease: Mapped[UUID | None]
    refresh_lease_until: Mapped[datetime | None]
    #: Consecutive refreshes that failed, and until when no refresh is tried.
    refresh_failures: Mapped[int]
    cooling_until: Mapped[datetime | None]
    #: When Xero refused this version's refresh token for good.
    refused_at: Mapped[datetime | None]


class XpmConnection(Base):
    """A staff member's connection to an XPM practice (a tenant). It belongs to the person, not to the firm (b.13)."""

    __tablename__ = "xpm_connections"
    __table_args__ = (
        partial_index("uq_xpm_connections_live_staff", "staff_id", unique=True, where="state <> 'disconnected'"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"), index=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    xero_login_id: Mapped[UUID] = mapped_column(ForeignKey("xero_logins.id"), index=True)
    tenant_id: Mapped[str] = mapped_column(String(64))
    tenant_name: Mapped[str | None] = mapped_column(String(200))
    state: Mapped[ConnectionState]
    broken_code: Mapped[str | None] = mapped_column(String(64))
    broken_at: Mapped[datetime | None]
    #: When Xero first denied it access since it last worked. Only a second denial, a minute later, breaks it.
    denied_at: Mapped[datetime | None]
    #: How many times it broke; its owner gets one email for each break.
    breaks: Mapped[int]
    connected_at: Mapped[datetime]
    disconnected_at: Mapped[datetime | None]


#: Written out as in the partial index, which a plan that is made once for all parameters could not use otherwise.
is_live_connection: ColumnElement[bool] = XpmConnection.state != literal_column("'disconnected'")


class DirectoryRecord(Base):
    """An XPM client as one Xero login sees it in one tenant. `record` is the typed record as JSON; `as_of` is when XPM was
    asked for it. A sync does not touch the rows of unchanged records, which are then current as of the directory's `cursor`.

    Rows from before there were syncs have no hash, name key or first-seen time; the next full sync fills them in.
    """

    __tablename__ = "directory_records"
    #: All that a search compares, so that PostgreSQL need not read the records: they are twenty times as large.
    __table_args__ = (
        partial_index(
            "ix_directory_records_names",
            *("xero_login_id", "tenant_id", "name_key", "xpm_uuid", "is_deleted", "code_key"),
            where="gone_at IS NULL",
        ),
    )

    xero_login_id: Mapped[UUID] = mapped_column(ForeignKey("xero_logins.id"), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    xpm_uuid: Mapped[UUID] = mapped_column(primary_key=True)
    record: Mapped[dict[str, Any]] = mapped_column(JSON)
    as_of: Mapped[datetime]
    #: SHA-256 of the typed record: a different hash means that something in it changed.
    content_hash: Mapped[str | None] = mapped_column(String(64))
    #: The name in the form that is searched: case-folded, without accents.
    name_key: Mapped[str | None] = mapped_column(String(500))
    #: The client code in the form that is searched.
    code_key: Mapped[str | None] = mapped_column(String(64))
    #: The record's business structure, for counting those that a practice uses.
    structure: Mapped[str | None] = mapped_column(String(200))
    is_archived: Mapped[bool] = mapped_column(server_default=false())
    is_deleted: Mapped[bool] = mapped_column(server_default=false())
    first_seen_at: Mapped[datetime | None]
    #: Since when XPM no longer lists it.
    gone_at: Mapped[datetime | None]
    #: Since when it is missing from full syncs without anybody having accepted that.
    missing_since: Mapped[datetime | None]
    #: Since when XPM's version cannot be read; the row keeps the last readable version.
    unread_since: Mapped[datetime | None]


class XeroConsent(Base):
    """A consent that a staff member was sent to Xero for. It is short-lived, and its state is valid for one answer.

    `state_hash` is the SHA-256 of the state in the URL. A consent that Xero answered with several practices waits for a
    choice among `choices` (`[{"tenant_id": …, "tenant_name": …}]`); the tokens are stored with its Xero login.
    """

    __tablename__ = "xero_consents"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    state_hash: Mapped[str] = mapped_column(String(64), unique=True)
    #: The PKCE code verifier, encrypted.
    verifier: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    xero_login_id: Mapped[UUID | None] = mapped_column(ForeignKey("xero_logins.id"))
    choices: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON)


class ReconnectNotice(Base):
    """The email that informs a staff member that their connection broke: one for each break, sent at most once.

    `sending_token` is the lease under which the intent to send was committed.
    """

    __tablename__ = "reconnect_notices"
    __table_args__ = (UniqueConstraint("connection_id", "number"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("xpm_connections.id"))
    #: The number of the connection's break that it is about.
    number: Mapped[int]
    state: Mapped[EmailState]
    sending_token: Mapped[UUID | None]
    sent_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
