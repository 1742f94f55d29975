"""Moving the clients of a connection to a colleague's, when its owner has left: their XPM records are read by the colleague
from then on. Clients whose records the colleague cannot see in XPM stay, and are reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from handlers import refusals
from handlers.access.act import Act
from handlers.integration.disconnect import cut
from portal_db.access import credentials, people
from portal_db.database import Database, Tx
from portal_db.directory import directories
from portal_db.states import ConnectionState
from portal_db.tables import XpmConnection
from portal_db.xero import connections, handover
from portal_db.xero.handover import OrphanedConnection


@dataclass(frozen=True)
class Reassigned:
    """Clients that were moved, or would be, and those that stay: the colleague's directory does not show their records."""

    to_connection_id: UUID
    moved: Sequence[UUID]
    left: Sequence[UUID]


def reassign(database: Database, act: Act, connection_id: UUID, to_staff_id: UUID, *, dry_run: bool) -> Reassigned:
    """Move the links of a connection.

    Raises:
        RequestRefused: no such connection or colleague at the practice, or the colleague has no working connection to the
            same practice in XPM, or it was not read yet.
    """
    if dry_run:
        with database.read() as tx:
            to = _colleagues(tx, _require(tx, act, connection_id), to_staff_id)
            return Reassigned(to.id, *handover.split_by_directory(tx, connection_id, to))
    with database.write() as tx:
        row = _require(tx, act, connection_id)
        to = _colleagues(tx, row, to_staff_id)
        moved = handover.move_links(tx, connection_id, to)
        _, left = handover.split_by_directory(tx, connection_id, to)
        act.audit(
            tx,
            "connection.reassign",
            "connection",
            connection_id,
            row.practice_id,
            before=f"{len(moved) + len(left)} clients",
            after=f"{len(moved)} clients to connection {to.id}",
        )
        return Reassigned(to.id, moved, left)


def _require(tx: Tx, act: Act, connection_id: UUID) -> XpmConnection:
    row = connections.get(tx, connection_id)
    if row is None or (act.viewer is not None and row.practice_id != act.viewer.practice_id):
        raise refusals.UNKNOWN_CONNECTION()
    return row


def _colleagues(tx: Tx, row: XpmConnection, staff_id: UUID) -> XpmConnection:
    """The colleague's connection: it must work, read the same tenant, and have a full directory."""
    staff = people.get_staff(tx, staff_id, practice_id=row.practice_id)
    if staff is None or staff.left_at is not None:
        raise refusals.UNKNOWN_COLLEAGUE()
    to = connections.live_connection_of(tx, staff_id)
    if to is None or to.state is not ConnectionState.CONNECTED or to.tenant_id != row.tenant_id:
        raise refusals.COLLEAGUE_NOT_CONNECTED()
    if to.id == row.id:
        raise refusals.CONNECTION_ALREADY_THEIRS()
    directory = directories.of(tx, to.xero_login_id, to.tenant_id)
    if directory is None or directory.last_full_at is None:
        raise refusals.DIRECTORY_NOT_READ()
    return to


@dataclass(frozen=True)
class StaffDeparture:
    """The staff member who left, and their connections through which clients are still linked."""

    staff_id: UUID
    left_behind: list[OrphanedConnection]


def leave(database: Database, act: Act, staff_id: UUID) -> StaffDeparture:
    """Let a staff member leave. Clients stay linked through their connection until it is handed over.

    Raises:
        RequestRefused: there is no such staff member, or they have already left.
    """
    with database.write() as tx:
        staff = people.mark_left(tx, staff_id)
        if staff is None:
            raise refusals.UNKNOWN_STAFF()
        credentials.end_sessions_of_login(tx, staff.login_id)
        connection = connections.live_connection_of(tx, staff_id)
        if connection is not None:
            cut(tx, connection, actor=act.actor, actor_id=act.actor_id)
        act.audit(tx, "staff.leave", "staff", staff_id, staff.practice_id, before="there", after="left")
        return StaffDeparture(staff_id, handover.orphaned_connections(tx, staff_id=staff_id))
