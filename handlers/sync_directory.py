"""sync_directory: brings a directory up to date with one XPM call, whose answer is staged as it streams in, then merged.

Cut off anywhere, it begins again with nothing staged; the directory changes only in the transaction that ends the sync.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import structlog

from handlers import resync_relationships
from handlers.connections import require_connection
from handlers.errors import ConnectionLost, Permanent, Rejected, Transient
from handlers.flow import FollowUp, Services, job_arg
from handlers.sights import columns_of
from handlers.xero_tokens import call_xpm
from portal_db import askers, directories, directory_syncs, jobs
from portal_db.askers import Asker
from portal_db.database import Tx
from portal_db.directory_syncs import Drop
from portal_db.holding import hold
from portal_db.jobs import Failure
from portal_db.states import JobState, Lane, SyncMode
from portal_db.tables import Directory, DirectorySync, Job
from xpm.client import Access
from xpm.records import Unreadable, XpmClient

log = structlog.stdlib.get_logger(__name__)

KIND = "sync_directory"
LANE = Lane.RESYNC
DEADLINE_SECONDS = 900
"""A practice's whole list may take XPM minutes."""
OVERLAP = timedelta(minutes=5)
"""How far before the last answer an incremental sync begins: XPM's clock is not ours."""
BATCH = 200
"""Records staged in one transaction."""


@dataclass(frozen=True)
class Answer:
    """What is staged of a sync. `unnamed`: records that could not be read, not even whose they are."""

    sync: DirectorySync
    directory: Directory
    as_of: datetime
    drop: Drop
    unread: int
    unnamed: int


def fetch(services: Services, job: Job) -> Answer | None:
    """Ask XPM, and stage the answer under the job's lease.

    Returns:
        `None` when the sync is done already.

    Raises:
        JobError: nobody's connection works any more, or too much of the answer cannot be read.
        xpm.errors.XpmError: XPM did not answer, or its answer ended early.
    """
    with services.database.write() as tx:
        hold(tx, job)
        sync = directory_syncs.resume(tx, job_arg(job, "sync_id"))
        if sync is None:
            return None
        directory = directories.get(tx, sync.directory_id)
        assert directory is not None, "a sync has a directory"  # noqa: S101 -- a foreign key says so
        asker = _asker(tx, directory)
        erased = directory_syncs.erased(tx, directory)
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
        call_xpm(services, asker, read, seconds=job.deadline_seconds * 0.8)
    except ConnectionLost as lost:
        raise _not_connected() from lost
    drop = Drop(services.settings.directory_drop_percent, services.settings.directory_drop_records)
    staging.require_readable(drop)
    return Answer(sync, directory, asker.now, drop, staging.unread, staging.unnamed)


def apply(tx: Tx, job: Job, row: None, answer: Answer | None) -> Sequence[FollowUp]:
    """Merge what is staged.

    Raises:
        Transient: somebody asked to be forgotten since XPM was asked; the list is read again without them.
    """
    if answer is None:
        return []
    sync, directory = answer.sync, answer.directory
    if directory_syncs.somebody_was_erased_since(tx, directory, answer.as_of):
        raise Transient("person_erased", "A person was erased while the directory was being read; it is read again.")
    whole = sync.mode is SyncMode.FULL and not answer.unnamed
    merged = directory_syncs.merge(tx, sync, directory, answer.as_of, answer.drop, whole=whole)
    log.info(
        "directory.synced",
        directory=str(directory.id),
        mode=sync.mode.value,
        held=bool(merged.missing),
        **{name: getattr(merged, name) for name in ("seen", "added", "changed", "gone", "missing", "unread")},
    )
    return resync_relationships.after_sync(tx, directory, sync.id)


def on_failure(tx: Tx, job: Job, failure: Failure) -> None:
    """A job that ended without success ends its sync; one that will be tried again goes on with it."""
    now = jobs.get(tx, job.id)
    if now is not None and now.state in (JobState.REJECTED, JobState.DEAD):
        directory_syncs.fail(tx, job_arg(job, "sync_id"), failure.code)


class _Staging:
    """Stages an answer in short transactions, each under the job's lease, and counts what cannot be read."""

    def __init__(self, services: Services, job: Job, sync_id: UUID, erased: set[UUID]) -> None:
        self._services = services
        self._job = job
        self._sync_id = sync_id
        self._erased = erased
        self._unreadable: list[UUID] = []
        self.read = self.unread = self.unnamed = 0

    def note_unreadable(self, found: Unreadable) -> None:
        """A record that is there, and not as XPM's contract has it: it must neither be lost nor stop the others."""
        log.warning("directory.unreadable", sync=str(self._sync_id), problem=found.problem)
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
            self._put([_unread(uuid) for uuid in self._unreadable[start : start + BATCH]])

    def require_readable(self, drop: Drop) -> None:
        """A few odd records are XPM's; many mean that we do not understand its answer.

        Raises:
            Permanent: they are many.
        """
        failed = self.unread + self.unnamed
        if drop.is_sharp(failed, self.read + failed):
            raise Permanent(
                "xpm_contract",
                f"{failed} of {self.read + failed} records in XPM's list cannot be read.",
                "Tell the developers.",
            )

    def _row(self, record: XpmClient) -> dict[str, Any]:
        kept = tuple(item for item in record.relationships if item.related_uuid not in self._erased)
        return {"xpm_uuid": record.uuid, **columns_of(replace(record, relationships=kept))}

    def _put(self, rows: list[dict[str, Any]]) -> None:
        with self._services.database.write() as tx:
            hold(tx, self._job)
            directory_syncs.stage(tx, self._sync_id, rows)


def _unread(uuid: UUID) -> dict[str, Any]:
    nothing = dict.fromkeys(("record", "content_hash", "name_key", "structure"))
    return {"xpm_uuid": uuid, **nothing, "is_archived": False, "is_deleted": False}


def _asker(tx: Tx, directory: Directory) -> Asker:
    """On whose behalf the directory is read: the first whose connection works and who may import through it."""
    for reader in directories.readers(tx, directory):
        asker = askers.of_staff(tx, reader.practice_id, reader.staff_id)
        try:
            require_connection(asker)
        except (Rejected, ConnectionLost):
            continue
        return asker
    raise _not_connected()


def _not_connected() -> Rejected:
    """Turned down and not put aside: whoever reconnects begins a new sync."""
    return Rejected(
        "not_connected",
        "Nobody has a connection that works to read this directory through.",
        "Reconnect XPM under Configure > Integrations; a sync then begins by itself.",
    )
