"""Reads XPM records for jobs: from the directory of the requester's Xero login if that is recent enough, else from XPM.

An import that creates a client uses what its directory knew up to 20 minutes before it was requested, without a call. If the
record may have been corrected in XPM, only what XPM returned since counts: after an earlier import of the record was
rejected, in a later epoch, and for a client that exists already. Of a client's relationships that are imported again, an
incremental sync says nothing; a client that is created takes what the directory has, or each row of a batch would be a call.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from handlers import refusals
from handlers.directory.records import columns_of, read_record
from handlers.errors import JobError, from_xpm
from handlers.jobs.handler import BY_ITSELF, ByItself, of_import
from handlers.jobs.kinds import JobKind
from handlers.services import Services
from handlers.xero.connection import XpmRequester, require_connection
from handlers.xero.tokens import call_xpm
from portal_db.database import Tx
from portal_db.directory import directories
from portal_db.states import Lane
from portal_db.tables import Directory, DirectoryRecord, Job, XpmConnection
from portal_db.upkeep import erasures
from portal_db.xero import requester as xero_requester
from portal_db.xero.requester import Requester
from xpm.client import Access, Fetched
from xpm.errors import XpmError
from xpm.records import XpmClient

log = structlog.stdlib.get_logger(__name__)

FRESH = timedelta(minutes=20)
"""How old a directory's record may be when an import is requested: the 15 minutes between two syncs, and time for one."""


@dataclass(frozen=True)
class FetchedRecord:
    """A record, the connection it was read through, and when it was requested, by the database's clock: workers' clocks may
    differ, and an older answer must never look newer. `is_stored`: the directory has it already."""

    connection: XpmConnection
    record: XpmClient
    as_of: datetime
    is_stored: bool = False


def fetch_records(services: Services, jobs: Sequence[Job]) -> list[Any]:
    """The XPM records of the jobs' imports, as recent as the imports need them.

    Returns:
        For each job a `FetchedRecord`; the error if its requester may not import, or not through this connection; or
        `BY_ITSELF` if XPM has to be asked and there are others.

    Raises:
        JobError, xpm.errors.XpmError: XPM did not return the record of a single job.
    """
    import_ids = [of_import(job) for job in jobs]
    with services.database.glance() as tx:
        requesters = xero_requester.requesters(tx, import_ids)
    allowed: list[tuple[Job, Requester, XpmConnection | JobError]] = []
    for job, import_id in zip(jobs, import_ids, strict=True):
        try:
            allowed.append((job, requesters[import_id], _require_allowed(requesters[import_id])))
        except JobError as error:
            allowed.append((job, requesters[import_id], error))
    _note_use(services, [requester for _, requester, found in allowed if not isinstance(found, JobError)])
    return [
        found if isinstance(found, JobError) else _record(services, job, requester, found, is_alone=len(jobs) == 1)
        for job, requester, found in allowed
    ]


def _record(
    services: Services, job: Job, requester: Requester, connection: XpmConnection, *, is_alone: bool
) -> FetchedRecord | ByItself:
    """The record from the directory, if it is recent enough, or else from XPM for a job that is alone."""
    wholly = job.kind == JobKind.IMPORT_RELATIONSHIPS and _brings_more(requester)
    known_at = confirmed_at(requester.record, requester.directory, wholly=wholly)
    if requester.record is not None and known_at is not None and known_at >= _oldest_acceptable(requester):
        return FetchedRecord(connection, read_record(requester.record.record), known_at, is_stored=True)
    if not is_alone:
        return BY_ITSELF
    # The other half of the deadline is for writing.
    seconds, uuid = job.deadline_seconds / 2, requester.request.xpm_uuid
    record = get_from_xpm(services, requester, uuid, lane=job.lane, holder=str(job.id), seconds=seconds)
    if record.omissions:
        fields = list(record.omissions)
        log.warning("directory.left_out", import_id=str(of_import(job)), xpm_uuid=str(uuid), fields=fields)
    return FetchedRecord(connection, record, requester.now)


def _require_allowed(requester: Requester) -> XpmConnection:
    # A late job of an import requested before its person was erased must not restore their data.
    if requester.erased_at is not None and requester.erased_at >= requester.request.created_at:
        raise refusals.PERSON_ERASED()
    return require_connection(requester)


def _note_use(services: Services, requesters: Iterable[Requester]) -> None:
    due = {
        each.directory.id
        for each in requesters
        if each.directory is not None and directories.is_use_due(each.directory, each.now)
    }
    if due:
        with services.database.write() as tx:
            for directory_id in due:
                directories.note_used(tx, directory_id)


def get_from_xpm(
    services: Services,
    requester: XpmRequester,
    xpm_uuid: UUID,
    *,
    lane: Lane,
    holder: str | None = None,
    seconds: float,
) -> XpmClient:
    """Get a record from XPM, through the requester's own connection.

    Raises:
        JobError: the requester may not import, or not through this connection.
        xpm.errors.XpmError: XPM did not return it.
    """

    def get(access: Access, left: float) -> Fetched[XpmClient]:
        return services.xpm.get(access, xpm_uuid, lane=lane, holder=holder, deadline_seconds=left)

    return call_xpm(services, requester, get, seconds=seconds).value


def get_for_staff(services: Services, requester: XpmRequester, xpm_uuid: UUID, *, seconds: float) -> XpmClient:
    """Get a record from XPM for a person who waits.

    Raises:
        JobError: the requester may not import, or not through this connection; or XPM did not return the record.
    """
    try:
        return get_from_xpm(services, requester, xpm_uuid, lane=Lane.INTERACTIVE, holder=str(xpm_uuid), seconds=seconds)
    except XpmError as error:
        raise from_xpm(error) from error


def confirmed_at(seen: DirectoryRecord | None, directory: Directory | None, *, wholly: bool = False) -> datetime | None:
    """When a row last matched XPM: a sync does not write rows that have not changed. `None` if XPM no longer listed the
    record, or listed it in a form that could not be read.

    Args:
        wholly: in its relationships too, which only a full sync covers.
    """
    if seen is None or seen.gone_at or seen.missing_since or seen.unread_since:
        return None
    synced_at = (directory.last_full_at if wholly else directory.cursor) if directory is not None else None
    return max(seen.as_of, synced_at) if synced_at is not None else seen.as_of


def _oldest_acceptable(requester: Requester) -> datetime:
    """The earliest time from which a directory's record may be used for an import."""
    row = requester.request
    if row.epoch > 1 or _brings_more(requester):
        return row.epoch_started_at
    oldest = row.epoch_started_at - FRESH
    return max(oldest, requester.last_rejected_at) if requester.last_rejected_at is not None else oldest


def _brings_more(requester: Requester) -> bool:
    """Whether an import adds to a client who exists already."""
    return requester.request.client_id is not None and requester.created_client_id is None


def store_records(tx: Tx, fetched: Iterable[FetchedRecord]) -> None:
    """Store records that came from XPM for later jobs, without relationships to erased people. An older answer never
    replaces a newer one."""
    for seen in fetched:
        if not seen.is_stored:
            others = {item.related_uuid for item in seen.record.relationships}
            erased = erasures.among(tx, seen.connection.practice_id, others)
            columns = columns_of(without_erased(seen.record, erased))
            directories.keep_directory_record(tx, seen.connection, seen.record.uuid, columns, seen.as_of)


def without_erased(record: XpmClient, erased: Collection[UUID]) -> XpmClient:
    """A record as a practice may store it: without relationships to people who asked to be erased."""
    others = tuple(item for item in record.relationships if item.related_uuid not in erased)
    return replace(record, relationships=others)
