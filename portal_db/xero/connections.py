"""A connection's life: connected, broken, mended, disconnected; and the jobs that wait for it to be mended."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select, update

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore
from portal_db.states import ConnectionState, ErrorClass, JobState
from portal_db.tables import Import, Job, XeroLogin, XpmConnection
from portal_db.types import db_now


def get(tx: Tx, connection_id: UUID) -> XpmConnection | None:
    return tx.session.get(XpmConnection, connection_id)


def live_of(tx: Tx, staff_id: UUID) -> XpmConnection | None:
    """A staff member's connection that is not disconnected; there is one at most."""
    statement = select(XpmConnection).where(
        XpmConnection.staff_id == staff_id, XpmConnection.state != ConnectionState.DISCONNECTED
    )
    return tx.session.scalar(statement)


def listing(tx: Tx, *, practice_id: UUID | None = None) -> list[XpmConnection]:
    """Connections, also those of the past, newest first."""
    statement = select(XpmConnection).order_by(XpmConnection.connected_at.desc(), XpmConnection.id.desc())
    if practice_id is not None:
        statement = statement.where(XpmConnection.practice_id == practice_id)
    return list(tx.session.scalars(statement))


def of_login(tx: Tx, xero_login_id: UUID) -> list[XpmConnection]:
    """The connections that work through a Xero login now."""
    statement = select(XpmConnection).where(
        XpmConnection.xero_login_id == xero_login_id, XpmConnection.state == ConnectionState.CONNECTED
    )
    return list(tx.session.scalars(statement.order_by(XpmConnection.id)))


def break_(tx: Tx, connection_id: UUID, *, xero_login_id: UUID, version: int, code: str) -> int | None:
    """Mark a working connection broken, if the tokens that failed are still its newest.

    Returns:
        Which break of it this is; `None` when it was broken or cut already, or has newer tokens: then nothing broke now.
    """
    # The login before the connection, as a new consent does: whoever is second sees what the first wrote.
    newest = select(XeroLogin.id).where(XeroLogin.id == xero_login_id, XeroLogin.version == version)
    if tx.session.scalar(newest.with_for_update()) is None:
        return None
    statement = (
        update(XpmConnection)
        .where(
            XpmConnection.id == connection_id,
            XpmConnection.xero_login_id == xero_login_id,
            XpmConnection.state == ConnectionState.CONNECTED,
        )
        .values(state=ConnectionState.BROKEN, broken_code=code, broken_at=db_now(), breaks=XpmConnection.breaks + 1)
        .returning(XpmConnection.breaks)
    )
    return tx.session.scalar(statement)


def mend(tx: Tx, connection_id: UUID, *, xero_login_id: UUID, tenant_name: str | None) -> bool:
    """Bring a live connection back through a new consent. False when it was disconnected meanwhile."""
    return _change(
        tx,
        and_(XpmConnection.id == connection_id, XpmConnection.state != ConnectionState.DISCONNECTED),
        state=ConnectionState.CONNECTED,
        xero_login_id=xero_login_id,
        tenant_name=tenant_name,
        broken_code=None,
        broken_at=None,
        connected_at=db_now(),
    )


def wake(tx: Tx, staff_id: UUID) -> int:
    """Let a staff member's jobs that wait for a reconnect go on now; the relay rings them.

    Returns:
        How many there were.
    """
    theirs = select(Import.id).where(Import.requested_by == staff_id)
    statement = (
        update(Job)
        .where(Job.state == JobState.WAITING, Job.error_class == ErrorClass.CONNECTION, Job.import_id.in_(theirs))
        .values(next_attempt_at=db_now(), waiting_since=None, rung_at=None)
        .returning(Job.id)
    )
    return len(tx.session.scalars(statement).all())


def is_back(tx: Tx, import_id: UUID) -> bool:
    """Whether the connection of an import's requester works. It stays as it is until this transaction ends: a reconnect is
    seen here, or sees the job that waits for it. To be asked before the import is locked."""
    statement = (
        select(XpmConnection.state)
        .join(Import, and_(Import.requested_by == XpmConnection.staff_id, Import.id == import_id))
        .where(XpmConnection.state != ConnectionState.DISCONNECTED)
        .with_for_update(of=XpmConnection)
    )
    return tx.session.scalar(statement) is ConnectionState.CONNECTED


def _change(tx: Tx, condition: ColumnElement[bool], **values: Any) -> bool:
    statement = update(XpmConnection).where(condition).values(**values).returning(XpmConnection.id)
    return tx.session.scalar(statement) is not None


def add_connection(tx: Tx, row: dict[str, Any]) -> bool:
    """Record a connection. False when the staff member has a live one: the unique index decides."""
    values = {**row, "state": ConnectionState.CONNECTED, "breaks": 0, "connected_at": db_now()}
    return tx.session.scalar(insert_or_ignore(tx, XpmConnection, values).returning(XpmConnection.id)) is not None


def connection(tx: Tx, connection_id: UUID) -> XpmConnection:
    return tx.session.get_one(XpmConnection, connection_id)


def cut_connection(tx: Tx, connection_id: UUID) -> bool:
    """Mark a connection disconnected; its links stay, and nothing is fetched through it any more.

    Returns:
        False when it was disconnected already.
    """
    statement = (
        update(XpmConnection)
        .where(XpmConnection.id == connection_id, XpmConnection.state != ConnectionState.DISCONNECTED)
        .values(state=ConnectionState.DISCONNECTED, disconnected_at=db_now())
        .returning(XpmConnection.id)
    )
    return tx.session.scalar(statement) is not None
