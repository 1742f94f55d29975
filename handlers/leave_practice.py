"""A staff member leaves: they are signed out for good, their XPM connection ends, and what they leave behind is told."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from handlers.acting import Act
from handlers.disconnect_xpm import cut
from handlers.requests import RequestRefused
from portal_db import access, connections, handover, people
from portal_db.database import Database
from portal_db.handover import LeftBehind


@dataclass(frozen=True)
class Left:
    """Who has left, and the connections of theirs that clients still hang on."""

    staff_id: UUID
    left_behind: list[LeftBehind]


def leave(database: Database, act: Act, staff_id: UUID) -> Left:
    """Let a staff member leave. Clients stay tied to XPM through their connection until a colleague takes them.

    Raises:
        RequestRefused: there is nobody such, or they have left already.
    """
    with database.write() as tx:
        staff = people.leave(tx, staff_id)
        if staff is None:
            raise RequestRefused(
                "unknown_staff", "Nobody with this id works at a practice.", "Check the id.", field="staff_id"
            )
        access.end_sessions_of(tx, staff.login_id)
        connection = connections.live_of(tx, staff_id)
        if connection is not None:
            cut(tx, connection, actor=act.actor, actor_id=act.actor_id)
        act.audit(tx, "staff.leave", "staff", staff_id, staff.practice_id, before="there", after="left")
        return Left(staff_id, handover.left_behind(tx, staff_id=staff_id))
