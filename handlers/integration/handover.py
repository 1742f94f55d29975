"""Somebody leaves, and a colleague takes over: the clients that are assigned to them, and those on their XPM connection,
whose records the colleague's connection reads from then on. Clients whose records the colleague cannot see in XPM stay on
it, and are reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from handlers import refusals
from handlers.access.act import Act
from handlers.access.caller import Caller
from handlers.access.staff import require_changeable
from handlers.errors import RequestRefused
from handlers.integration.disconnect import cut
from portal_db.access import credentials, people
from portal_db.access.people import Person
from portal_db.clients import clients
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
        return _reassign(tx, act, connection_id, to_staff_id)


def _reassign(tx: Tx, act: Act, connection_id: UUID, to_staff_id: UUID) -> Reassigned:
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
    _require_colleague(tx, staff_id, row.practice_id)
    to = connections.live_connection_of(tx, staff_id)
    if to is None or to.state is not ConnectionState.CONNECTED or to.tenant_id != row.tenant_id:
        raise refusals.COLLEAGUE_NOT_CONNECTED()
    if to.id == row.id:
        raise refusals.CONNECTION_ALREADY_THEIRS()
    directory = directories.of(tx, to.xero_login_id, to.tenant_id)
    if directory is None or directory.last_full_at is None:
        raise refusals.DIRECTORY_NOT_READ()
    return to


def _require_colleague(tx: Tx, staff_id: UUID, practice_id: UUID, *, other_than: UUID | None = None) -> None:
    if staff_id == other_than or people.at_work(tx, staff_id, practice_id=practice_id) is None:
        raise refusals.UNKNOWN_COLLEAGUE()


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
        return _leave(tx, act, staff_id)


def deactivate(database: Database, caller: Caller, staff_id: UUID, to_staff_id: UUID | None) -> StaffDeparture:
    """Let a colleague leave, and hand their clients over.

    Args:
        to_staff_id: who is assigned their clients and, where they are connected to the same practice in XPM, reads the
            records on their connection. Without them both stay as they are, and owners see them.

    Raises:
        RequestRefused: the caller may not, or one of the two does not work at their practice.
    """
    act = Act.of_staff(caller)
    with database.write() as tx:
        require_changeable(tx, caller, staff_id)
        if to_staff_id is not None:
            _require_colleague(tx, to_staff_id, caller.practice_id, other_than=staff_id)
        departure = _leave(tx, act, staff_id)
        if to_staff_id is None:
            return departure
        count = clients.hand_over(tx, staff_id, to_staff_id)
        act.audit(
            tx, "staff.hand_over", "staff", staff_id, caller.practice_id, after=f"{count} clients to {to_staff_id}"
        )
        for each in departure.left_behind:
            with suppress(RequestRefused):  # not connected to the same practice: they stay, and are reported
                _reassign(tx, act, each.connection_id, to_staff_id)
        return StaffDeparture(staff_id, handover.orphaned_connections(tx, staff_id=staff_id))


def who_leaves(database: Database, staff_id: UUID) -> Person | None:
    """Who would leave; `None` if there is nobody with this id."""
    with database.read() as tx:
        return people.who_is(tx, staff_id)


def _leave(tx: Tx, act: Act, staff_id: UUID) -> StaffDeparture:
    staff = people.mark_left(tx, staff_id)
    if staff is None:
        raise refusals.UNKNOWN_STAFF()
    credentials.end_sessions_of_login(tx, staff.login_id)
    connection = connections.live_connection_of(tx, staff_id)
    if connection is not None:
        cut(tx, connection, act)
    act.audit(tx, "staff.leave", "staff", staff_id, staff.practice_id, before="there", after="left")
    return StaffDeparture(staff_id, handover.orphaned_connections(tx, staff_id=staff_id))
