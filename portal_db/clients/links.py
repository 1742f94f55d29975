"""Checking that linked XPM records still exist: which link is checked next, and what was found."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, func, select

from portal_db.database import Tx
from portal_db.dialect import update_rows
from portal_db.states import ConnectionState
from portal_db.tables import Directory, DirectoryRecord, XpmConnection, XpmLink, same_directory
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class LinkToCheck:
    """A live link, its connection, through which XPM is asked, and its record as that connection's login last saw it."""

    link: XpmLink
    connection: XpmConnection
    record: DirectoryRecord | None
    directory: Directory | None


def least_recently_checked(tx: Tx, *, limit: int) -> list[LinkToCheck]:
    """Live links whose connection works, those never checked first."""
    seen = and_(same_directory(DirectoryRecord, XpmConnection), DirectoryRecord.xpm_uuid == XpmLink.xpm_uuid)
    statement = (
        select(XpmLink, XpmConnection, DirectoryRecord, Directory)
        .join(XpmConnection, XpmConnection.id == XpmLink.connection_id)
        .outerjoin(DirectoryRecord, seen)
        .outerjoin(Directory, same_directory(Directory, XpmConnection))
        .where(XpmLink.disconnected_at.is_(None), XpmConnection.state == ConnectionState.CONNECTED)
        .order_by(XpmLink.checked_at.is_not(None), XpmLink.checked_at, XpmLink.id)
        .limit(limit)
    )
    return [LinkToCheck(*row) for row in tx.session.execute(statement)]


def note_checked(tx: Tx, link_id: UUID, *, is_gone: bool) -> None:
    """Record whether a link's record still exists, and since when it does not."""
    gone_at = func.coalesce(XpmLink.gone_at, db_now()) if is_gone else None
    update_rows(tx, XpmLink, XpmLink.id == link_id, checked_at=db_now(), gone_at=gone_at)


def postpone(tx: Tx, link_ids: Collection[UUID]) -> None:
    """Move links to the end of the queue, whether or not they could be checked."""
    update_rows(tx, XpmLink, XpmLink.id.in_(link_ids), checked_at=db_now())


def links_without_record(tx: Tx) -> list[XpmLink]:
    """Live links whose record did not exist when it was last checked."""
    statement = select(XpmLink).where(XpmLink.disconnected_at.is_(None), XpmLink.gone_at.is_not(None))
    return list(tx.session.scalars(statement.order_by(XpmLink.gone_at, XpmLink.id)))
