"""What decides when a directory is synced, and whether now: whose time zone counts, who reads it, what the tenant used."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, select

from portal_db.database import Tx
from portal_db.directory import directories
from portal_db.directory.directories import Reader
from portal_db.states import ConnectionState
from portal_db.tables import Directory, DirectorySync, Practice, XpmConnection
from portal_db.types import db_now

DAY = 86_400


@dataclass(frozen=True, slots=True)
class SyncConditions:
    """How a directory stands.

    time_zone: of the practice that has been connected to it the longest. shared_by: directories of its tenant that somebody
    is connected to. readers: whose connections work. states: those of its connections that are not cut. in_use: somebody
    used it of late. has_links: clients are linked through it. syncs_today: those of its tenant, begun within the day.
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
    """The time zone that a directory's hours are in; UTC when no practice ever was connected to it."""
    statement = select(Practice.time_zone).join(XpmConnection, XpmConnection.practice_id == Practice.id)
    is_cut = XpmConnection.state == ConnectionState.DISCONNECTED
    longest = statement.where(_through(directory)).order_by(is_cut, XpmConnection.connected_at, XpmConnection.id)
    return tx.session.scalar(longest.limit(1)) or "UTC"


def shared_by(tx: Tx, tenant_id: str) -> int:
    """How many directories share a tenant's quota: one, unless several logins are connected to it."""
    live = exists().where(
        XpmConnection.xero_login_id == Directory.xero_login_id,
        XpmConnection.tenant_id == Directory.tenant_id,
        XpmConnection.state != ConnectionState.DISCONNECTED,
    )
    found = tx.session.scalar(select(func.count()).select_from(Directory).where(Directory.tenant_id == tenant_id, live))
    return max(found or 0, 1)


def sync_conditions(tx: Tx, directory_id: UUID, *, in_use_days: float) -> SyncConditions:
    directory = tx.session.get_one(Directory, directory_id)
    states = select(XpmConnection.state).where(_through(directory), XpmConnection.state != ConnectionState.DISCONNECTED)
    used = select(Directory.id).where(
        Directory.id == directory_id, Directory.last_used_at >= db_now(-in_use_days * DAY)
    )
    return SyncConditions(
        directory=directory,
        time_zone=time_zone(tx, directory),
        shared_by=shared_by(tx, directory.tenant_id),
        readers=directories.readers(tx, directory),
        states=set(tx.session.scalars(states)),
        in_use=tx.session.scalar(used) is not None,
        has_links=bool(directories.practices_to_resync(tx, directory)),
        syncs_today=_syncs_today(tx, directory.tenant_id),
    )


def _syncs_today(tx: Tx, tenant_id: str) -> int:
    statement = (
        select(func.count())
        .select_from(DirectorySync)
        .join(Directory, Directory.id == DirectorySync.directory_id)
        .where(Directory.tenant_id == tenant_id, DirectorySync.started_at >= db_now(-DAY))
    )
    return tx.session.scalar(statement) or 0


def _through(directory: Directory) -> ColumnElement[bool]:
    return and_(XpmConnection.xero_login_id == directory.xero_login_id, XpmConnection.tenant_id == directory.tenant_id)
