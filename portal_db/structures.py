"""What a practice's staff say their words for business structures mean; one row per word."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from portal_db.database import Tx
from portal_db.dialect import upsert
from portal_db.tables import BusinessStructure
from portal_db.types import db_now


def of_practice(tx: Tx, practice_id: UUID) -> list[BusinessStructure]:
    statement = select(BusinessStructure).where(BusinessStructure.practice_id == practice_id)
    return list(tx.session.scalars(statement.order_by(BusinessStructure.structure_key)))


def put(tx: Tx, row: dict[str, Any]) -> None:
    """Say what a word means, in place of what was said before."""
    statement = upsert(tx, BusinessStructure, {**row, "set_at": db_now()})
    changed = {name: statement.excluded[name] for name in ("structure", "kind", "entity_type", "set_by", "set_at")}
    tx.session.execute(statement.on_conflict_do_update(index_elements=["practice_id", "structure_key"], set_=changed))


def drop(tx: Tx, practice_id: UUID, structure_key: str) -> bool:
    """Forget what a word means. False when nothing was said."""
    statement = delete(BusinessStructure).where(
        BusinessStructure.practice_id == practice_id, BusinessStructure.structure_key == structure_key
    )
    found = statement.returning(BusinessStructure.structure_key).execution_options(synchronize_session=False)
    return tx.session.scalar(found) is not None
