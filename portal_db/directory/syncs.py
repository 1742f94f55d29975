"""Syncs of directories: one at a time. An answer is staged piece by piece and merged by a few statements, however big it is.

An older answer never overwrites a newer one: a row that was stored after the sync's request stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, null, or_, select, update
from sqlalchemy.exc import IntegrityError

from portal_db.database import Tx
from portal_db.dialect import (
    count_rows,
    delete_rows,
    has_row,
    insert_or_ignore,
    refresh_statistics,
    update_rows,
    upsert,
)
from portal_db.directory.directories import is_in, is_missing, reads
from portal_db.states import OPEN_JOB_STATES, SyncMode, SyncState
from portal_db.tables import Directory, DirectoryRecord, DirectoryStaged, DirectorySync, Erasure, Job, XpmConnection
from portal_db.types import UtcDateTime, db_now
from portal_db.work.due import state_of_found

#: The columns of a record that come from the answer.
_RECORD_COLUMNS = ("record", "content_hash", "name_key", "code_key", "structure", "is_archived", "is_deleted")


MANY = 1_000
"""As many new and changed records make PostgreSQL's statistics of the directories out of date."""


@dataclass(frozen=True, slots=True)
class DropLimits:
    """How many records may be missing from a full answer before a person has to accept it: more than both limits."""

    percent: float
    records: int

    def is_sharp(self, missing: int, of: int) -> bool:
        return missing > self.records and missing * 100 > of * self.percent


@dataclass(frozen=True, slots=True)
class MergeCounts:
    """The counts of a merged sync. `missing`: records that would be gone, but wait for somebody to accept that."""

    seen: int
    added: int
    changed: int
    gone: int
    missing: int
    unread: int


def add(tx: Tx, directory_id: UUID, mode: SyncMode, asked_by: str) -> UUID | None:
    """Begin a sync. `None` while another one is running: the unique index decides."""
    sync_id = tx.new_id()
    row = {"id": sync_id, "directory_id": directory_id, "mode": mode, "state": SyncState.RUNNING}
    row |= {"asked_by": asked_by, "started_at": db_now()}
    return sync_id if insert_or_ignore(tx, DirectorySync, row) else None


def running(tx: Tx, directory_id: UUID) -> DirectorySync | None:
    statement = select(DirectorySync).where(
        DirectorySync.directory_id == directory_id, DirectorySync.state == SyncState.RUNNING
    )
    return tx.session.scalar(statement)


def job_of(tx: Tx, dedupe_key: str) -> Job | None:
    """The job of a sync."""
    return tx.session.scalar(select(Job).where(Job.dedupe_key == dedupe_key))


def has_open_job(tx: Tx, dedupe_key: str) -> bool:
    """Whether the job of a sync is open."""
    return has_row(tx, Job.dedupe_key == dedupe_key, state_of_found.in_(OPEN_JOB_STATES))


def history(tx: Tx, directory_id: UUID, *, limit: int) -> list[DirectorySync]:
    """The last syncs of a directory, newest first."""
    statement = select(DirectorySync).where(DirectorySync.directory_id == directory_id)
    newest = statement.order_by(DirectorySync.started_at.desc(), DirectorySync.id.desc()).limit(limit)
    return list(tx.session.scalars(newest))


def resume(tx: Tx, sync_id: UUID) -> DirectorySync | None:
    """Resume a sync with nothing staged: one that is running, or one that failed and whose job was requeued.

    Returns:
        The sync; `None` when it has ended, or another sync of the directory is running.
    """
    statement = (
        update(DirectorySync)
        .where(DirectorySync.id == sync_id, DirectorySync.state.in_((SyncState.RUNNING, SyncState.FAILED)))
        .values(state=SyncState.RUNNING, finished_at=None, reason=None)
        .returning(DirectorySync)
    )
    try:
        with tx.session.begin_nested():
            found = tx.session.scalar(statement)
    except IntegrityError:
        return None
    drop_staged(tx, sync_id)
    return found


def stage(tx: Tx, sync_id: UUID, rows: Sequence[dict[str, Any]]) -> None:
    """Stage records of an answer; the later of two with the same id counts."""
    statement = upsert(tx, DirectoryStaged)
    columns = {name: statement.excluded[name] for name in _RECORD_COLUMNS}
    statement = statement.on_conflict_do_update(index_elements=["sync_id", "xpm_uuid"], set_=columns)
    tx.connection.execute(statement, [{"sync_id": sync_id, **row} for row in rows])


def drop_staged(tx: Tx, sync_id: UUID) -> None:
    delete_rows(tx, DirectoryStaged, DirectoryStaged.sync_id == sync_id)


def merge(
    tx: Tx, sync: DirectorySync, directory: Directory, as_of: datetime, drop: DropLimits, *, whole: bool
) -> MergeCounts:
    """Merge what is staged into a directory, and end the sync.

    Args:
        as_of: when the answer was requested.
        drop: the limits for missing records.
        whole: records that are not in the answer are not in XPM: a full sync, in which every record could be identified.
    """
    answer = _Answer(tx, sync.id, directory, as_of)
    answer.leave_out_erased()
    seen, unread, added, changed = answer.count()
    present = answer.present()
    answer.apply()
    if added + changed >= MANY:
        refresh_statistics(tx, DirectoryRecord)
    if unread:
        answer.note_unread()
    gone = missing = 0
    if whole:
        absent = answer.absent()
        # An answer with nobody in it is rather a slip of XPM's than the end of the practice, however small that is.
        if absent and (not seen or absent == present or drop.is_sharp(absent, present)):
            missing = answer.flag_absent(missing_since=func.coalesce(DirectoryRecord.missing_since, answer.at))
        elif absent:
            gone = answer.flag_absent(gone_at=as_of, missing_since=None)
    merged = MergeCounts(seen, added, changed, gone, missing, unread)
    _finish(tx, sync, directory, as_of, merged)
    return merged


@dataclass(frozen=True)
class _Answer:
    """What is staged for one sync, compared with the directory's rows."""

    tx: Tx
    sync_id: UUID
    directory: Directory
    as_of: datetime

    @property
    def at(self) -> ColumnElement[datetime]:
        return literal(self.as_of, UtcDateTime())

    @property
    def _staged(self) -> ColumnElement[bool]:
        return DirectoryStaged.sync_id == self.sync_id

    @property
    def _same(self) -> ColumnElement[bool]:
        return and_(is_in(self.directory), DirectoryRecord.xpm_uuid == DirectoryStaged.xpm_uuid)

    @property
    def _older(self) -> ColumnElement[bool]:
        return DirectoryRecord.as_of < self.as_of

    def leave_out_erased(self) -> None:
        """DropLimits the records of people who asked to be erased, until somebody imports them again."""
        erased = select(Erasure.xpm_uuid).where(_by_practices_of(self.directory))
        delete_rows(self.tx, DirectoryStaged, self._staged, DirectoryStaged.xpm_uuid.in_(erased))

    def count(self) -> tuple[int, int, int, int]:
        """How many records there are in all, how many could not be read, how many are new, and how many changed."""
        is_new = or_(DirectoryRecord.xpm_uuid.is_(None), DirectoryRecord.gone_at.is_not(None))
        is_other = DirectoryRecord.content_hash.is_distinct_from(DirectoryStaged.content_hash)
        readable = DirectoryStaged.record.is_not(None)
        statement = (
            select(
                func.count(),
                func.count(case((~readable, 1))),
                func.count(case((and_(readable, is_new), 1))),
                func.count(case((and_(readable, ~is_new, is_other, self._older), 1))),
            )
            .select_from(DirectoryStaged)
            .outerjoin(DirectoryRecord, self._same)
            .where(self._staged)
        )
        seen, unread, added, changed = self.tx.session.execute(statement).one()
        return seen, unread, added, changed

    def present(self) -> int:
        return count_rows(self.tx, is_in(self.directory), DirectoryRecord.gone_at.is_(None))

    def apply(self) -> None:
        """Insert new records and update changed ones; unchanged rows are not touched."""
        statement = upsert(self.tx, DirectoryRecord)
        columns = ["xero_login_id", "tenant_id", "xpm_uuid", *_RECORD_COLUMNS, "as_of", "first_seen_at"]
        source = select(
            literal(self.directory.xero_login_id, DirectoryRecord.xero_login_id.type),
            literal(self.directory.tenant_id),
            DirectoryStaged.xpm_uuid,
            *(getattr(DirectoryStaged, name) for name in _RECORD_COLUMNS),
            self.at,
            self.at,
        ).where(self._staged, DirectoryStaged.record.is_not(None))
        statement = statement.from_select(columns, source)
        answered = {name: statement.excluded[name] for name in (*_RECORD_COLUMNS, "as_of")}
        first = func.coalesce(DirectoryRecord.first_seen_at, statement.excluded.first_seen_at)
        flags = ("gone_at", "missing_since", "unread_since")
        flagged = or_(*(getattr(DirectoryRecord, flag).is_not(None) for flag in flags))
        is_other = DirectoryRecord.content_hash.is_distinct_from(statement.excluded.content_hash)
        self.tx.session.execute(
            statement.on_conflict_do_update(
                index_elements=["xero_login_id", "tenant_id", "xpm_uuid"],
                set_={**answered, "first_seen_at": first, **dict.fromkeys(flags, null())},
                where=and_(self._older, or_(is_other, flagged)),
            )
        )

    def note_unread(self) -> None:
        """Mark records that exist in XPM but could not be read; they keep their old contents."""
        unread = select(DirectoryStaged.xpm_uuid).where(self._staged, DirectoryStaged.record.is_(None))
        rows = (is_in(self.directory), DirectoryRecord.xpm_uuid.in_(unread), self._older)
        since = func.coalesce(DirectoryRecord.unread_since, self.at)
        update_rows(self.tx, DirectoryRecord, *rows, unread_since=since, gone_at=None, missing_since=None)

    @property
    def _absent(self) -> ColumnElement[bool]:
        present = exists().where(self._staged, DirectoryStaged.xpm_uuid == DirectoryRecord.xpm_uuid)
        return and_(is_in(self.directory), DirectoryRecord.gone_at.is_(None), self._older, ~present)

    def absent(self) -> int:
        return count_rows(self.tx, self._absent)

    def flag_absent(self, **values: Any) -> int:
        return update_rows(self.tx, DirectoryRecord, self._absent, **values)


def _finish(tx: Tx, sync: DirectorySync, directory: Directory, as_of: datetime, merged: MergeCounts) -> None:
    counts = {name: getattr(merged, name) for name in ("seen", "added", "changed", "gone", "missing", "unread")}
    state = SyncState.HELD if merged.missing else SyncState.SUCCEEDED
    reason = "sharp_drop" if merged.missing else None
    ended = {"state": state, "finished_at": db_now(), "reason": reason, **counts}
    update_rows(tx, DirectorySync, DirectorySync.id == sync.id, **ended)
    last = "last_full_at" if sync.mode is SyncMode.FULL else "last_incremental_at"
    is_older = or_(Directory.cursor.is_(None), Directory.cursor < as_of)
    update_rows(tx, Directory, Directory.id == directory.id, is_older, **{"cursor": as_of, last: as_of})
    drop_staged(tx, sync.id)


def erased_records(tx: Tx, directory: Directory) -> set[UUID]:
    """Records of people who asked a practice that reads the directory to erase them."""
    return set(tx.session.scalars(select(Erasure.xpm_uuid).where(_by_practices_of(directory))))


def has_erasure_since(tx: Tx, directory: Directory, moment: datetime) -> bool:
    """Whether anybody was erased since: an answer requested earlier may still mention them."""
    return has_row(tx, _by_practices_of(directory), Erasure.erased_at >= moment)


def _by_practices_of(directory: Directory) -> ColumnElement[bool]:
    return Erasure.practice_id.in_(select(XpmConnection.practice_id).where(reads(directory)))


def fail(tx: Tx, sync_id: UUID, reason: str) -> None:
    """End a running sync as failed; the directory stays as it was."""
    is_running = (DirectorySync.id == sync_id, DirectorySync.state == SyncState.RUNNING)
    values = {"state": SyncState.FAILED, "finished_at": db_now(), "reason": reason[:64]}
    update_rows(tx, DirectorySync, *is_running, **values)
    drop_staged(tx, sync_id)


def missing(tx: Tx, directory: Directory, *, limit: int) -> list[DirectoryRecord]:
    """Missing records, which wait for somebody to accept that they are gone, by name."""
    statement = select(DirectoryRecord).where(is_missing(directory))
    return list(tx.session.scalars(statement.order_by(DirectoryRecord.name_key, DirectoryRecord.xpm_uuid).limit(limit)))


def accept_missing(tx: Tx, directory: Directory) -> int:
    """Mark the missing records gone, and the held syncs succeeded.

    Returns:
        How many records were missing.
    """
    count = update_rows(tx, DirectoryRecord, is_missing(directory), gone_at=db_now(), missing_since=None)
    held = (DirectorySync.directory_id == directory.id, DirectorySync.state == SyncState.HELD)
    update_rows(tx, DirectorySync, *held, state=SyncState.SUCCEEDED, reason="accepted")
    return count
