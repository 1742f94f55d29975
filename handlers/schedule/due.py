"""Claims due times: a directory's sync begins in the transaction that claims its due time, or the time is skipped with a
reason. However many due times were missed, the schedule runs once and continues from now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from config.settings import Settings
from handlers.directory.sync import begin_sync, stopping, under_way
from handlers.schedule import times as schedule_times
from handlers.schedule.times import Times
from portal_db.database import Database, Tx
from portal_db.directory import schedules, sync_conditions
from portal_db.directory.schedules import Due
from portal_db.directory.sync_conditions import SyncConditions
from portal_db.states import ConnectionState, SyncMode
from portal_db.tables import Directory, Schedule
from portal_db.types import database_time
from portal_db.work import leaders

#: How many calls a tenant has left of its day; `None` when nobody can say.
CallsLeft = Callable[[str], int | None]


def database_clock(tx: Tx) -> datetime:
    """The database's clock: the one that due times are judged by."""
    return database_time(tx.session)


@dataclass(frozen=True)
class Plan:
    """What decides what is due.

    Args:
        nightly: by name, when the leader's own work is due.
        clock: what time it is; the database's, unless a test speeds time up.
    """

    settings: Settings
    calls_left: CallsLeft
    nightly: Mapping[str, Times] = field(default_factory=dict)
    clock: Callable[[Tx], datetime] = database_clock


def name_of(directory_id: UUID, mode: SyncMode) -> str:
    """The name of a directory's schedule: short enough to be typed."""
    return f"{mode.value}-{hashlib.sha256(directory_id.bytes).hexdigest()[:10]}"


def adopt(database: Database, plan: Plan) -> None:
    """Create missing schedules. A new one starts with its next due time, since it has nothing to catch up with."""
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


def plan_anew(database: Database, plan: Plan) -> None:
    """Plan again what was planned before the database's clock went back. What is ahead now has not happened yet: due times
    that were claimed then are due once more."""
    with database.read() as tx:
        ahead = schedules.planned_ahead(tx)
    for schedule in ahead:
        if schedule.directory_id is None and schedule.name not in plan.nightly:
            continue  # a newer release's
        with database.write() as tx:
            now = plan.clock(tx)
            upcoming = _next(plan, schedule, _conditions_of(tx, plan, schedule)).next_after(now)
            if schedules.advance(tx, schedule.name, due_at=schedule.next_due_at, next_due_at=upcoming):
                schedules.forget_runs_after(tx, schedule.name, now)


def due(database: Database, plan: Plan) -> list[Due]:
    """What is due now."""
    with database.read() as tx:
        return schedules.due(tx, plan.clock(tx), list(plan.nightly))


def take_on(database: Database, plan: Plan, found: Due, owner: str) -> bool:
    """Claim a due time exactly once across processes, and begin its sync or skip it.

    Args:
        owner: who must lead.

    Returns:
        Whether we claimed it: a sync's job is inserted; the leader must now do its own work.
    """
    schedule = found.schedule
    # Outside the transaction: the limiter is on Redis.
    calls_left = plan.calls_left(found.tenant_id) if found.tenant_id is not None else None
    with database.write() as tx:
        if not leaders.is_held(tx, leaders.RELAY, by=owner):
            return False
        conditions = _conditions_of(tx, plan, schedule)
        skip = _skip(tx, plan, schedule, conditions, calls_left)
        if skip is not None and skip.only_for_now:
            return False
        due_at = schedule.next_due_at
        upcoming = _next(plan, schedule, conditions).next_after(plan.clock(tx))
        if not schedules.advance(tx, schedule.name, due_at=due_at, next_due_at=upcoming):
            return False
        if skip is None and schedules.claim(tx, schedule.name, due_at, owner):
            return conditions is None or _begin(tx, schedule, conditions.directory)
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
    tx: Tx, plan: Plan, schedule: Schedule, conditions: SyncConditions | None, calls_left: int | None
) -> Skip | None:
    if conditions is not None:
        limit = plan.settings.xpm_day_limit
        return reason_to_skip(tx, schedule, conditions, day_limit=limit, calls_left=calls_left)
    return Skip("schedule_paused", schedule.paused_why) if schedule.paused_at is not None else None


def _conditions_of(tx: Tx, plan: Plan, schedule: Schedule) -> SyncConditions | None:
    if schedule.directory_id is None:
        return None
    return sync_conditions.sync_conditions(tx, schedule.directory_id, in_use_days=plan.settings.sync_in_use_days)


def _next(plan: Plan, schedule: Schedule, conditions: SyncConditions | None) -> Times:
    if conditions is None or schedule.mode is None:
        return plan.nightly[schedule.name]
    where, shared_by = conditions.time_zone, conditions.shared_by
    return schedule_times.due_times(schedule.mode, conditions.directory.id, where, plan.settings, directories=shared_by)


def _times_of(tx: Tx, plan: Plan, directory: Directory, mode: SyncMode) -> Times:
    where = sync_conditions.time_zone(tx, directory)
    shared_by = sync_conditions.shared_by(tx, directory.tenant_id)
    return schedule_times.due_times(mode, directory.id, where, plan.settings, directories=shared_by)


#: When less than this part of the day's quota is left, it is kept for people and imports.
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
        "An operator paused this schedule.", "Run portal-sync schedule resume to let it run again.", "Contact support."
    ),
    "work_paused": SkipReason(
        "Work of this practice is paused.", "Run portal-sync pauses list to see why.", "It will resume automatically."
    ),
    "connection_broken": SkipReason(
        "Xero no longer accepts the connection used to read this directory.",
        "Reconnect XPM under Configure > Integrations.",
    ),
    "disconnected": SkipReason(
        "Nobody has a working connection that can read this directory.", "Connect XPM under Configure > Integrations."
    ),
    "not_used": SkipReason("Nobody has used it recently.", "It will be synced again when somebody searches it."),
    "still_running": SkipReason("The previous sync was still under way."),
    "share_used": SkipReason("Syncs have used their tenth of the practice's daily XPM calls."),
    "short_of_quota": SkipReason("The practice's remaining XPM calls for today are kept for imports."),
}


@dataclass(frozen=True)
class Skip:
    """Why a due time is skipped. `why` holds the operator's reason, if one paused it. `only_for_now`: it stays due, and the
    next look tries again."""

    code: str
    why: str | None = None
    only_for_now: bool = False


def reason_to_skip(
    tx: Tx, schedule: Schedule, conditions: SyncConditions, *, day_limit: int, calls_left: int | None
) -> Skip | None:
    """Why a directory's scheduled sync cannot begin now: the first reason in order of what must be fixed first.

    Args:
        calls_left: the tenant's remaining calls today; `None` when the limiter is unavailable.
    """
    if schedule.paused_at is not None:
        return Skip("schedule_paused", schedule.paused_why)
    if not conditions.readers:
        broken = ConnectionState.BROKEN in conditions.states
        return Skip("connection_broken" if broken else "disconnected")
    # The job is that of the practice which has been connected the longest, of those that are not paused.
    paused = [stopping(tx, reader) for reader in conditions.readers]
    if all(paused):
        return Skip("work_paused", paused[0][0].pause.reason)
    if not conditions.in_use and not (schedule.mode is SyncMode.FULL and conditions.has_links):
        return Skip("not_used")
    running = under_way(tx, conditions.directory.id)
    if running is not None:
        # A sync of changes does not replace the night's full one, which is due only once in a day.
        return Skip("still_running", only_for_now=schedule.mode is SyncMode.FULL and running is not SyncMode.FULL)
    if conditions.syncs_today >= schedule_times.share_of(day_limit):
        return Skip("share_used")
    if calls_left is not None and calls_left < day_limit * SPARE:
        return Skip("short_of_quota")
    return None
