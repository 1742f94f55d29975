"""import_relationships: each relationship in XPM becomes a review item, unless it is linked already (b.18 to b.21).

Nothing shows in the client's Team until a reviewer decides. Linked ones are brought up to date without review.
"""

from __future__ import annotations

from collections.abc import Sequence

from handlers.clients.link import require_link
from handlers.directory.lookup import FetchedRecord, without_erased
from handlers.directory.records import content_hash
from handlers.jobs.enqueue import FollowUp
from handlers.jobs.handler import job_arg
from handlers.relationships import merge
from handlers.relationships.labels import combine_rows
from handlers.relationships.merge import RecordUpdate
from portal_db.clients.history import By
from portal_db.database import Tx
from portal_db.states import ChangeSource
from portal_db.tables import Import, Job


def apply(tx: Tx, job: Job, row: Import, seen: FetchedRecord) -> Sequence[FollowUp]:
    """Offer what XPM has for review; pending items it no longer has are superseded (b.27).

    Raises:
        Rejected: the client was disconnected from XPM meanwhile (b.11).
    """
    client = require_link(tx, row.practice_id, job_arg(job, "client_id"), seen)
    by = By(row.practice_id, ChangeSource.IMPORT, import_id=row.id)
    record = without_erased(tx, row.practice_id, seen.record)
    news = RecordUpdate(client.id, record.uuid, combine_rows(record.relationships), seen.as_of, content_hash(record))
    merge.merge_updates(tx, by, [news], begun_at=row.epoch_started_at)
    return []
