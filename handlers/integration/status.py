"""The state of a staff member's XPM integration: what is missing to connect it, whether it works, what to do if not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from handlers import refusals
from handlers.access.act import Actor
from handlers.access.caller import Caller
from handlers.errors import ConnectionLost, JobError
from handlers.integration import disconnect as integration_disconnect
from handlers.jobs.handler import CONNECTION_PATIENCE_SECONDS
from handlers.xero.connection import require_connection
from portal_db.database import Database, Tx
from portal_db.directory import directories, schedules
from portal_db.directory.schedules import ScheduleEntry
from portal_db.tables import Practice, XpmConnection
from portal_db.xero import connections, handover, requester
from portal_db.xero.handover import OrphanedConnection

#: How many clients are named of a connection whose owner has left.
NAMED = 50


@dataclass(frozen=True)
class WaitingImports:
    """How many imports wait for a reconnect, and when the first of them fails without one."""

    count: int
    until: datetime


@dataclass(frozen=True)
class IntegrationStatus:
    """The practice, the connection if there is one, and what prevents imports through it, if anything. `waiting`: imports
    that fail unless a lost connection is reconnected."""

    practice: Practice
    connection: XpmConnection | None
    trouble: JobError | None
    waiting: WaitingImports | None = None

    @property
    def mfa_mandatory(self) -> bool:
        return self.practice.mfa_mandatory

    @property
    def is_lost(self) -> bool:
        """Whether the person was connected, and has to reconnect."""
        return isinstance(self.trouble, ConnectionLost)

    @property
    def connection_id(self) -> UUID | None:
        return self.connection.id if self.connection else None


def standing(database: Database, caller: Caller) -> IntegrationStatus:
    """The caller's own integration; each person connects for themselves (b.13)."""
    with database.read() as tx:
        asker = requester.staff_requester(tx, caller.practice_id, caller.staff_id)
    try:
        require_connection(asker)
    except ConnectionLost as lost:
        return IntegrationStatus(asker.practice, asker.connection, lost, _waiting(database, caller))
    except JobError as trouble:
        return IntegrationStatus(asker.practice, asker.connection, trouble)
    return IntegrationStatus(asker.practice, asker.connection, None)


def _waiting(database: Database, caller: Caller) -> WaitingImports | None:
    with database.read() as tx:
        count, since = connections.waiting_imports(tx, caller.practice_id, caller.staff_id)
    if since is None:
        return None
    return WaitingImports(count, since + timedelta(seconds=CONNECTION_PATIENCE_SECONDS))


@dataclass(frozen=True)
class Reading:
    """What the connection's login last read of XPM's clients: as of when, how many, and how many are suddenly missing from
    XPM and are kept until somebody accepts their removal."""

    as_of: datetime
    clients: int
    held: int


def reading(database: Database, connection: XpmConnection) -> Reading | None:
    """What was last read through a connection; `None` before that."""
    with database.read() as tx:
        directory = directories.of(tx, connection.xero_login_id, connection.tenant_id)
        if directory is None or directory.cursor is None:
            return None
        (entry,) = directories.listing(tx, directory_id=directory.id)
        return Reading(directory.cursor, entry.records, entry.missing)


@dataclass(frozen=True)
class Behind:
    """A connection whose owner has left, and the clients on it, by id and name: the first `NAMED` of them."""

    connection: OrphanedConnection
    clients: Sequence[tuple[UUID, str]]


@dataclass(frozen=True)
class Overview:
    """The state of an integration, its sync schedules (next due first), and the connections whose owners have left while
    clients that the caller may see are linked through them."""

    standing: IntegrationStatus
    schedules: Sequence[ScheduleEntry]
    left_behind: Sequence[Behind]


def overview(database: Database, caller: Caller) -> Overview:
    """The caller's own integration in full."""
    found = standing(database, caller)
    with database.read() as tx:
        due = _schedules(tx, found.connection) if found.connection else []
        return Overview(found, due, _left_behind(tx, caller))


def left_behind(database: Database, caller: Caller) -> Sequence[Behind]:
    """The connections whose owners have left while clients that the caller may see are linked through them."""
    with database.read() as tx:
        return _left_behind(tx, caller)


def _left_behind(tx: Tx, caller: Caller) -> Sequence[Behind]:
    return [
        Behind(each, handover.linked_clients(tx, each.connection_id, caller.viewer, limit=NAMED))
        for each in handover.orphaned_connections(tx, viewer=caller.viewer)
    ]


def _schedules(tx: Tx, connection: XpmConnection) -> list[ScheduleEntry]:
    directory = directories.of(tx, connection.xero_login_id, connection.tenant_id)
    return schedules.of_directory(tx, directory.id) if directory else []


def disconnect(database: Database, caller: Caller) -> None:
    """Disconnect the caller's own integration.

    Raises:
        RequestRefused: there is nothing to disconnect.
    """
    found = standing(database, caller)
    if found.connection_id is None:
        raise refusals.XPM_NOT_CONNECTED()
    integration_disconnect.disconnect(database, Actor.of(caller.staff_id), found.connection_id)
