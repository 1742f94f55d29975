"""Taking on what is due: a directory's sync begins in the transaction that claims its due time, or the time is passed over
with the reason. However many due times went by, the schedule runs once and goes on from now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from config.settings import Settings
from handlers.directory.sync import begin_sync, is_under_way
from handlers.jobs.kinds import JobKind
from handlers.schedule import times as schedule_times
from handlers.schedule.times import Times
from portal_db.database import Database, Tx
from portal_db.directory import schedules, sync_conditions
from portal_db.directory.schedules import Due
from portal_db.directory.sync_conditions import SyncConditions
from portal_db.states import ConnectionState, Lane, SyncMode
from portal_db.tables import Directory, Schedule
from portal_db.types import database_time
from portal_db.work import leaders, pauses

#: How many calls a tenant has left of its day; `None` when nobody can say.
CallsLeft = Callable[[str], int | None]


def database_clock(tx: Tx) -> datetime:
    """The database's clock: the one that due times are judged by."""
    return database_time(tx.session)


@dataclass(frozen=True)
class Plan:
    """What decides what is due.

    Args:
        nightly: by name, when the work is due that the leader does itself.
        clock: what time it is; the database's, unless time is made to pass faster.
    """

    settings: Settings
    calls_left: CallsLeft
    nightly: Mapping[str, Times] = field(default_factory=dict)
    clock: Callable[[Tx], datetime] = database_clock


def name_of(directory_id: UUID, mode: SyncMode) -> str:
    """The name of a directory's schedule: short enough to be typed."""
    return f"{mode.value}-{hashlib.sha256(directory_id.bytes).hexdigest()[:10]}"


def adopt(database: Database, plan: Plan) -> None:
    """Give a schedule to whatever has none. It begins with its next due time: what is new has nothing to catch up with."""
    with database.read() as tx:
        is_complete = schedules.existing_names(tx, plan.nightly) == set(plan.nightly)
        lacking = [(directory, mode) for mode in SyncMode for directory in schedules.directories_without(tx, mode)]
    if not is_complete:
        with database.write() as tx:
            for name, times in plan.nightly.items():
                schedules.add(tx, name, times.next_after(plan.clock(tx)))
    for directory, mode in lacking:
        with database.write() as tx:
            due_at = _times_of(tx, plan, directory, mode).next_after(plan.clock(tx))
            schedules.add(tx, name_of(directory.id, mode), due_at, directory_id=directory.id, mode=mode)


def due(database: Database, plan: Plan) -> list[Due]:
    """What is due now."""
    with database.read() as tx:
        return schedules.due(tx, plan.clock(tx), list(plan.nightly))


def take_on(database: Database, plan: Plan, found: Due, owner: str) -> bool:
    """Deal with a due time, once for everybody: whoever does so first decides.

    Args:
        owner: who must lead.

    Returns:
        Whether the due time is ours: a sync's job is inserted, and what the leader does itself it now has to do.
    """
    schedule = found.schedule
    # Outside the transaction: the limiter is on Redis.
    calls_left = plan.calls_left(found.tenant_id) if found.tenant_id is not None else None
    with database.write() as tx:
        if not leaders.is_held(tx, leaders.RELAY, by=owner):
            return False
        standing = _standing(tx, plan, schedule)
        due_at = schedule.next_due_at
        upcoming = _next(plan, schedule, standing).next_after(plan.clock(tx))
        if not schedules.advance(tx, schedule.name, due_at=due_at, next_due_at=upcoming):
            return False
        skip = _skip(tx, plan, schedule, standing, calls_left)
        if skip is None and schedules.claim(tx, schedule.name, due_at, owner):
            return standing is None or _begin(tx, schedule, standing.directory)
        if skip is not None:
            schedules.note_skipped(tx, schedule.name, skip.code, skip.why)
        return False


def _begin(tx: Tx, schedule: Schedule, directory: Directory) -> bool:
    job = begin_sync(tx, directory.id, schedule.mode or SyncMode.FULL, asked_by="schedule")
    if job is None:  # somebody began one since we looked
        schedules.note_skipped(tx, schedule.name, "still_running", None)
        return False
    schedules.note_job(tx, schedule.name, schedule.next_due_at, job.id)
    return True


def _skip(
    tx: Tx, plan: Plan, schedule: Schedule, standing: SyncConditions | None, calls_left: int | None
) -> Skip | None:
    if standing is not None:
        limit = plan.settings.xpm_day_limit
        return reason_to_skip(tx, schedule, standing, day_limit=limit, calls_left=calls_left)
    return Skip("schedule_paused", schedule.paused_why) if schedule.paused_at is not None else None


def _standing(tx: Tx, plan: Plan, schedule: Schedule) -> SyncConditions | None:
    if schedule.directory_id is None:
        return None
    return sync_conditions.sync_conditions(tx, schedule.directory_id, in_use_days=plan.settings.sync_in_use_days)


def _next(plan: Plan, schedule: Schedule, standing: SyncConditions | None) -> Times:
    if standing is None or schedule.mode is None:
        return plan.nightly[schedule.name]
    where, shared_by = standing.time_zone, standing.shared_by
    return schedule_times.due_times(schedule.mode, standing.directory.id, where, plan.settings, directories=shared_by)


def _times_of(tx: Tx, plan: Plan, directory: Directory, mode: SyncMode) -> Times:
    where = sync_conditions.time_zone(tx, directory)
    shared_by = sync_conditions.shared_by(tx, directory.tenant_id)
    return schedule_times.due_times(mode, directory.id, where, plan.settings, directories=shared_by)


#: Below this part of the day's quota, what is left of it is for people and imports.
SPARE = 0.1


@dataclass(frozen=True)
class SkipReason:
    """What keeps a sync from beginning, and what can be done about it: by an operator, and by the practice's staff."""

    words: str
    remedy: str = ""
    staff_remedy: str | None = None

    @property
    def for_staff(self) -> tuple[str, str]:
        return self.words, self.remedy if self.staff_remedy is None else self.staff_remedy


#: By its code.
SKIP_REASONS: dict[str, SkipReason] = {
    "schedule_paused": SkipReason(
        "An operator paused this schedule.", "portal-sync schedule resume lets it run again.", "Ask support."
    ),
    "work_paused": SkipReason(
        "Work of this practice is paused.", "portal-sync pauses list shows what is.", "It goes on by itself."
    ),
    "connection_broken": SkipReason(
        "Xero no longer accepts the connection it is read through.", "Reconnect XPM under Configure > Integrations."
    ),
    "disconnected": SkipReason(
        "Nobody has a connection that works to read it through.", "Connect XPM under Configure > Integrations."
    ),
    "not_used": SkipReason("Nobody has used it of late.", "It is synced again once somebody searches it."),
    "still_running": SkipReason("The sync before it was still under way."),
    "share_used": SkipReason("Syncs have had their tenth of the practice's XPM calls of the day."),
    "short_of_quota": SkipReason("What is left of the practice's XPM calls of the day is kept for imports."),
}


@dataclass(frozen=True)
class Skip:
    """Why a due time is passed over. `why` says more where an operator did."""

    code: str
    why: str | None = None


def reason_to_skip(
    tx: Tx, schedule: Schedule, standing: SyncConditions, *, day_limit: int, calls_left: int | None
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
    paused = pauses.stopping(tx, standing.readers[0].practice_id, Lane.RESYNC, JobKind.SYNC_DIRECTORY)
    if paused:
        return Skip("work_paused", paused[0].pause.reason)
    if not standing.in_use and not (schedule.mode is SyncMode.FULL and standing.has_links):
        return Skip("not_used")
    if is_under_way(tx, standing.directory.id):
        return Skip("still_running")
    if standing.syncs_today >= schedule_times.share_of(day_limit):
        return Skip("share_used")
    if calls_left is not None and calls_left < day_limit * SPARE:
        return Skip("short_of_quota")
    return None
