"""Reads one XPM record for a job: from what the requester's login saw since the import was asked for, else from XPM.

One import thus costs one XPM call, however many of its jobs want the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from handlers.connections import require_connection
from handlers.flow import Services, of_import
from handlers.xero_tokens import call_xpm
from portal_db import upstream
from portal_db.database import Tx
from portal_db.tables import Job, XpmConnection
from xpm.client import Access, Fetched
from xpm.records import XpmClient

_adapter = TypeAdapter(XpmClient)


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
        connection = require_connection(requester)
    seen = requester.seen
    if seen is not None and seen.as_of >= requester.request.epoch_started_at:
        return Seen(connection, _adapter.validate_python(seen.record), seen.as_of)

    def get(access: Access, seconds: float) -> Fetched[XpmClient]:
        uuid = requester.request.xpm_uuid
        return services.xpm.get(access, uuid, lane=job.lane.value, holder=str(job.id), deadline_seconds=seconds)

    # The other half of the deadline is for writing it down.
    fetched = call_xpm(services, requester, get, seconds=job.deadline_seconds / 2)
    return Seen(connection, fetched.value, requester.now)


def keep(tx: Tx, seen: Seen) -> None:
    """Store what was seen for the jobs that follow; an older answer never replaces a newer one."""
    record: dict[str, Any] = _adapter.dump_python(seen.record, mode="json")
    upstream.keep_directory_record(tx, seen.connection, seen.record.uuid, record, seen.as_of)
