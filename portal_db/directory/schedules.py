"""Schedules: what is due, claiming a due time exactly once across processes, skipping it, pausing and listing.

The unique (schedule, due time) row decides who claimed a due time, neither the clock nor which process leads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select

from portal_db.aliases import alias_of
from portal_db.database import Tx
from portal_db.dialect import delete_rows, insert_or_ignore, update_rows
from portal_db.states import SyncMode
from portal_db.tables import (
    Directory,
    DirectorySync,
    Operator,
    Practice,
    Schedule,
    ScheduledRun,
    XpmConnection,
    is_live_connection,
    same_directory,
)
from portal_db.types import db_now

#: A clock that goes back by less changes no schedule: a due time that was claimed just before is not claimed again.
CLOCK_SLACK_SECONDS = 60.0


def add(
    tx: Tx, name: str, next_due_at: datetime, *, directory_id: UUID | None = None, mode: SyncMode | None = None
) -> None:
    """Add a schedule, unless there is one with this name."""
    row = {"name": name, "directory_id": directory_id, "mode": mode, "next_due_at": next_due_at}
    insert_or_ignore(tx, Schedule, {**row, "planned_at": db_now(), "created_at": db_now()})


def get(tx: Tx, name: str) -> Schedule | None:
    return tx.get(Schedule, name)


def existing_names(tx: Tx, names: Collection[str]) -> set[str]:
    """The names among these that have a schedule."""
    return set(tx.session.scalars(select(Schedule.name).where(Schedule.name.in_(names))))


def directories_without(tx: Tx, mode: SyncMode) -> list[Directory]:
    """Directories with a live connection whose syncs of this mode have no schedule yet."""
    has_one = exists().where(Schedule.directory_id == Directory.id, Schedule.mode == mode)
    statement = select(Directory).where(~has_one, _is_connected()).order_by(Directory.id)
    return list(tx.session.scalars(statement))


@dataclass(frozen=True, slots=True)
class Due:
    """A schedule that is due, and the tenant of its directory."""

    schedule: Schedule
    tenant_id: str | None


def due(tx: Tx, now: datetime, names: Collection[str]) -> list[Due]:
    """Schedules that are due, the longest due first: directories' syncs, and other schedules with one of these names."""
    statement = (
        select(Schedule, Directory.tenant_id)
        .outerjoin(Directory, Directory.id == Schedule.directory_id)
        .where(Schedule.next_due_at <= now, or_(Schedule.directory_id.is_not(None), Schedule.name.in_(names)))
        .order_by(Schedule.next_due_at, Schedule.name)
    )
    return [Due(schedule, tenant_id) for schedule, tenant_id in tx.session.execute(statement)]


def advance(tx: Tx, name: str, *, due_at: datetime, next_due_at: datetime) -> bool:
    """Move on to the next due time. False when somebody has dealt with this one."""
    is_current = (Schedule.name == name, Schedule.next_due_at == due_at)
    return bool(update_rows(tx, Schedule, *is_current, next_due_at=next_due_at, planned_at=db_now()))


def planned_ahead(tx: Tx) -> list[Schedule]:
    """Schedules that were planned in the future: the database's clock has gone back since, and their due times with it."""
    statement = select(Schedule).where(Schedule.planned_at > db_now(CLOCK_SLACK_SECONDS))
    return list(tx.session.scalars(statement.order_by(Schedule.name)))


def forget_runs_after(tx: Tx, name: str, moment: datetime) -> None:
    """Let due times after a moment be claimed again."""
    delete_rows(tx, ScheduledRun, ScheduledRun.schedule == name, ScheduledRun.due_at > moment)


def claim(tx: Tx, schedule: str, due_at: datetime, owner: str) -> bool:
    """Claim a due time. False when somebody has claimed it already.

    What it writes to the record belongs in the same transaction, so that it happens exactly once. Work outside the
    transaction happens at most once.
    """
    row = {"schedule": schedule, "due_at": due_at, "owner": owner, "claimed_at": db_now()}
    if not insert_or_ignore(tx, ScheduledRun, row):
        return False
    update_rows(tx, Schedule, Schedule.name == schedule, skipped_at=None, skipped_code=None, skipped_why=None)
    return True


def note_job(tx: Tx, schedule: str, due_at: datetime, job_id: UUID) -> None:
    """Record which job does the work of a claimed due time."""
    update_rows(tx, ScheduledRun, _is_run(schedule, due_at), job_id=job_id)


def note_ended(tx: Tx, schedule: str, due_at: datetime, *, succeeded: bool) -> None:
    """Record that the work of a claimed due time has ended."""
    update_rows(tx, ScheduledRun, _is_run(schedule, due_at), ended_at=db_now(), succeeded=succeeded)


def note_skipped(tx: Tx, name: str, code: str, why: str | None) -> None:
    """Record why a due time was skipped; kept until the next one runs."""
    update_rows(tx, Schedule, Schedule.name == name, skipped_at=db_now(), skipped_code=code, skipped_why=why)


def pause(tx: Tx, name: str, *, by: UUID, why: str) -> bool:
    """Stop a schedule from running. False when it is paused already, or unknown."""
    is_running = (Schedule.name == name, Schedule.paused_at.is_(None))
    return bool(update_rows(tx, Schedule, *is_running, paused_at=db_now(), paused_by=by, paused_why=why))


def resume(tx: Tx, name: str) -> bool:
    """Let a schedule run again, from its next due time. False when it is not paused, or unknown."""
    is_paused = (Schedule.name == name, Schedule.paused_at.is_not(None))
    return bool(update_rows(tx, Schedule, *is_paused, paused_at=None, paused_by=None, paused_why=None))


def _is_run(schedule: str, due_at: datetime) -> ColumnElement[bool]:
    return and_(ScheduledRun.schedule == schedule, ScheduledRun.due_at == due_at)


@dataclass(frozen=True, slots=True)
class ScheduleEntry:
    """A schedule with its practices, who paused it, its last run and, for a directory, the last sync of its mode, whoever
    requested it."""

    schedule: Schedule
    practices: list[str]
    paused_by: str | None
    sync: DirectorySync | None
    run: ScheduledRun | None

    @property
    def passed_over(self) -> str | None:
        """The code of why the last due time was skipped, unless a sync has started since."""
        row, sync = self.schedule, self.sync
        if sync is not None and row.skipped_at is not None and sync.started_at > row.skipped_at:
            return None
        return row.skipped_code


def listing(tx: Tx, *, practice_id: UUID | None = None) -> list[ScheduleEntry]:
    """Schedules in the order they are next due: a practice's, or all except directories' without a live connection."""
    if practice_id is not None:
        return _entries(tx, _is_connected(practice_id))
    return _entries(tx, or_(Schedule.directory_id.is_(None), _is_connected()))


def of_directory(tx: Tx, directory_id: UUID) -> list[ScheduleEntry]:
    """A directory's schedules, in the order they are next due."""
    return _entries(tx, Schedule.directory_id == directory_id)


def _entries(tx: Tx, condition: ColumnElement[bool]) -> list[ScheduleEntry]:
    last_due = (
        select(ScheduledRun.due_at).where(ScheduledRun.schedule == Schedule.name).order_by(ScheduledRun.due_at.desc())
    )
    of_mode = alias_of(DirectorySync)
    last_sync = (
        select(of_mode.id)
        .where(of_mode.directory_id == Schedule.directory_id, of_mode.mode == Schedule.mode)
        .order_by(of_mode.started_at.desc())
    )
    is_last_run = ScheduledRun.due_at == last_due.limit(1).correlate(Schedule).scalar_subquery()
    statement = (
        select(Schedule, Operator.name, DirectorySync, ScheduledRun)
        .outerjoin(Directory, Directory.id == Schedule.directory_id)
        .outerjoin(Operator, Operator.id == Schedule.paused_by)
        .outerjoin(DirectorySync, DirectorySync.id == last_sync.limit(1).correlate(Schedule).scalar_subquery())
        .outerjoin(ScheduledRun, and_(ScheduledRun.schedule == Schedule.name, is_last_run))
        .where(condition)
        .order_by(Schedule.next_due_at, Schedule.name)
    )
    found = tx.session.execute(statement).all()
    practices = _practices(tx, {row.directory_id for row, *_ in found if row.directory_id is not None})
    return [ScheduleEntry(row, practices[row.directory_id], name, sync, run) for row, name, sync, run in found]


def _practices(tx: Tx, directory_ids: Collection[UUID]) -> defaultdict[UUID | None, list[str]]:
    """The names of the practices with a live connection to each directory."""
    found: defaultdict[UUID | None, list[str]] = defaultdict(list)
    if directory_ids:
        statement = (
            select(Directory.id, Practice.name)
            .join(XpmConnection, same_directory(XpmConnection, Directory))
            .join(Practice, Practice.id == XpmConnection.practice_id)
            .where(Directory.id.in_(directory_ids), is_live_connection)
            .distinct()
        )
        for directory_id, name in tx.session.execute(statement.order_by(Practice.name)):
            found[directory_id].append(name)
    return found


def _is_connected(practice_id: UUID | None = None) -> ColumnElement[bool]:
    live = exists().where(same_directory(XpmConnection, Directory), is_live_connection)
    return live if practice_id is None else live.where(XpmConnection.practice_id == practice_id)
