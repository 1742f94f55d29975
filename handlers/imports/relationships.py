"""import_relationships: each relationship in XPM becomes a review item, unless it is linked already (b.18 to b.21).

The client's team does not change until a reviewer decides. Linked relationships are updated without review.
"""

from __future__ import annotations

from collections.abc import Sequence

from handlers.clients.link import require_link
from handlers.directory.lookup import FetchedRecord, without_erased
from handlers.directory.records import content_hash
from handlers.jobs.enqueue import FollowUp
from handlers.jobs.handler import job_arg
from handlers.relationships.labels import combine_rows
from handlers.relationships.merge import RecordUpdate, merge_updates
from portal_db.clients.history import By
from portal_db.database import Tx
from portal_db.states import ChangeSource
from portal_db.tables import Import, Job


def apply(tx: Tx, job: Job, row: Import, seen: FetchedRecord) -> Sequence[FollowUp]:
    """Merge XPM's relationships; pending items that are no longer in XPM are superseded (b.27).

    Raises:
        Rejected: the client was disconnected from XPM meanwhile (b.11).
    """
    client = require_link(tx, row.practice_id, job_arg(job, "client_id"), seen)
    by = By(row.practice_id, ChangeSource.IMPORT, import_id=row.id)
    record = without_erased(tx, row.practice_id, seen.record)
    update = RecordUpdate(client.id, record.uuid, combine_rows(record.relationships), seen.as_of, content_hash(record))
    merge_updates(tx, by, [update], begun_at=row.epoch_started_at)
    return []
