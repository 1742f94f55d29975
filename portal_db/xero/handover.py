"""Clients linked through the XPM connection of somebody who has left, or who came back as another Xero user, and moving
their links to a connection that works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, select, update

from portal_db.aliases import alias_of
from portal_db.database import Tx
from portal_db.states import ConnectionState
from portal_db.tables import Client, Directory, DirectoryRecord, Staff, XpmConnection, XpmLink, same_directory
from portal_db.visibility import Viewer

_former = alias_of(XpmConnection)


@dataclass(frozen=True, slots=True)
class OrphanedConnection:
    """A connection whose owner has left, and how many clients are linked through it."""

    connection_id: UUID
    practice_id: UUID
    staff_name: str
    clients: int


def orphaned_connections(
    tx: Tx, *, viewer: Viewer | None = None, staff_id: UUID | None = None
) -> list[OrphanedConnection]:
    """Connections that clients are linked through and whose owners have left, counting the clients that the viewer may see;
    all of them, or one owner's."""
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
    return [OrphanedConnection(*row) for row in tx.session.execute(statement)]


def replaced_connections(tx: Tx, directory: Directory) -> list[tuple[XpmConnection, XpmConnection]]:
    """Disconnected connections that clients are still linked through, each with its owner's working connection to the same
    practice in XPM, where that one reads this directory."""
    has_links = exists().where(XpmLink.connection_id == _former.id, XpmLink.disconnected_at.is_(None))
    statement = (
        select(_former, XpmConnection)
        .join(
            XpmConnection,
            and_(
                XpmConnection.practice_id == _former.practice_id,
                XpmConnection.staff_id == _former.staff_id,
                XpmConnection.tenant_id == _former.tenant_id,
            ),
        )
        .where(
            same_directory(XpmConnection, directory),
            XpmConnection.state == ConnectionState.CONNECTED,
            _former.state == ConnectionState.DISCONNECTED,
            has_links,
        )
        .order_by(_former.id)
    )
    return [(former, to) for former, to in tx.session.execute(statement)]


def linked_clients(tx: Tx, connection_id: UUID, viewer: Viewer, *, limit: int) -> list[tuple[UUID, str]]:
    """Up to `limit` clients linked through a connection that the viewer may see, by name."""
    statement = (
        select(Client.id, Client.name)
        .join(XpmLink, XpmLink.client_id == Client.id)
        .where(_is_linked_through(connection_id), viewer.may_see_client())
        .order_by(Client.sort_key, Client.id)
        .limit(limit)
    )
    return [(client_id, name) for client_id, name in tx.session.execute(statement)]


def split_by_directory(tx: Tx, connection_id: UUID, to: XpmConnection) -> tuple[Sequence[UUID], Sequence[UUID]]:
    """The clients on a connection whose records another connection's directory lists, and those it does not list."""
    statement = select(XpmLink.client_id, _is_shown_to(to)).where(_is_linked_through(connection_id))
    rows = tx.session.execute(statement.order_by(XpmLink.client_id)).all()
    return [client_id for client_id, shown in rows if shown], [client_id for client_id, shown in rows if not shown]


def move_links(tx: Tx, connection_id: UUID, to: XpmConnection) -> Sequence[UUID]:
    """Move the links on a connection to another one, where the other one's directory lists the records.

    Returns:
        The clients whose links moved.
    """
    statement = (
        update(XpmLink)
        .where(_is_linked_through(connection_id), _is_shown_to(to))
        .values(connection_id=to.id)
        .returning(XpmLink.client_id)
    )
    return sorted(tx.session.scalars(statement))


def _is_linked_through(connection_id: UUID) -> ColumnElement[bool]:
    return and_(XpmLink.connection_id == connection_id, XpmLink.disconnected_at.is_(None))


def _is_shown_to(to: XpmConnection) -> ColumnElement[bool]:
    return exists().where(
        XpmLink.tenant_id == to.tenant_id,
        same_directory(DirectoryRecord, to),
        DirectoryRecord.xpm_uuid == XpmLink.xpm_uuid,
        DirectoryRecord.gone_at.is_(None),
    )
