"""Reads one XPM record for a job: from what the requester's login saw since the import was asked for, else from XPM.

One import thus costs one XPM call, however many of its jobs want the record.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from handlers.connections import require_connection
from handlers.errors import Rejected
from handlers.flow import Services, of_import
from handlers.sights import columns_of, read_sight
from handlers.xero_tokens import call_xpm
from portal_db import erasures, upstream
from portal_db.database import Tx
from portal_db.tables import Import, Job, XpmConnection
from xpm.client import Access, Fetched
from xpm.records import XpmClient


@dataclass(frozen=True)
class Seen:
    """A record, the connection it was seen through, and when it was asked for, by the database's clock: workers' own
    clocks may disagree, and an older answer must never look newer."""

    connection: XpmConnection
    record: XpmClient
    as_of: datetime


def fetch_record(services: Services, job: Job) -> Seen:
    """The XPM record a job's import is about, as of the start of the import's epoch or later.

    Raises:
        JobError: the requester may not import, or not through this connection.
        xpm.errors.XpmError: XPM was asked and did not give it.
    """
    with services.database.read() as tx:
        requester = upstream.requester(tx, of_import(job))
        _require_not_erased(tx, requester.request)
        connection = require_connection(requester)
    seen = requester.seen
    if seen is not None and seen.as_of >= requester.request.epoch_started_at:
        return Seen(connection, read_sight(seen.record), seen.as_of)

    def get(access: Access, seconds: float) -> Fetched[XpmClient]:
        uuid = requester.request.xpm_uuid
        return services.xpm.get(access, uuid, lane=job.lane.value, holder=str(job.id), deadline_seconds=seconds)

    # The other half of the deadline is for writing it down.
    fetched = call_xpm(services, requester, get, seconds=job.deadline_seconds / 2)
    return Seen(connection, fetched.value, requester.now)


def keep(tx: Tx, seen: Seen) -> None:
    """Store what was seen for the jobs that follow; an older answer never replaces a newer one.

    Relationships to people who asked to be forgotten are left out.
    """
    columns = columns_of(without_erased(tx, seen.connection.practice_id, seen.record))
    upstream.keep_directory_record(tx, seen.connection, seen.record.uuid, columns, seen.as_of)


def without_erased(tx: Tx, practice_id: UUID, record: XpmClient) -> XpmClient:
    """A record as a practice may keep it: without relationships to people who asked to be forgotten."""
    erased = erasures.among(tx, practice_id, {item.related_uuid for item in record.relationships})
    others = tuple(item for item in record.relationships if item.related_uuid not in erased)
    return replace(record, relationships=others)


def _require_not_erased(tx: Tx, row: Import) -> None:
    """A late job of an import asked for before its person asked to be forgotten brings nothing back."""
    if erasures.was_since(tx, row.practice_id, row.xpm_uuid, row.created_at):
        raise Rejected(
            "person_erased",
            "This person asked to be forgotten after this import was asked for.",
            "Import them anew if they are to be a client again.",
            field="xpm_uuid",
        )
