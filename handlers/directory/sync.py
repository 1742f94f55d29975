"""sync_directory: updates a directory by one XPM call, whose answer is staged as it streams in and then merged; and when
a sync is started.

A sync that is cut off starts again with nothing staged. The directory changes only in the transaction that ends the sync.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import structlog

from handlers import refusals
from handlers.directory.records import columns_of
from handlers.errors import ConnectionLost, Permanent, Rejected, RequestRefused, Transient
from handlers.jobs.enqueue import FollowUp, standalone_job
from handlers.jobs.handler import job_arg
from handlers.jobs.kinds import JobKind
from handlers.practice_time import clock_in
from handlers.services import Services
from handlers.xero.connection import require_connection
from handlers.xero.tokens import call_xpm
from portal_db import audit
from portal_db.database import Database, Tx
from portal_db.directory import directories, resyncs, syncs
from portal_db.directory.directories import Reader
from portal_db.directory.syncs import DropLimits
from portal_db.states import JobState, Lane, SyncMode
from portal_db.tables import Directory, DirectorySync, Job, XpmConnection
from portal_db.types import database_time
from portal_db.work import jobs, pauses
from portal_db.work.jobs import Failure, NewJob, hold
from portal_db.work.pauses import Paused
from portal_db.xero import handover, requester
from portal_db.xero.requester import StaffRequester
from xpm.client import Access
from xpm.records import Unreadable, XpmClient

log = structlog.stdlib.get_logger(__name__)

OVERLAP = timedelta(minutes=15)
"""How far before the last answer an incremental sync starts, since XPM's clock may differ from ours by ten minutes."""
BATCH = 200
"""Records staged in one transaction."""


@dataclass(frozen=True)
class SyncAnswer:
    """A staged answer. `unnamed`: how many records could not be read, not even their uuid."""

    sync: DirectorySync
    directory: Directory
    as_of: datetime
    drop: DropLimits
    unnamed: int


def fetch(services: Services, job: Job) -> SyncAnswer | None:
    """Call XPM, and stage the answer under the job's lease.

    Returns:
        `None` if the sync is done already.

    Raises:
        JobError: no connection to the directory works, or nothing in the answer can be read.
        xpm.errors.XpmError: XPM did not answer, or its answer ended early.
    """
    with services.database.write() as tx:
        hold(tx, job)
        sync = syncs.resume(tx, job_arg(job, "sync_id"))
        if sync is None:
            return None
        directory = directories.get(tx, sync.directory_id)
        assert directory is not None, "a sync has a directory"  # noqa: S101 -- a foreign key says so
        reader = _reader(tx, directory)
        erased = syncs.erased_records(tx, directory)
    since = directory.cursor - OVERLAP if sync.mode is SyncMode.INCREMENTAL and directory.cursor else None
    staging = _Staging(services, job, sync.id, erased)

    def read(access: Access, seconds: float) -> None:
        with services.xpm.list(
            access,
            modified_since=since,
            lane=job.lane.value,
            holder=str(job.id),
            deadline_seconds=seconds,
            unreadable=staging.note_unreadable,
        ) as listing:
            staging.stage(listing.clients)

    try:
        # The rest of the deadline is for merging.
        call_xpm(services, reader, read, seconds=job.deadline_seconds * 0.8)
    except ConnectionLost as lost:
        raise refusals.DIRECTORY_UNREADABLE() from lost
    drop = DropLimits(services.settings.directory_drop_percent, services.settings.directory_drop_records)
    staging.require_readable(drop)
    return SyncAnswer(sync, directory, reader.now, drop, staging.unnamed)


def apply(tx: Tx, job: Job, row: None, answer: SyncAnswer | None) -> Sequence[FollowUp]:
    """Merge the staged answer.

    Raises:
        Transient: somebody was erased since XPM was called; the list is read again without them.
    """
    if answer is None:
        return []
    sync, directory = answer.sync, answer.directory
    if syncs.has_erasure_since(tx, directory, answer.as_of):
        raise Transient(
            "person_erased", "A person was erased while the directory was being read. It will be read again."
        )
    whole = sync.mode is SyncMode.FULL and not answer.unnamed
    merged = syncs.merge(tx, sync, directory, answer.as_of, answer.drop, whole=whole)
    log.info(
        "directory.synced",
        directory=str(directory.id),
        mode=sync.mode.value,
        held=bool(merged.missing),
        **{name: getattr(merged, name) for name in ("seen", "added", "changed", "gone", "missing", "unread")},
    )
    if sync.mode is SyncMode.FULL:
        _take_over_links(tx, directory)
    return after_sync(tx, directory, sync.id)


def _take_over_links(tx: Tx, directory: Directory) -> None:
    """Move the links of staff who disconnected and came back, perhaps as another Xero user: nobody syncs the directory of
    the former connection any more. Links to records that this directory does not list stay."""
    for former, to in handover.replaced_connections(tx, directory):
        if moved := handover.move_links(tx, former.id, to):
            audit.record(
                tx,
                action="connection.reassign",
                subject="connection",
                subject_id=former.id,
                practice_id=former.practice_id,
                after=f"{len(moved)} clients to connection {to.id}",
                why="its owner connected again",
            )


def on_failure(tx: Tx, job: Job, failure: Failure) -> None:
    """End the sync if the job has ended; a job that will be retried continues it."""
    current = jobs.get(tx, job.id)
    if current is not None and current.state in (JobState.REJECTED, JobState.DEAD):
        syncs.fail(tx, job_arg(job, "sync_id"), failure.code)


def begin_sync(tx: Tx, directory_id: UUID, mode: SyncMode, *, asked_by: str) -> NewJob | None:
    """Insert a sync and its job; the relay rings it.

    Args:
        mode: an incremental sync of an empty directory becomes a full one.
        asked_by: `connect`, `schedule`, `search` or `command line`.

    Returns:
        The job; `None` while another sync of the directory is running.

    Raises:
        RequestRefused: there is no such directory, or no connection to read it through.
    """
    directory = directories.get(tx, directory_id)
    if directory is None:
        raise refusals.UNKNOWN_DIRECTORY()
    readers = directories.readers(tx, directory)
    if not readers:
        raise refusals.NO_CONNECTION_TO_SYNC()
    _end_abandoned(tx, directory_id)
    wanted = mode if directory.cursor is not None else SyncMode.FULL
    sync_id = syncs.add(tx, directory_id, wanted, asked_by)
    if sync_id is None:
        return None
    reader = next((each for each in readers if not stopping(tx, each)), readers[0])
    job = standalone_job(
        tx, JobKind.SYNC_DIRECTORY, reader.practice_id, {"sync_id": str(sync_id)}, dedupe_key=_key(sync_id)
    )
    jobs.add(tx, [job])
    return job


def stopping(tx: Tx, reader: Reader) -> list[Paused]:
    """The pauses that keep a sync from running as a job of the reader's practice."""
    return pauses.stopping(tx, reader.practice_id, Lane.RESYNC, JobKind.SYNC_DIRECTORY)


def sync_now(database: Database, directory_id: UUID, mode: SyncMode) -> NewJob:
    """Start a sync of a directory for an operator.

    Raises:
        RequestRefused: there is no such directory, nobody has a working connection that can read it, or a sync of it is
            already running.
    """
    with database.write() as tx:
        job = begin_sync(tx, directory_id, mode, asked_by="command line")
        if job is None:
            raise still_running(tx, directory_id)
        return job


def still_running(tx: Tx, directory_id: UUID) -> RequestRefused:
    """The refusal of a second sync, which says until when the attempt of the first may take."""
    job = syncs.job_of(tx, _key(sync.id)) if (sync := syncs.running(tx, directory_id)) is not None else None
    if job is None:  # it has ended in this moment
        return refusals.SYNC_RUNNING(until="now")
    now = database_time(tx.session)
    end = job.deadline_at or max(job.next_attempt_at or now, now) + timedelta(seconds=job.deadline_seconds)
    return refusals.SYNC_RUNNING(until=clock_in(tx, job.practice_id, (end - now).total_seconds()))


def sync_on_connecting(tx: Tx, connection: XpmConnection) -> None:
    """Start a full sync of the directory behind a new or reconnected connection."""
    directory = directories.ensure(tx, connection.xero_login_id, connection.tenant_id)
    directories.note_used(tx, directory.id)
    begin_sync(tx, directory.id, SyncMode.FULL, asked_by="connect")


def note_use(database: Database, directory: Directory, now: datetime) -> None:
    """Note that a directory is in use, so that it is kept; fill one that is empty.

    Args:
        now: by the database's clock.
    """
    if directory.cursor is not None and not directories.is_use_due(directory, now):
        return
    with database.write() as tx:
        directories.note_used(tx, directory.id)
        if directory.cursor is None and directories.readers(tx, directory):
            begin_sync(tx, directory.id, SyncMode.FULL, asked_by="search")


def under_way(tx: Tx, directory_id: UUID) -> SyncMode | None:
    """The mode of the directory's sync that is running and has an open job."""
    _end_abandoned(tx, directory_id)
    running = syncs.running(tx, directory_id)
    return running.mode if running is not None else None


def _end_abandoned(tx: Tx, directory_id: UUID) -> None:
    """End a sync whose job was dismissed or cancelled: it would block all later ones."""
    sync = syncs.running(tx, directory_id)
    if sync is not None and not syncs.has_open_job(tx, _key(sync.id)):
        syncs.fail(tx, sync.id, "abandoned")


def _key(sync_id: UUID) -> str:
    return f"{JobKind.SYNC_DIRECTORY}:{sync_id}"


def after_sync(tx: Tx, directory: Directory, sync_id: UUID) -> list[FollowUp]:
    """A re-sync for each practice with changes from this sync, or left from an earlier one."""
    return [
        FollowUp(
            JobKind.RESYNC_RELATIONSHIPS,
            {"practice_id": str(practice_id), "directory_id": str(directory.id), "sync_id": str(sync_id)},
            dedupe_key=f"{JobKind.RESYNC_RELATIONSHIPS}:{practice_id}:{sync_id}",
            practice_id=practice_id,
        )
        for practice_id in resyncs.practices_with_changes(tx, directory)
    ]


class _Staging:
    """Stages an answer in short transactions, each under the job's lease, and counts records that cannot be read."""

    def __init__(self, services: Services, job: Job, sync_id: UUID, erased: set[UUID]) -> None:
        self._services = services
        self._job = job
        self._sync_id = sync_id
        self._erased = erased
        self._unreadable: list[UUID] = []
        self._problem: str | None = None
        self.read = self.unread = self.unnamed = 0

    def note_unreadable(self, found: Unreadable) -> None:
        """Note a record without a uuid or a name: it must neither be lost nor stop the others."""
        log.warning("directory.unreadable", sync=str(self._sync_id), problem=found.problem)
        self._problem = self._problem or found.problem
        if found.uuid is None:
            self.unnamed += 1
        else:
            self.unread += 1
            self._unreadable.append(found.uuid)

    def stage(self, listing: Iterator[XpmClient]) -> None:
        while batch := list(islice(listing, BATCH)):
            self.read += len(batch)
            self._put([self._row(record) for record in batch])
        for start in range(0, len(self._unreadable), BATCH):
            self._put([_unread_row(uuid) for uuid in self._unreadable[start : start + BATCH]])

    def require_readable(self, drop: DropLimits) -> None:
        """Accept any number of unreadable records beside readable ones. If there are only unreadable ones, and many of
        them, then XPM's contract has changed.

        Raises:
            Permanent: we do not understand XPM's answer.
        """
        failed = self.unread + self.unnamed
        if not self.read and drop.is_sharp(failed, failed):
            raise Permanent(
                "xpm_contract",
                f"None of the {failed} records in XPM's list can be read. The first: {self._problem}.",
                "Contact the developers.",
            )

    def _row(self, record: XpmClient) -> dict[str, Any]:
        if record.omissions:
            fields = list(record.omissions)
            log.warning("directory.left_out", sync=str(self._sync_id), xpm_uuid=str(record.uuid), fields=fields)
        kept = tuple(item for item in record.relationships if item.related_uuid not in self._erased)
        return {"xpm_uuid": record.uuid, **columns_of(replace(record, relationships=kept))}

    def _put(self, rows: list[dict[str, Any]]) -> None:
        with self._services.database.write() as tx:
            hold(tx, self._job)
            syncs.stage(tx, self._sync_id, rows)


def _unread_row(uuid: UUID) -> dict[str, Any]:
    nothing = dict.fromkeys(("record", "content_hash", "name_key", "code_key", "structure"))
    return {"xpm_uuid": uuid, **nothing, "is_archived": False, "is_deleted": False}


def _reader(tx: Tx, directory: Directory) -> StaffRequester:
    """The first staff member whose connection to the directory works and who may import through it."""
    for reader in directories.readers(tx, directory):
        found = requester.staff_requester(tx, reader.practice_id, reader.staff_id)
        try:
            require_connection(found)
        except (Rejected, ConnectionLost):
            continue
        return found
    raise refusals.DIRECTORY_UNREADABLE()
