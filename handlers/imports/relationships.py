"""import_relationships: each relationship in XPM becomes a review item, unless it is linked already (b.18 to b.21).

The client's team does not change until a reviewer decides. Linked relationships are updated without review.
"""

from __future__ import annotations

from collections.abc import Sequence

from handlers import refusals
from handlers.directory.records import content_hash
from handlers.jobs.handler import Result, Task, job_arg
from handlers.relationships.labels import combine_rows, is_whole
from handlers.relationships.merge import RecordUpdate, merge_updates
from portal_db.clients.history import By
from portal_db.database import Tx
from portal_db.states import ChangeSource


def apply(tx: Tx, tasks: Sequence[Task]) -> list[Result]:
    """Merge XPM's relationships; pending items that are no longer in XPM are superseded (b.27). A task is refused if its
    client was disconnected from XPM meanwhile (b.11)."""
    practice_id = tasks[0].job.practice_id
    updates = []
    for task in tasks:
        record = task.fetched.record
        update = RecordUpdate(
            job_arg(task.job, "client_id"),
            record.uuid,
            combine_rows(record.relationships),
            task.fetched.as_of,
            content_hash(record),
            By(practice_id, ChangeSource.IMPORT, import_id=task.row.id),
            begun_at=task.row.epoch_started_at,
            is_whole=is_whole(record),
        )
        updates.append(update)
    linked = merge_updates(tx, practice_id, updates).linked
    return [
        [] if (update.client_id, update.xpm_uuid) in linked else refusals.CLIENT_DISCONNECTED() for update in updates
    ]
