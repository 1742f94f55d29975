"""What needs a staff member: their failed imports, their clients with items to review, and their finished batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from handlers.access.caller import Caller
from handlers.imports.queries import REPEATED
from portal_db.database import Database
from portal_db.tables import Batch, Client, Import
from portal_db.work import needs, recent_imports

#: For how long a failed import and a finished batch are listed.
FAILED_SECONDS, FINISHED_SECONDS = 14 * 86_400.0, 72 * 3600.0
#: Of each, at most.
MOST = 50


@dataclass(frozen=True)
class Needs:
    """What needs a person. `names`: what failed imports are about, as far as it is known."""

    failed: Sequence[Import]
    names: Mapping[UUID, str]
    to_review: Sequence[tuple[Client, int]]
    finished: Sequence[Batch]


def of_staff(database: Database, caller: Caller) -> Needs:
    """What needs the caller; of each kind at most `MOST`."""
    who = (caller.practice_id, caller.staff_id)
    with database.read() as tx:
        failed = needs.failed_imports(tx, *who, seconds=FAILED_SECONDS, except_codes=REPEATED, limit=MOST)
        names = recent_imports.names(tx, caller.viewer, caller.practice_id, failed) if failed else {}
        to_review = needs.clients_to_review(tx, *who, limit=MOST)
        finished = needs.finished_batches(tx, *who, seconds=FINISHED_SECONDS, limit=MOST)
    return Needs(failed, names, to_review, finished)


def count_of_staff(database: Database, caller: Caller) -> int:
    """How many entries `of_staff` has: the navigation of each page shows it."""
    with database.read() as tx:
        return needs.count(
            tx,
            caller.practice_id,
            caller.staff_id,
            failed_seconds=FAILED_SECONDS,
            except_codes=REPEATED,
            finished_seconds=FINISHED_SECONDS,
            limit=MOST,
        )
