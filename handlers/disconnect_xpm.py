"""Disconnecting XPM: here at once, at Xero by a job, because Xero may be away (b.11)."""

from __future__ import annotations

from uuid import UUID

from handlers import leave_xero
from handlers.follow_ups import apart
from handlers.requests import RequestRefused
from portal_db import audit, connections, jobs, upstream
from portal_db.database import Database, Tx
from portal_db.states import ActorKind, ConnectionState
from portal_db.tables import XpmConnection


def disconnect(database: Database, connection_id: UUID, *, staff_id: UUID | None = None) -> None:
    """Disconnect a connection.

    Args:
        staff_id: who asks, and whose it must be; without one it is an operator.

    Raises:
        RequestRefused: there is no such connection of theirs, or it is disconnected already.
    """
    with database.write() as tx:
        row = connections.get(tx, connection_id)
        if row is None or staff_id not in (None, row.staff_id):
            raise RequestRefused(
                "unknown_connection", "There is no such connection.", "Check the id.", field="connection_id"
            )
        if not cut(tx, row, actor=ActorKind.OPERATOR if staff_id is None else ActorKind.STAFF, actor_id=staff_id):
            raise RequestRefused(
                "already_disconnected", "This connection is disconnected already.", "", field="connection_id"
            )


def cut(tx: Tx, row: XpmConnection, *, actor: ActorKind, actor_id: UUID | None) -> bool:
    """Disconnect in a transaction that is open; what waits for the connection looks at once, and is turned down.

    Returns:
        False when it was disconnected already.
    """
    if not upstream.cut_connection(tx, row.id):
        return False
    audit.record(
        tx,
        action="connection.state",
        subject="connection",
        subject_id=row.id,
        practice_id=row.practice_id,
        actor=actor,
        actor_id=actor_id,
        before=row.state,
        after=ConnectionState.DISCONNECTED,
    )
    args = {"connection_id": str(row.id)}
    jobs.add(tx, [apart(tx, leave_xero.KIND, row.practice_id, args, dedupe_key=f"{leave_xero.KIND}:{row.id}")])
    connections.wake(tx, row.staff_id)
    return True
