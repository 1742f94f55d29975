"""Clients that hang on the XPM connection of somebody who has left, and moving their links to a colleague's connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, select, update

from portal_db.database import Tx
from portal_db.tables import Client, DirectoryRecord, Staff, XpmConnection, XpmLink
from portal_db.visibility import Viewer


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """A connection whose owner has left, with how many clients are tied to XPM through it."""

    connection_id: UUID
    practice_id: UUID
    staff_name: str
    clients: int


def left_behind(tx: Tx, *, viewer: Viewer | None = None, staff_id: UUID | None = None) -> list[LeftBehind]:
    """Connections that clients hang on and whose owners have left; of the clients that somebody may see, or of one owner."""
    columns = (XpmConnection.id, XpmConnection.practice_id, Staff.name)
    statement = (
        select(*columns, func.count())
        .join(Staff, Staff.id == XpmConnection.staff_id)
        .join(XpmLink, XpmLink.connection_id == XpmConnection.id)
        .join(Client, Client.id == XpmLink.client_id)
        .where(Staff.left_at.is_not(None), XpmLink.disconnected_at.is_(None))
        .group_by(*columns)
        .order_by(XpmConnection.id)
    )
    if viewer is not None:
        statement = statement.where(viewer.may_see_client())
    if staff_id is not None:
        statement = statement.where(Staff.id == staff_id)
    return [LeftBehind(*row) for row in tx.session.execute(statement)]


def clients_on(tx: Tx, connection_id: UUID, viewer: Viewer, *, limit: int) -> list[tuple[UUID, str]]:
    """Clients that are tied to XPM through a connection, by name: so many of those that somebody may see."""
    statement = (
        select(Client.id, Client.name)
        .join(XpmLink, XpmLink.client_id == Client.id)
        .where(_hangs_on(connection_id), viewer.may_see_client())
        .order_by(Client.name, Client.id)
        .limit(limit)
    )
    return [(client_id, name) for client_id, name in tx.session.execute(statement)]


def split(tx: Tx, connection_id: UUID, to: XpmConnection) -> tuple[Sequence[UUID], Sequence[UUID]]:
    """The clients on a connection whose records another one's directory shows, and those whose it does not."""
    statement = select(XpmLink.client_id, _is_shown_to(to)).where(_hangs_on(connection_id)).order_by(XpmLink.client_id)
    rows = tx.session.execute(statement).all()
    return [client_id for client_id, shown in rows if shown], [client_id for client_id, shown in rows if not shown]


def move(tx: Tx, connection_id: UUID, to: XpmConnection) -> Sequence[UUID]:
    """Tie the clients on a connection to XPM through another one, where that one's directory shows their records.

    Returns:
        The clients.
    """
    statement = (
        update(XpmLink)
        .where(_hangs_on(connection_id), _is_shown_to(to))
        .values(connection_id=to.id)
        .returning(XpmLink.client_id)
    )
    return sorted(tx.session.scalars(statement))


def _hangs_on(connection_id: UUID) -> ColumnElement[bool]:
    return and_(XpmLink.connection_id == connection_id, XpmLink.disconnected_at.is_(None))


def _is_shown_to(to: XpmConnection) -> ColumnElement[bool]:
    return exists().where(
        XpmLink.tenant_id == to.tenant_id,
        DirectoryRecord.xero_login_id == to.xero_login_id,
        DirectoryRecord.tenant_id == to.tenant_id,
        DirectoryRecord.xpm_uuid == XpmLink.xpm_uuid,
        DirectoryRecord.gone_at.is_(None),
    )
