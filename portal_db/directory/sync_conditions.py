"""What decides when a directory is synced: its time zone, who can read it, and how much the tenant was synced already."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import exists, select

from portal_db.database import Tx
from portal_db.dialect import count_rows, has_row
from portal_db.directory import directories
from portal_db.directory.directories import Reader, reads
from portal_db.states import ConnectionState
from portal_db.tables import Directory, DirectorySync, Practice, XpmConnection, is_live_connection, same_directory
from portal_db.types import db_now

DAY = 86_400


@dataclass(frozen=True, slots=True)
class SyncConditions:
    """The facts that decide whether a directory is synced.

    time_zone: of the practice that has been connected the longest. shared_by: how many directories of the tenant have a live
    connection. readers: the working connections. states: of its live connections. in_use: somebody used it recently.
    has_links: clients are linked through it. syncs_today: syncs of its tenant that started within the last 24 hours.
    """

    directory: Directory
    time_zone: str
    shared_by: int
    readers: list[Reader]
    states: Collection[ConnectionState]
    in_use: bool
    has_links: bool
    syncs_today: int


def time_zone(tx: Tx, directory: Directory) -> str:
    """The time zone for a directory's hours; UTC when no practice was ever connected to it."""
    statement = select(Practice.time_zone).join(XpmConnection, XpmConnection.practice_id == Practice.id)
    is_cut = XpmConnection.state == ConnectionState.DISCONNECTED
    longest = statement.where(reads(directory)).order_by(is_cut, XpmConnection.connected_at, XpmConnection.id)
    return tx.session.scalar(longest.limit(1)) or "UTC"


def shared_by(tx: Tx, tenant_id: str) -> int:
    """How many directories share a tenant's quota: 1, unless several logins are connected to it."""
    live = exists().where(same_directory(XpmConnection, Directory), is_live_connection)
    return max(count_rows(tx, Directory.tenant_id == tenant_id, live), 1)


def sync_conditions(tx: Tx, directory_id: UUID, *, in_use_days: float) -> SyncConditions:
    directory = tx.session.get_one(Directory, directory_id, populate_existing=True)
    states = select(XpmConnection.state).where(reads(directory), is_live_connection)
    of_tenant = select(Directory.id).where(Directory.tenant_id == directory.tenant_id)
    return SyncConditions(
        directory=directory,
        time_zone=time_zone(tx, directory),
        shared_by=shared_by(tx, directory.tenant_id),
        readers=directories.readers(tx, directory),
        states=set(tx.session.scalars(states)),
        in_use=has_row(tx, Directory.id == directory_id, Directory.last_used_at >= db_now(-in_use_days * DAY)),
        has_links=bool(directories.practices_to_resync(tx, directory)),
        syncs_today=count_rows(tx, DirectorySync.directory_id.in_(of_tenant), DirectorySync.started_at >= db_now(-DAY)),
    )
