"""Checking that linked XPM records still exist: which link is checked next, and what was found."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select

from portal_db.database import Tx
from portal_db.dialect import update_rows
from portal_db.states import ConnectionState
from portal_db.tables import Client, XpmConnection, XpmLink
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class LinkToCheck:
    """A live link, and the import that created its client: XPM is asked through the import requester's connection."""

    link_id: UUID
    practice_id: UUID
    import_id: UUID
    tenant_id: str
    xpm_uuid: UUID


def least_recently_checked(tx: Tx, *, limit: int) -> list[LinkToCheck]:
    """Live links of imported clients with a working connection, those never checked first."""
    connected = select(XpmConnection.id).where(
        XpmConnection.practice_id == XpmLink.practice_id,
        XpmConnection.tenant_id == XpmLink.tenant_id,
        XpmConnection.state == ConnectionState.CONNECTED,
    )
    columns = (XpmLink.id, XpmLink.practice_id, Client.import_id, XpmLink.tenant_id, XpmLink.xpm_uuid)
    statement = (
        select(*columns)
        .join(Client, Client.id == XpmLink.client_id)
        .where(XpmLink.disconnected_at.is_(None), Client.import_id.is_not(None), connected.exists())
        .order_by(XpmLink.checked_at.is_not(None), XpmLink.checked_at, XpmLink.id)
        .limit(limit)
    )
    return [
        LinkToCheck(link_id, practice_id, import_id, tenant_id, xpm_uuid)
        for link_id, practice_id, import_id, tenant_id, xpm_uuid in tx.session.execute(statement)
        if import_id is not None
    ]


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
