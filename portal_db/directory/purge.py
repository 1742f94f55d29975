"""Purging directory records that nobody imported and that there is no reason to keep.

A record goes a day after the last connection to its tenant was disconnected, after 30 days without any use of the
directory, or 30 days after XPM last listed it. Records that are or were linked to a client stay.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select, tuple_

from portal_db.database import Tx
from portal_db.dialect import count_rows, delete_rows, update_rows
from portal_db.states import SyncState
from portal_db.tables import (
    Directory,
    DirectoryRecord,
    DirectorySync,
    XpmConnection,
    XpmLink,
    is_live_connection,
    same_directory,
)
from portal_db.types import db_now

HOUR = 3600
DAY = 24 * HOUR
DISCONNECTED_SECONDS = 24 * HOUR
UNUSED_SECONDS = 30 * DAY
GONE_SECONDS = 30 * DAY

Key = tuple[UUID, str, UUID]


def close(tx: Tx) -> int:
    """Mark directories that will be purged as never filled, before their records go: nobody searches half a directory.

    Returns:
        How many directories there were.
    """
    running = exists().where(DirectorySync.directory_id == Directory.id, DirectorySync.state == SyncState.RUNNING)
    conditions = (Directory.cursor.is_not(None), ~running, or_(_is_disconnected(Directory), _is_unused()))
    return update_rows(tx, Directory, *conditions, cursor=None, last_full_at=None, last_incremental_at=None)


def find(tx: Tx, *, limit: int) -> list[Key]:
    """The keys of up to `limit` records to delete."""
    statement = select(DirectoryRecord.xero_login_id, DirectoryRecord.tenant_id, DirectoryRecord.xpm_uuid)
    return [(row[0], row[1], row[2]) for row in tx.session.execute(statement.where(_is_stale()).limit(limit))]


def count(tx: Tx) -> int:
    """How many records there are to delete."""
    return count_rows(tx, _is_stale())


def drop(tx: Tx, keys: list[Key]) -> int:
    """Delete those of these records that still have to go, and return how many."""
    named = tuple_(DirectoryRecord.xero_login_id, DirectoryRecord.tenant_id, DirectoryRecord.xpm_uuid).in_(keys)
    return delete_rows(tx, DirectoryRecord, named, _is_stale())


def _is_stale() -> ColumnElement[bool]:
    imported = exists().where(
        XpmLink.tenant_id == DirectoryRecord.tenant_id, XpmLink.xpm_uuid == DirectoryRecord.xpm_uuid
    )
    unused = exists().where(same_directory(Directory, DirectoryRecord), _is_unused())
    long_gone = DirectoryRecord.gone_at < db_now(-GONE_SECONDS)
    return and_(~imported, or_(_is_disconnected(DirectoryRecord), unused, long_gone))


def _is_disconnected(table: Any) -> ColumnElement[bool]:
    """Whether no connection reads it, or did within the last day."""
    recent = or_(is_live_connection, XpmConnection.disconnected_at >= db_now(-DISCONNECTED_SECONDS))
    return ~exists().where(same_directory(XpmConnection, table), recent)


def _is_unused() -> ColumnElement[bool]:
    return Directory.last_used_at < db_now(-UNUSED_SECONDS)
