"""Schedules: what is due, taking a due time on once for everybody, passing it over, pausing.

The unique (schedule, due time) row decides who took it on, not the clock and not who leads.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select, update

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore
from portal_db.states import ConnectionState, SyncMode
from portal_db.tables import Directory, DirectorySync, Operator, Practice, Schedule, ScheduledRun, XpmConnection
from portal_db.types import db_now


def add(
    tx: Tx, name: str, next_due_at: datetime, *, directory_id: UUID | None = None, mode: SyncMode | None = None
) -> None:
    """Begin a schedule, unless there is one of this name."""
    row = {"name": name, "directory_id": directory_id, "mode": mode, "next_due_at": next_due_at}
    tx.session.execute(insert_or_ignore(tx, Schedule, {**row, "created_at": db_now()}))


def get(tx: Tx, name: str) -> Schedule | None:
    return tx.session.get(Schedule, name)


def known(tx: Tx, names: Collection[str]) -> set[str]:
    """Those of these names that have a schedule."""
    return set(tx.session.scalars(select(Schedule.name).where(Schedule.name.in_(names))))


def directories_without(tx: Tx, mode: SyncMode) -> list[Directory]:
    """Directories whose syncs of this mode have no schedule yet; only those that somebody is connected to."""
    has_one = exists().where(Schedule.directory_id == Directory.id, Schedule.mode == mode)
    statement = select(Directory).where(~has_one, _is_connected()).order_by(Directory.id)
    return list(tx.session.scalars(statement))


@dataclass(frozen=True, slots=True)
class Due:
    """A schedule that is due, and the tenant that its directory is of."""

    schedule: Schedule
    tenant_id: str | None


def due(tx: Tx, now: datetime, names: Collection[str]) -> list[Due]:
    """What is due, the longest due first: directories' syncs, and what else has one of these names."""
    statement = (
        select(Schedule, Directory.tenant_id)
        .outerjoin(Directory, Directory.id == Schedule.directory_id)
        .where(Schedule.next_due_at <= now, or_(Schedule.directory_id.is_not(None), Schedule.name.in_(names)))
        .order_by(Schedule.next_due_at, Schedule.name)
    )
    return [Due(schedule, tenant_id) for schedule, tenant_id in tx.session.execute(statement)]


def advance(tx: Tx, name: str, *, due_at: datetime, next_due_at: datetime) -> bool:
    """Go on to the next due time. False when somebody has dealt with this one."""
    return _change(tx, name, Schedule.next_due_at == due_at, next_due_at=next_due_at)


def claim(tx: Tx, schedule: str, due_at: datetime, owner: str) -> bool:
    """Take a due time on. False when somebody has it.

    What it makes in the record belongs into the same transaction: then it happens exactly once. Work outside it happens
    at most once.
    """
    row = {"schedule": schedule, "due_at": due_at, "owner": owner, "claimed_at": db_now()}
    if tx.session.scalar(insert_or_ignore(tx, ScheduledRun, row).returning(ScheduledRun.schedule)) is None:
        return False
    _change(tx, schedule, skipped_at=None, skipped_code=None, skipped_why=None)
    return True


def note_job(tx: Tx, schedule: str, due_at: datetime, job_id: UUID) -> None:
    """Which job does what was taken on."""
    _change_run(tx, schedule, due_at, job_id=job_id)


def note_ended(tx: Tx, schedule: str, due_at: datetime, *, succeeded: bool) -> None:
    """What was taken on is over."""
    _change_run(tx, schedule, due_at, ended_at=db_now(), succeeded=succeeded)


def note_skipped(tx: Tx, name: str, code: str, why: str | None) -> None:
    """A due time was passed over; kept until the next one runs."""
    _change(tx, name, skipped_at=db_now(), skipped_code=code, skipped_why=why)


def pause(tx: Tx, name: str, *, by: UUID, why: str) -> bool:
    """Let it not run. False when it is paused, or unknown."""
    return _change(tx, name, Schedule.paused_at.is_(None), paused_at=db_now(), paused_by=by, paused_why=why)


def resume(tx: Tx, name: str) -> bool:
    """Let it run again, from its next due time. False when it is not paused, or unknown."""
    is_paused = Schedule.paused_at.is_not(None)
    return _change(tx, name, is_paused, paused_at=None, paused_by=None, paused_why=None)


def _change(tx: Tx, name: str, *conditions: ColumnElement[bool], **values: Any) -> bool:
    statement = update(Schedule).where(Schedule.name == name, *conditions).values(**values).returning(Schedule.name)
    return tx.session.scalar(statement) is not None


def _change_run(tx: Tx, schedule: str, due_at: datetime, **values: Any) -> None:
    statement = update(ScheduledRun).where(ScheduledRun.schedule == schedule, ScheduledRun.due_at == due_at)
    tx.session.execute(statement.values(**values))


@dataclass(frozen=True, slots=True)
class ScheduleEntry:
    """A schedule as it is shown: for whom, who paused it, and its last run. Of a directory, the last sync of its mode
    counts, whoever asked for it."""

    schedule: Schedule
    practices: list[str]
    paused_by: str | None
    sync: DirectorySync | None
    run: ScheduledRun | None

    @property
    def passed_over(self) -> str | None:
        """The code of why the last due time was passed over, unless a sync began since."""
        row, sync = self.schedule, self.sync
        if sync is not None and row.skipped_at is not None and sync.started_at > row.skipped_at:
            return None
        return row.skipped_code


def listing(tx: Tx, *, practice_id: UUID | None = None) -> list[ScheduleEntry]:
    """Schedules in the order they are next due: of a practice, or all whose directory somebody is connected to."""
    statement = select(Schedule).outerjoin(Directory, Directory.id == Schedule.directory_id)
    if practice_id is not None:
        statement = statement.where(_is_connected(practice_id))
    else:
        statement = statement.where(or_(Schedule.directory_id.is_(None), _is_connected()))
    return [_entry(tx, row) for row in tx.session.scalars(statement.order_by(Schedule.next_due_at, Schedule.name))]


def of_directory(tx: Tx, directory_id: UUID) -> list[ScheduleEntry]:
    """A directory's schedules, the one that is due next first."""
    statement = select(Schedule).where(Schedule.directory_id == directory_id).order_by(Schedule.next_due_at)
    return [_entry(tx, row) for row in tx.session.scalars(statement)]


def _entry(tx: Tx, row: Schedule) -> ScheduleEntry:
    paused_by = tx.session.get(Operator, row.paused_by) if row.paused_by else None
    last_run = select(ScheduledRun).where(ScheduledRun.schedule == row.name)
    run = tx.session.scalar(last_run.order_by(ScheduledRun.due_at.desc()).limit(1))
    name = paused_by.name if paused_by else None
    if row.directory_id is None:
        return ScheduleEntry(row, [], name, None, run)
    last_sync = select(DirectorySync).where(
        DirectorySync.directory_id == row.directory_id, DirectorySync.mode == row.mode
    )
    sync = tx.session.scalar(last_sync.order_by(DirectorySync.started_at.desc()).limit(1))
    practices = (
        select(Practice.name)
        .join(XpmConnection, XpmConnection.practice_id == Practice.id)
        .join(Directory, Directory.id == row.directory_id)
        .where(_leads_to_directory(), XpmConnection.state != ConnectionState.DISCONNECTED)
        .distinct()
    )
    return ScheduleEntry(row, list(tx.session.scalars(practices.order_by(Practice.name))), name, sync, run)


def _is_connected(practice_id: UUID | None = None) -> ColumnElement[bool]:
    live = exists().where(_leads_to_directory(), XpmConnection.state != ConnectionState.DISCONNECTED)
    return live if practice_id is None else live.where(XpmConnection.practice_id == practice_id)


def _leads_to_directory() -> ColumnElement[bool]:
    return and_(XpmConnection.xero_login_id == Directory.xero_login_id, XpmConnection.tenant_id == Directory.tenant_id)
