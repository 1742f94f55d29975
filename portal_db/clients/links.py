"""Links whose XPM record is looked for now and then: which is next, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, update

from portal_db.database import Tx
from portal_db.states import ConnectionState
from portal_db.tables import Client, XpmConnection, XpmLink
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class LinkToCheck:
    """A live link, and the import that made its client: through its requester's connection XPM is asked."""

    link_id: UUID
    practice_id: UUID
    import_id: UUID
    tenant_id: str
    xpm_uuid: UUID


def least_recently_checked(tx: Tx, *, limit: int) -> list[LinkToCheck]:
    """Live links of imported clients over working connections, those never looked for first."""
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
    """Remember what was found, and since when."""
    gone_at = func.coalesce(XpmLink.gone_at, db_now()) if is_gone else None
    statement = update(XpmLink).where(XpmLink.id == link_id).values(checked_at=db_now(), gone_at=gone_at)
    tx.session.execute(statement)


def pass_over(tx: Tx, link_id: UUID) -> None:
    """It could not be looked for; its turn comes again after the others'."""
    statement = update(XpmLink).where(XpmLink.id == link_id).values(checked_at=db_now())
    tx.session.execute(statement)


def gone(tx: Tx) -> list[XpmLink]:
    """Live links whose record was not there any more when it was last looked for."""
    statement = select(XpmLink).where(XpmLink.disconnected_at.is_(None), XpmLink.gone_at.is_not(None))
    return list(tx.session.scalars(statement.order_by(XpmLink.gone_at, XpmLink.id)))
