"""Syncs of directories: one at a time, an answer staged piece by piece, and merged in a handful of statements however big.

Older news never overwrite newer: a row that was seen after the sync's request stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, delete, exists, func, literal, null, or_, select, update
from sqlalchemy.exc import IntegrityError

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore, upsert
from portal_db.directory.directories import is_in
from portal_db.states import OPEN_JOB_STATES, SyncMode, SyncState
from portal_db.tables import Directory, DirectoryRecord, DirectoryStaged, DirectorySync, Erasure, Job, XpmConnection
from portal_db.types import UtcDateTime, db_now

#: What a record's row takes from the answer.
_TAKEN = ("record", "content_hash", "name_key", "structure", "is_archived", "is_deleted")


@dataclass(frozen=True, slots=True)
class Drop:
    """How many records may be missing from a full answer before a person has to accept it: those beyond both bounds."""

    percent: float
    records: int

    def is_sharp(self, missing: int, of: int) -> bool:
        return missing > self.records and missing * 100 > of * self.percent


@dataclass(frozen=True, slots=True)
class Merged:
    """What a sync came to. `missing`: records that would be gone and are held back."""

    seen: int
    added: int
    changed: int
    gone: int
    missing: int
    unread: int

    @property
    def has_news(self) -> bool:
        return bool(self.added or self.changed or self.gone)


def add(tx: Tx, directory_id: UUID, mode: SyncMode, asked_by: str) -> UUID | None:
    """Begin a sync. `None` while another one is running: the unique index decides."""
    row = {"id": tx.new_id(), "directory_id": directory_id, "mode": mode, "state": SyncState.RUNNING}
    row |= {"asked_by": asked_by, "started_at": db_now()}
    found: UUID | None = tx.session.scalar(insert_or_ignore(tx, DirectorySync, row).returning(DirectorySync.id))
    return found


def get(tx: Tx, sync_id: UUID) -> DirectorySync | None:
    return tx.session.get(DirectorySync, sync_id)


def running(tx: Tx, directory_id: UUID) -> DirectorySync | None:
    statement = select(DirectorySync).where(
        DirectorySync.directory_id == directory_id, DirectorySync.state == SyncState.RUNNING
    )
    return tx.session.scalar(statement)


def has_open_job(tx: Tx, dedupe_key: str) -> bool:
    """Whether the job of a sync is still to be done, or being done."""
    statement = select(Job.id).where(Job.dedupe_key == dedupe_key, Job.state.in_(OPEN_JOB_STATES))
    return tx.session.scalar(statement) is not None


def history(tx: Tx, directory_id: UUID, *, limit: int) -> list[DirectorySync]:
    """The last syncs of a directory, newest first."""
    statement = select(DirectorySync).where(DirectorySync.directory_id == directory_id)
    newest = statement.order_by(DirectorySync.started_at.desc(), DirectorySync.id.desc()).limit(limit)
    return list(tx.session.scalars(newest))


def resume(tx: Tx, sync_id: UUID) -> DirectorySync | None:
    """Take a sync up, with nothing staged: one that is running, or one that failed and whose job was requeued.

    Returns:
        `None` when it is done, or another one of the directory is running.
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
    """Put records of an answer aside; of one that comes twice, the later."""
    statement = upsert(tx, DirectoryStaged)
    taken = {name: statement.excluded[name] for name in _TAKEN}
    statement = statement.on_conflict_do_update(index_elements=["sync_id", "xpm_uuid"], set_=taken)
    tx.session.connection().execute(statement, [{"sync_id": sync_id, **row} for row in rows])


def drop_staged(tx: Tx, sync_id: UUID) -> None:
    tx.session.execute(_unsynchronized(delete(DirectoryStaged).where(DirectoryStaged.sync_id == sync_id)))


def merge(tx: Tx, sync: DirectorySync, directory: Directory, as_of: datetime, drop: Drop, *, whole: bool) -> Merged:
    """Bring a directory up to date with what is staged, and end the sync.

    Args:
        as_of: when the answer was asked for.
        drop: what is too sharp a drop.
        whole: who is not in the answer is not in XPM: it is that of a full sync, and everybody in it could be told.
    """
    answer = _Answer(tx, sync.id, directory, as_of)
    answer.leave_out_erased()
    seen, unread, added, changed = answer.count()
    present = answer.present()
    answer.take()
    if unread:
        answer.note_unread()
    gone = missing = 0
    if whole:
        absent = answer.absent()
        if drop.is_sharp(absent, present):
            missing = answer.flag_absent(missing_since=func.coalesce(DirectoryRecord.missing_since, answer.at))
        elif absent:
            gone = answer.flag_absent(gone_at=as_of, missing_since=None)
    merged = Merged(seen, added, changed, gone, missing, unread)
    _finish(tx, sync, directory, as_of, merged)
    return merged


@dataclass(frozen=True)
class _Answer:
    """What is staged of one sync, beside the directory's rows."""

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
        """People who asked to be forgotten stay out, until they are imported anew."""
        erased = select(Erasure.xpm_uuid).where(_by_practices_of(self.directory))
        self.tx.session.execute(
            _unsynchronized(delete(DirectoryStaged).where(self._staged, DirectoryStaged.xpm_uuid.in_(erased)))
        )

    def count(self) -> tuple[int, int, int, int]:
        """Records seen, those of them that could not be read, and how many are new and how many another than before."""
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
        statement = select(func.count()).where(is_in(self.directory), DirectoryRecord.gone_at.is_(None))
        return self.tx.session.scalar(statement) or 0

    def take(self) -> None:
        """Insert what is new, and change what is another than before; what is the same is not touched."""
        statement = upsert(self.tx, DirectoryRecord)
        columns = ["xero_login_id", "tenant_id", "xpm_uuid", *_TAKEN, "as_of", "first_seen_at"]
        source = select(
            literal(self.directory.xero_login_id, DirectoryRecord.xero_login_id.type),
            literal(self.directory.tenant_id),
            DirectoryStaged.xpm_uuid,
            *(getattr(DirectoryStaged, name) for name in _TAKEN),
            self.at,
            self.at,
        ).where(self._staged, DirectoryStaged.record.is_not(None))
        statement = statement.from_select(columns, source)
        taken = {name: statement.excluded[name] for name in (*_TAKEN, "as_of")}
        first = func.coalesce(DirectoryRecord.first_seen_at, statement.excluded.first_seen_at)
        flags = ("gone_at", "missing_since", "unread_since")
        flagged = or_(*(getattr(DirectoryRecord, flag).is_not(None) for flag in flags))
        is_other = DirectoryRecord.content_hash.is_distinct_from(statement.excluded.content_hash)
        self.tx.session.execute(
            statement.on_conflict_do_update(
                index_elements=["xero_login_id", "tenant_id", "xpm_uuid"],
                set_={**taken, "first_seen_at": first, **dict.fromkeys(flags, null())},
                where=and_(self._older, or_(is_other, flagged)),
            )
        )

    def note_unread(self) -> None:
        """Records that are there and could not be read keep what they were, marked so that nobody takes it for news."""
        unread = select(DirectoryStaged.xpm_uuid).where(self._staged, DirectoryStaged.record.is_(None))
        statement = update(DirectoryRecord).where(
            is_in(self.directory), DirectoryRecord.xpm_uuid.in_(unread), self._older
        )
        since = func.coalesce(DirectoryRecord.unread_since, self.at)
        self.tx.session.execute(_unsynchronized(statement.values(unread_since=since, gone_at=None, missing_since=None)))

    @property
    def _absent(self) -> ColumnElement[bool]:
        present = exists().where(self._staged, DirectoryStaged.xpm_uuid == DirectoryRecord.xpm_uuid)
        return and_(is_in(self.directory), DirectoryRecord.gone_at.is_(None), self._older, ~present)

    def absent(self) -> int:
        return self.tx.session.scalar(select(func.count()).where(self._absent)) or 0

    def flag_absent(self, **values: Any) -> int:
        return _count(self.tx, update(DirectoryRecord).where(self._absent).values(**values))


def _finish(tx: Tx, sync: DirectorySync, directory: Directory, as_of: datetime, merged: Merged) -> None:
    counts = {name: getattr(merged, name) for name in ("seen", "added", "changed", "gone", "missing", "unread")}
    state = SyncState.HELD if merged.missing else SyncState.SUCCEEDED
    reason = "sharp_drop" if merged.missing else None
    ended = update(DirectorySync).where(DirectorySync.id == sync.id)
    tx.session.execute(_unsynchronized(ended.values(state=state, finished_at=db_now(), reason=reason, **counts)))
    last = "last_full_at" if sync.mode is SyncMode.FULL else "last_incremental_at"
    newer = or_(Directory.cursor.is_(None), Directory.cursor < as_of)
    moved = update(Directory).where(Directory.id == directory.id, newer).values({"cursor": as_of, last: as_of})
    tx.session.execute(_unsynchronized(moved))
    drop_staged(tx, sync.id)


def erased(tx: Tx, directory: Directory) -> set[UUID]:
    """Records of people who asked a practice of the directory to be forgotten."""
    return set(tx.session.scalars(select(Erasure.xpm_uuid).where(_by_practices_of(directory))))


def somebody_was_erased_since(tx: Tx, directory: Directory, moment: datetime) -> bool:
    """An answer asked for before that may still mention them."""
    since = select(Erasure.xpm_uuid).where(_by_practices_of(directory), Erasure.erased_at >= moment)
    return tx.session.scalar(since.limit(1)) is not None


def _by_practices_of(directory: Directory) -> ColumnElement[bool]:
    practices = select(XpmConnection.practice_id).where(
        XpmConnection.xero_login_id == directory.xero_login_id, XpmConnection.tenant_id == directory.tenant_id
    )
    return Erasure.practice_id.in_(practices)


def fail(tx: Tx, sync_id: UUID, reason: str) -> None:
    """End a sync that came to nothing; the directory is as it was."""
    statement = update(DirectorySync).where(DirectorySync.id == sync_id, DirectorySync.state == SyncState.RUNNING)
    tx.session.execute(
        _unsynchronized(statement.values(state=SyncState.FAILED, finished_at=db_now(), reason=reason[:64]))
    )
    drop_staged(tx, sync_id)


def missing(tx: Tx, directory: Directory, *, limit: int) -> list[DirectoryRecord]:
    """Records that wait for somebody to accept that they are gone, by name."""
    statement = select(DirectoryRecord).where(_is_missing(directory))
    return list(tx.session.scalars(statement.order_by(DirectoryRecord.name_key, DirectoryRecord.xpm_uuid).limit(limit)))


def accept_missing(tx: Tx, directory: Directory) -> int:
    """Take those who wait for gone, and the syncs that were held for settled.

    Returns:
        How many they were.
    """
    count = _count(
        tx, update(DirectoryRecord).where(_is_missing(directory)).values(gone_at=db_now(), missing_since=None)
    )
    held = update(DirectorySync).where(
        DirectorySync.directory_id == directory.id, DirectorySync.state == SyncState.HELD
    )
    tx.session.execute(_unsynchronized(held.values(state=SyncState.SUCCEEDED, reason="accepted")))
    return count


def _is_missing(directory: Directory) -> ColumnElement[bool]:
    return and_(is_in(directory), DirectoryRecord.missing_since.is_not(None), DirectoryRecord.gone_at.is_(None))


def _count(tx: Tx, statement: Any) -> int:
    result: Any = tx.session.execute(_unsynchronized(statement))
    return int(result.rowcount)


def _unsynchronized(statement: Any) -> Any:
    return statement
