"""Whether a directory's sync may begin now; if not, why, in words for staff and operators."""

from __future__ import annotations

from dataclasses import dataclass

from handlers import sync_directory, sync_times
from handlers.directory_syncs import is_under_way
from portal_db import pauses
from portal_db.database import Tx
from portal_db.states import ConnectionState, SyncMode
from portal_db.sync_standing import Standing
from portal_db.tables import Schedule

#: Below this part of the day's quota, what is left of it is for people and imports.
SPARE = 0.1


@dataclass(frozen=True)
class Meaning:
    """What keeps a sync from beginning, and what can be done about it: by an operator, and by the practice's staff."""

    words: str
    remedy: str = ""
    staff_remedy: str | None = None

    @property
    def for_staff(self) -> tuple[str, str]:
        return self.words, self.remedy if self.staff_remedy is None else self.staff_remedy


#: By its code.
MEANINGS: dict[str, Meaning] = {
    "schedule_paused": Meaning(
        "An operator paused this schedule.", "portal-sync schedule resume lets it run again.", "Ask support."
    ),
    "work_paused": Meaning(
        "Work of this practice is paused.", "portal-sync pauses list shows what is.", "It goes on by itself."
    ),
    "connection_broken": Meaning(
        "Xero no longer accepts the connection it is read through.", "Reconnect XPM under Configure > Integrations."
    ),
    "disconnected": Meaning(
        "Nobody has a connection that works to read it through.", "Connect XPM under Configure > Integrations."
    ),
    "not_used": Meaning("Nobody has used it of late.", "It is synced again once somebody searches it."),
    "still_running": Meaning("The sync before it was still under way."),
    "share_used": Meaning("Syncs have had their tenth of the practice's XPM calls of the day."),
    "short_of_quota": Meaning("What is left of the practice's XPM calls of the day is kept for imports."),
}


@dataclass(frozen=True)
class Skip:
    """Why a due time is passed over. `why` says more where an operator did."""

    code: str
    why: str | None = None


def reason_to_skip(
    tx: Tx, schedule: Schedule, standing: Standing, *, day_limit: int, calls_left: int | None
) -> Skip | None:
    """What keeps a directory's scheduled sync from beginning now; the first thing that somebody has to do first.

    Args:
        calls_left: calls that the limiter has left for the tenant's day; `None` when it cannot say.
    """
    if schedule.paused_at is not None:
        return Skip("schedule_paused", schedule.paused_why)
    if not standing.readers:
        broken = ConnectionState.BROKEN in standing.states
        return Skip("connection_broken" if broken else "disconnected")
    # The job is that of the practice which has been connected the longest.
    paused = pauses.touching(tx, standing.readers[0].practice_id, sync_directory.LANE, sync_directory.KIND)
    if paused:
        return Skip("work_paused", paused[0].pause.reason)
    if not standing.in_use and not (schedule.mode is SyncMode.FULL and standing.has_links):
        return Skip("not_used")
    if is_under_way(tx, standing.directory.id):
        return Skip("still_running")
    if standing.syncs_today >= sync_times.share_of(day_limit):
        return Skip("share_used")
    if calls_left is not None and calls_left < day_limit * SPARE:
        return Skip("short_of_quota")
    return None
