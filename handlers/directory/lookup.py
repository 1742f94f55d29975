"""Reads one XPM record for a job: from the directory of the requester's login if what it says is new enough, else from XPM.

An import that makes a client takes what its directory knew at most 20 minutes before it was asked for: it needs no call of
its own. Whoever asks again because something was corrected in XPM sees the correction: after an import of the record was
turned down, in a later epoch, and for a client who is there, only what was asked of XPM since counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from handlers import refusals
from handlers.directory.records import columns_of, read_record
from handlers.jobs.handler import of_import
from handlers.services import Services
from handlers.xero.connection import require_connection
from handlers.xero.tokens import call_xpm
from portal_db.database import Tx
from portal_db.directory import directories
from portal_db.tables import Directory, DirectoryRecord, Import, Job, XpmConnection
from portal_db.upkeep import erasures
from portal_db.xero import requester as xero_requester
from portal_db.xero.requester import Requester
from xpm.client import Access, Fetched
from xpm.records import XpmClient

FRESH = timedelta(minutes=20)
"""How old the directory's word may be when an import is asked for: the 15 minutes between two syncs, and room for one."""


@dataclass(frozen=True)
class FetchedRecord:
    """A record, the connection it was seen through, and when it was asked for, by the database's clock: workers' own
    clocks may disagree, and an older answer must never look newer."""

    connection: XpmConnection
    record: XpmClient
    as_of: datetime


def fetch_record(services: Services, job: Job) -> FetchedRecord:
    """The XPM record a job's import is about, as of the start of the import's epoch or later.

    Raises:
        JobError: the requester may not import, or not through this connection.
        xpm.errors.XpmError: XPM was asked and did not give it.
    """
    with services.database.read() as tx:
        requester = xero_requester.requester(tx, of_import(job))
        _require_not_erased(tx, requester.request)
        connection = require_connection(requester)
    _note_used(services, requester)
    known_at = vouched_at(requester.record, requester.directory)
    if requester.record is not None and known_at is not None and known_at >= _oldest(requester):
        return FetchedRecord(connection, read_record(requester.record.record), known_at)

    def get(access: Access, seconds: float) -> Fetched[XpmClient]:
        uuid = requester.request.xpm_uuid
        return services.xpm.get(access, uuid, lane=job.lane.value, holder=str(job.id), deadline_seconds=seconds)

    # The other half of the deadline is for writing it down.
    fetched = call_xpm(services, requester, get, seconds=job.deadline_seconds / 2)
    return FetchedRecord(connection, fetched.value, requester.now)


def _note_used(services: Services, requester: Requester) -> None:
    directory = requester.directory
    if directory is not None and directories.is_use_due(directory, requester.now):
        with services.database.write() as tx:
            directories.note_used(tx, directory.id)


def vouched_at(seen: DirectoryRecord | None, directory: Directory | None) -> datetime | None:
    """Until when a row is known to say what XPM says: a sync leaves rows alone that are right. `None` where XPM did not list
    the record any more, or not so that it could be read."""
    if seen is None or seen.gone_at or seen.missing_since or seen.unread_since:
        return None
    synced_at = directory.cursor if directory is not None else None
    return max(seen.as_of, synced_at) if synced_at is not None else seen.as_of


def _oldest(requester: Requester) -> datetime:
    """What was known before this is not good enough for an import."""
    row = requester.request
    brings_more = row.client_id is not None and requester.created_client_id is None
    if row.epoch > 1 or brings_more:
        return row.epoch_started_at
    oldest = row.epoch_started_at - FRESH
    return max(oldest, requester.last_rejected_at) if requester.last_rejected_at is not None else oldest


def keep(tx: Tx, seen: FetchedRecord) -> None:
    """Store what was seen for the jobs that follow; an older answer never replaces a newer one.

    Relationships to people who asked to be forgotten are left out.
    """
    columns = columns_of(without_erased(tx, seen.connection.practice_id, seen.record))
    directories.keep_directory_record(tx, seen.connection, seen.record.uuid, columns, seen.as_of)


def without_erased(tx: Tx, practice_id: UUID, record: XpmClient) -> XpmClient:
    """A record as a practice may keep it: without relationships to people who asked to be forgotten."""
    erased = erasures.among(tx, practice_id, {item.related_uuid for item in record.relationships})
    others = tuple(item for item in record.relationships if item.related_uuid not in erased)
    return replace(record, relationships=others)


def _require_not_erased(tx: Tx, row: Import) -> None:
    """A late job of an import asked for before its person asked to be forgotten brings nothing back."""
    if erasures.was_since(tx, row.practice_id, row.xpm_uuid, row.created_at):
        raise refusals.PERSON_ERASED()
