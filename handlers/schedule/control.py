"""What operators do with schedules: run one now, pause it, resume it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid5

from handlers import refusals
from handlers.access.act import Act
from handlers.directory.sync import begin_sync, still_running
from handlers.errors import RequestRefused
from portal_db.access import people
from portal_db.database import Database, Tx
from portal_db.directory import schedules
from portal_db.directory.schedules import ScheduleEntry
from portal_db.tables import Schedule

_NAMES = UUID("0f4cf0a8-5a3e-5b53-8f2b-0f6d3c1d9a77")


def run_now(database: Database, act: Act, name: str) -> UUID:
    """Begin a directory's sync now; its due times stay as they are.

    Returns:
        The job.

    Raises:
        RequestRefused: there is no such schedule or it is not a directory's, a sync of the directory is under way, or nobody
            has a working connection that can read it.
    """
    with database.write() as tx:
        row = _require(tx, name)
        if row.directory_id is None or row.mode is None:
            raise refusals.NOT_A_SYNC(name=row.name)
        job = begin_sync(tx, row.directory_id, row.mode, asked_by="command line")
        if job is None:
            raise still_running(tx, row.directory_id)
        _audit(tx, act, name, "schedule.run", after="begun by hand")
        return job.id


def pause(database: Database, act: Act, *names: str) -> None:
    """Pause schedules, all of them or none: their due times are skipped. A sync that is running finishes.

    Raises:
        RequestRefused: none is named, there is no such schedule, or one is paused already.
    """
    if not names:
        raise refusals.BAD_FIELD(field="name", reason="choose at least one schedule")
    with database.write() as tx:
        for name in sorted(names):
            if not schedules.pause(tx, name, by=act.actor_id, why=act.why):
                raise _already_paused(tx, _require(tx, name))
            _audit(tx, act, name, "schedule.pause", before="running", after="paused")


def resume(database: Database, act: Act, *names: str) -> list[Schedule]:
    """Resume schedules, all of them or none, from their next due times.

    Raises:
        RequestRefused: none is named, there is no such schedule, or one is not paused.
    """
    if not names:
        raise refusals.BAD_FIELD(field="name", reason="choose at least one schedule")
    with database.write() as tx:
        found = [_require(tx, name) for name in sorted(names)]
        for name in sorted(names):
            if not schedules.resume(tx, name):
                raise refusals.SCHEDULE_NOT_PAUSED()
            _audit(tx, act, name, "schedule.resume", before="paused", after="running")
        return found


def _require(tx: Tx, name: str) -> Schedule:
    row = schedules.get(tx, name)
    if row is None:
        raise refusals.UNKNOWN_SCHEDULE()
    return row


def _already_paused(tx: Tx, row: Schedule) -> RequestRefused:
    who = people.get_operator(tx, row.paused_by) if row.paused_by else None
    since = f" since {row.paused_at:%Y-%m-%d %H:%M:%S} UTC" if row.paused_at else ""
    name = who.name if who else "somebody"
    return refusals.ALREADY_PAUSED(
        field="schedule", scope=f"Schedule {row.name}", who=name, since=since, reason=row.paused_why
    )


def _audit(tx: Tx, act: Act, name: str, action: str, *, before: str | None = None, after: str) -> None:
    """Audit a schedule under an id derived from its name, since the audit trail needs an id."""
    act.audit(tx, action, "schedule", uuid5(_NAMES, name), None, before=before, after=f"{name}: {after}")


def listing(database: Database, practice_id: UUID | None = None) -> Sequence[ScheduleEntry]:
    """Schedules of a practice, or all of them, next due first.

    Raises:
        RequestRefused: there is no such practice.
    """
    with database.glance() as tx:
        if practice_id is not None and people.get_practice(tx, practice_id) is None:
            raise refusals.UNKNOWN_PRACTICE()
        return schedules.listing(tx, practice_id=practice_id)
