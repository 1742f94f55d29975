"""create_entity: a validated company, trust or fund becomes a client with a name and a type, and no login (b.3)."""

from __future__ import annotations

from collections.abc import Sequence

from handlers.classification import entity_type_of
from handlers.creation import adjusted, create, wanted_branches
from handlers.directory import Seen
from handlers.flow import FollowUp
from handlers.structures import words_of
from portal_db.database import Tx
from portal_db.tables import Import, Job


def apply(tx: Tx, job: Job, row: Import, seen: Seen) -> Sequence[FollowUp]:
    """Create the entity with the type asked for, else XPM's.

    Raises:
        Rejected: the record was linked to another client meanwhile.
    """
    found = entity_type_of(seen.record, words_of(tx, row.practice_id))
    entity_type = row.entity_type or found
    shape = {"entity_type": entity_type, "login_id": None, "client_type": None, "subscription": None}
    client_id = create(tx, row, seen, shape, [adjusted("type", row.entity_type, found)])
    return wanted_branches(tx, row, client_id)
