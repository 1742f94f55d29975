"""A connection's states (connected, broken, reconnected, disconnected), and the jobs that wait for a reconnect."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select, update

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore, update_rows
from portal_db.states import ConnectionState, ErrorClass, JobState
from portal_db.tables import Import, Job, XeroLogin, XpmConnection, is_live_connection
from portal_db.types import db_now
from portal_db.work.due import due_in, import_is_open, state_of_found

#: How long Xero has to go on denying a connection access until it counts as broken.
CONFIRM_SECONDS = 60.0
#: A denial that was not followed by a call for so long is not counted.
DENIAL_COUNTS_SECONDS = 86_400.0


def get(tx: Tx, connection_id: UUID) -> XpmConnection | None:
    return tx.get(XpmConnection, connection_id)


def live_connection_of(tx: Tx, staff_id: UUID) -> XpmConnection | None:
    """A staff member's connection that is not disconnected; there is at most one."""
    statement = select(XpmConnection).where(XpmConnection.staff_id == staff_id, is_live_connection)
    return tx.session.scalar(statement)


def listing(tx: Tx, *, practice_id: UUID | None = None) -> list[XpmConnection]:
    """Connections, past ones too, newest first."""
    statement = select(XpmConnection).order_by(XpmConnection.connected_at.desc(), XpmConnection.id.desc())
    if practice_id is not None:
        statement = statement.where(XpmConnection.practice_id == practice_id)
    return list(tx.session.scalars(statement))


def of_login(tx: Tx, xero_login_id: UUID) -> list[XpmConnection]:
    """The working connections of a Xero login."""
    statement = select(XpmConnection).where(
        XpmConnection.xero_login_id == xero_login_id, XpmConnection.state == ConnectionState.CONNECTED
    )
    return list(tx.session.scalars(statement.order_by(XpmConnection.id)))


def note_denial(tx: Tx, connection_id: UUID) -> float:
    """Note that Xero denied a connection access.

    Returns:
        In how many seconds a further denial counts; 0 once Xero has denied it for a minute.
    """
    statement = select(XpmConnection.denied_at, db_now()).where(XpmConnection.id == connection_id).with_for_update()
    denied_at, now = tx.session.execute(statement).one()
    since = (now - denied_at).total_seconds() if denied_at is not None else -1.0
    if not 0 <= since <= DENIAL_COUNTS_SECONDS:
        update_rows(tx, XpmConnection, XpmConnection.id == connection_id, denied_at=db_now())
        return CONFIRM_SECONDS
    return max(0.0, CONFIRM_SECONDS - float(since))


def forget_denial(tx: Tx, connection_id: UUID) -> None:
    """The connection works."""
    update_rows(tx, XpmConnection, XpmConnection.id == connection_id, denied_at=None)


def mark_broken(tx: Tx, connection_id: UUID, *, xero_login_id: UUID, version: int, code: str) -> int | None:
    """Mark a working connection broken, if the tokens that failed are still its newest.

    Returns:
        The number of this break; `None` when the connection was broken or disconnected already, or has newer tokens.
    """
    # Locked in the order that a new consent uses, login before connection: the second of the two sees what the first wrote.
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


def reconnect(tx: Tx, connection_id: UUID, *, xero_login_id: UUID, tenant_name: str | None) -> bool:
    """Reconnect a live connection through a new consent. False when it was disconnected meanwhile."""
    changed = update_rows(
        tx,
        XpmConnection,
        XpmConnection.id == connection_id,
        is_live_connection,
        state=ConnectionState.CONNECTED,
        xero_login_id=xero_login_id,
        tenant_name=tenant_name,
        broken_code=None,
        broken_at=None,
        denied_at=None,
        connected_at=db_now(),
    )
    return bool(changed)


def resume_waiting_jobs(tx: Tx, staff_id: UUID) -> int:
    """Make a staff member's jobs that wait for a reconnect due now; the relay rings them.

    Returns:
        How many jobs there were.
    """
    return update_rows(
        tx,
        Job,
        Job.state == JobState.WAITING,
        Job.error_class == ErrorClass.CONNECTION,
        Job.import_id.in_(select(Import.id).where(Import.requested_by == staff_id)),
        waiting_since=None,
        **due_in(0),
    )


def waiting_imports(tx: Tx, practice_id: UUID, staff_id: UUID) -> tuple[int, datetime | None]:
    """How many of a staff member's imports wait for a reconnect, and since when the first one does. Asked for each of their
    pages, so it looks at open imports only."""
    own = (Import.practice_id == practice_id, Import.requested_by == staff_id, import_is_open())
    statement = (
        select(func.count(Job.import_id.distinct()), func.min(Job.waiting_since))
        .join(Import, Import.id == Job.import_id)
        .where(*own, state_of_found == JobState.WAITING, Job.error_class == ErrorClass.CONNECTION)
    )
    count, since = tx.session.execute(statement).one()
    return count, since


def works_for_import(tx: Tx, import_id: UUID) -> bool:
    """Whether the connection of an import's requester works. The connection is locked: a reconnect is either seen here, or
    sees the job that waits for it. Call this before locking the import."""
    statement = (
        select(XpmConnection.state)
        .join(Import, and_(Import.requested_by == XpmConnection.staff_id, Import.id == import_id))
        .where(is_live_connection)
        .with_for_update(of=XpmConnection)
    )
    return tx.session.scalar(statement) is ConnectionState.CONNECTED


def add_connection(tx: Tx, row: dict[str, Any]) -> bool:
    """Record a connection. False when the staff member has a live one: the unique index decides."""
    values = {**row, "state": ConnectionState.CONNECTED, "breaks": 0, "connected_at": db_now()}
    return insert_or_ignore(tx, XpmConnection, values)


def get_one(tx: Tx, connection_id: UUID) -> XpmConnection:
    return tx.session.get_one(XpmConnection, connection_id, populate_existing=True)


def disconnect(tx: Tx, connection_id: UUID) -> bool:
    """Mark a connection disconnected; its links stay, but nothing is fetched through it. False when it was already."""
    is_live = (XpmConnection.id == connection_id, is_live_connection)
    values = {"state": ConnectionState.DISCONNECTED, "disconnected_at": db_now()}
    return bool(update_rows(tx, XpmConnection, *is_live, **values))
