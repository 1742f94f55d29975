"""Which XPM records and email addresses that imports ask for are in use: early answers, never the decision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, null, select, union_all

from portal_db.bulk import confined, one_of
from portal_db.database import Tx
from portal_db.states import OPEN_IMPORT_STATES
from portal_db.tables import Import, Login, XpmLink
from portal_db.work.due import import_state_of_found


@dataclass(frozen=True, slots=True)
class InUse:
    """What is in use: `linked`, records of the practice's clients; `second`, those of the imports whose record another open
    import requested before them; `logins`, by the keys of their email addresses."""

    linked: frozenset[UUID]
    second: frozenset[UUID]
    logins: dict[str, UUID]


def read(tx: Tx, rows: Collection[Import], email_keys: Collection[str]) -> InUse:
    """What is in use of the records that these open imports of one practice request, and of these addresses: by one
    statement, since a person waits for it."""
    [practice_id] = {row.practice_id for row in rows}
    xpm_uuids = list({row.xpm_uuid for row in rows})
    values = {"practice_id": practice_id, "xpm_uuids": xpm_uuids, "email_keys": list(email_keys)}
    requests: dict[UUID, list[Any]] = defaultdict(list)
    logins: dict[str, UUID] = {}
    for found in tx.connection.execute(_IN_USE, values):
        if found.email_key is None:
            requests[found.xpm_uuid].append(found)
        else:
            logins[found.email_key] = found.id
    linked = (xpm_uuid for xpm_uuid, [first, *_] in requests.items() if first.is_linked)
    second = (row.id for row in rows if any(_was_before(other, row) for other in requests[row.xpm_uuid]))
    return InUse(frozenset(linked), frozenset(second), logins)


#: Sought for each record by itself: a connection may keep a plan that reads all links of the practice for a set of records.
_LINK = (
    select(XpmLink.id)
    .where(
        XpmLink.practice_id == Import.practice_id,
        XpmLink.xpm_uuid == Import.xpm_uuid,
        XpmLink.disconnected_at.is_(None),
    )
    .scalar_subquery()
)
_IN_USE = union_all(
    select(Import.id, Import.xpm_uuid, Import.batch_id, Import.position, Import.created_at)
    .add_columns(_LINK.is_not(None).label("is_linked"), null().label("email_key"))
    .where(
        one_of(Import.xpm_uuid, "xpm_uuids"),
        confined(Import.practice_id, bindparam("practice_id")),
        import_state_of_found.in_(OPEN_IMPORT_STATES),
    ),
    select(Login.id, null(), null(), null(), null(), null(), Login.email_key).where(
        one_of(Login.email_key, "email_keys")
    ),
)


def _was_before(other: Any, row: Import) -> bool:
    """Within a batch its order decides, otherwise the time of the request; ids break ties, so that one of two is first."""
    if other.id == row.id:
        return False
    if row.batch_id is not None and other.batch_id == row.batch_id:
        return (other.position or 0) < (row.position or 0)
    return (other.created_at, other.id) < (row.created_at, row.id)
