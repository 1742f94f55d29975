"""What of a batch was turned down or failed, to be corrected and sent again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from handlers.callers import Caller
from handlers.looking import unknown_batch
from portal_db import import_list, recent_actions
from portal_db.database import Database
from portal_db.states import ImportState
from portal_db.tables import Import

#: States of a row that came to nothing, and that may be asked for again.
STATES = (ImportState.REJECTED, ImportState.FAILED, ImportState.CANCELLED)


@dataclass(frozen=True)
class Row:
    """A row that came to nothing, and what XPM or the requester calls it, if anybody knows."""

    row: Import
    name: str | None


def rows(database: Database, caller: Caller, batch_id: UUID, *, limit: int) -> Sequence[Row]:
    """The first rows of a batch that came to nothing, in its order.

    Raises:
        RequestRefused: there is no such batch for them.
    """
    with database.read() as tx:
        if import_list.batch(tx, caller.sight, batch_id) is None:
            raise unknown_batch()
        found = import_list.of_batch(tx, caller.sight, batch_id, STATES, limit=limit)
        names = recent_actions.names_in_xpm(tx, caller.practice_id, [row.xpm_uuid for row in found])
    return [Row(row, row.name or names.get(row.xpm_uuid)) for row in found]
