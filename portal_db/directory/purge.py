"""People in directories whom nobody imported: finding and deleting those that there is no reason to know any more.

That is: a day after the last connection to their practice was cut, 30 days without anybody using the directory, or 30 days
after XPM listed them for the last time. Whoever is, or was, a client's XPM record stays.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, tuple_, update

from portal_db.database import Tx
from portal_db.states import ConnectionState, SyncState
from portal_db.tables import Directory, DirectoryRecord, DirectorySync, XpmConnection, XpmLink
from portal_db.types import db_now

HOUR = 3600
DAY = 24 * HOUR
DISCONNECTED_SECONDS = 24 * HOUR
UNUSED_SECONDS = 30 * DAY
GONE_SECONDS = 30 * DAY

Key = tuple[UUID, str, UUID]


def close(tx: Tx) -> int:
    """Mark directories that are to be purged as never filled, before their records go: nobody searches half of one.

    Returns:
        How many they were.
    """
    running = exists().where(DirectorySync.directory_id == Directory.id, DirectorySync.state == SyncState.RUNNING)
    statement = (
        update(Directory)
        .where(Directory.cursor.is_not(None), ~running, or_(_is_cut(Directory), _is_unused()))
        .values(cursor=None, last_full_at=None, last_incremental_at=None)
    )
    result: Any = tx.session.execute(statement)
    return int(result.rowcount)


def find(tx: Tx, *, limit: int) -> list[Key]:
    """Records to be deleted, by their keys."""
    statement = select(DirectoryRecord.xero_login_id, DirectoryRecord.tenant_id, DirectoryRecord.xpm_uuid)
    return [(row[0], row[1], row[2]) for row in tx.session.execute(statement.where(_is_stale()).limit(limit))]


def count(tx: Tx) -> int:
    return tx.session.scalar(select(func.count()).where(_is_stale())) or 0


def drop(tx: Tx, keys: list[Key]) -> int:
    """Delete those of these records that still are to be."""
    named = tuple_(DirectoryRecord.xero_login_id, DirectoryRecord.tenant_id, DirectoryRecord.xpm_uuid).in_(keys)
    statement = delete(DirectoryRecord).where(named, _is_stale())
    result: Any = tx.session.execute(statement)
    return int(result.rowcount)


def _is_stale() -> ColumnElement[bool]:
    imported = exists().where(
        XpmLink.tenant_id == DirectoryRecord.tenant_id, XpmLink.xpm_uuid == DirectoryRecord.xpm_uuid
    )
    unused = exists().where(_of(Directory, DirectoryRecord), _is_unused())
    long_gone = DirectoryRecord.gone_at < db_now(-GONE_SECONDS)
    return and_(~imported, or_(_is_cut(DirectoryRecord), unused, long_gone))


def _is_cut(table: Any) -> ColumnElement[bool]:
    """No connection reads it, and none did within a day."""
    still = or_(
        XpmConnection.state != ConnectionState.DISCONNECTED,
        XpmConnection.disconnected_at >= db_now(-DISCONNECTED_SECONDS),
    )
    return ~exists().where(_of(XpmConnection, table), still)


def _is_unused() -> ColumnElement[bool]:
    return Directory.last_used_at < db_now(-UNUSED_SECONDS)


def _of(one: Any, other: Any) -> ColumnElement[bool]:
    return and_(one.xero_login_id == other.xero_login_id, one.tenant_id == other.tenant_id)
