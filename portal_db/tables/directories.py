"""Directories: what Xero logins see in tenants, the syncs that update them, and what a practice's business structures mean.
The records themselves are in `portal_db.tables.xero`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ColumnElement, ForeignKey, Index, String, UniqueConstraint, and_
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.states import ClientKind, EntityType, SyncMode, SyncState
from portal_db.tables.base import Base, partial_index


class Directory(Base):
    """A snapshot of the XPM clients that one Xero login sees in one tenant."""

    __tablename__ = "directories"
    __table_args__ = (UniqueConstraint("xero_login_id", "tenant_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    xero_login_id: Mapped[UUID] = mapped_column(ForeignKey("xero_logins.id"))
    tenant_id: Mapped[str] = mapped_column(String(64))
    #: When the last answer that was applied completely was requested: the records are as of then. `None` while it was never
    #: filled, or after a purge.
    cursor: Mapped[datetime | None]
    #: The start of the last full and of the last incremental sync that was applied.
    last_full_at: Mapped[datetime | None]
    last_incremental_at: Mapped[datetime | None]
    #: When somebody last searched it or imported from it, to the hour.
    last_used_at: Mapped[datetime]
    created_at: Mapped[datetime]


def same_directory(one: Any, other: Any) -> ColumnElement[bool]:
    """Whether two tables' rows, or a table's row and a loaded one, have the same Xero login and tenant."""
    return and_(one.xero_login_id == other.xero_login_id, one.tenant_id == other.tenant_id)


class DirectorySync(Base):
    """One run of a sync. At most one is running per directory: a partial unique index decides."""

    __tablename__ = "directory_syncs"
    __table_args__ = (
        partial_index("uq_directory_syncs_running", "directory_id", unique=True, where="state = 'running'"),
        Index("ix_directory_syncs_history", "directory_id", "started_at"),
        partial_index("ix_directory_syncs_held", "directory_id", where="state = 'held'"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    directory_id: Mapped[UUID] = mapped_column(ForeignKey("directories.id"))
    mode: Mapped[SyncMode]
    state: Mapped[SyncState]
    #: Who or what requested it: `connect`, `schedule`, `search`, `command line`.
    asked_by: Mapped[str] = mapped_column(String(40))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    #: Records in the answer, and what changed; for a held sync, `missing` is how many would be gone.
    seen: Mapped[int | None]
    added: Mapped[int | None]
    changed: Mapped[int | None]
    gone: Mapped[int | None]
    missing: Mapped[int | None]
    unread: Mapped[int | None]
    #: Why it failed or was held: a stable code.
    reason: Mapped[str | None] = mapped_column(String(64))


class DirectoryStaged(Base):
    """A staged record of an answer; merged or dropped with its sync. `record` is `None` for a record that exists but could
    not be read."""

    __tablename__ = "directory_staged"

    sync_id: Mapped[UUID] = mapped_column(ForeignKey("directory_syncs.id"), primary_key=True)
    xpm_uuid: Mapped[UUID] = mapped_column(primary_key=True)
    record: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    content_hash: Mapped[str | None] = mapped_column(String(64))
    name_key: Mapped[str | None] = mapped_column(String(500))
    code_key: Mapped[str | None] = mapped_column(String(64))
    structure: Mapped[str | None] = mapped_column(String(200))
    is_archived: Mapped[bool]
    is_deleted: Mapped[bool]


class BusinessStructure(Base):
    """What a practice's staff say a business structure means: a person, or an entity of one of nine types."""

    __tablename__ = "business_structures"
    __table_args__ = (CheckConstraint("(kind = 'entity') = (entity_type IS NOT NULL)", name="shape"),)

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"), primary_key=True)
    #: The structure in a form that can be compared: case-folded, with single spaces.
    structure_key: Mapped[str] = mapped_column(String(200), primary_key=True)
    #: The structure as staff wrote it.
    structure: Mapped[str] = mapped_column(String(200))
    kind: Mapped[ClientKind]
    entity_type: Mapped[EntityType | None]
    set_by: Mapped[UUID | None]
    set_at: Mapped[datetime]
