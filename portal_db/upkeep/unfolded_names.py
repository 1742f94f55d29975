"""Names that an earlier release wrote while both ran side by side: without the form that is searched."""

from __future__ import annotations

from sqlalchemy import select

from config.folding import name_key
from portal_db.database import Tx
from portal_db.dialect import update_each
from portal_db.tables import Client, Relationship

#: The columns of folded names, with the columns they are made of.
_KEYS = (
    (Client, Client.name_key, (Client.name,)),
    (Client, Client.sort_key, (Client.name,)),
    (Relationship, Relationship.search_key, (Relationship.other_name, Relationship.label)),
)


def fold(tx: Tx, *, limit: int) -> int:
    """Fold up to `limit` names of each table, and return how many were left to fold."""
    count = 0
    for table, key, parts in _KEYS:
        rows = tx.session.execute(select(table.id, *parts).where(key.is_(None)).limit(limit)).all()
        update_each(tx, table, {row_id: {key.key: name_key(*texts)} for row_id, *texts in rows})
        count += len(rows)
    return count
