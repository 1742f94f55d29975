"""XPM records whose person asked to be forgotten: what was asked for before that must not bring them back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select

from portal_db.database import Tx
from portal_db.dialect import upsert
from portal_db.tables import Erasure
from portal_db.types import db_now


def note(tx: Tx, practice_id: UUID, xpm_uuid: UUID) -> None:
    row = {"practice_id": practice_id, "xpm_uuid": xpm_uuid, "erased_at": db_now()}
    statement = upsert(tx, Erasure, row)
    tx.session.execute(
        statement.on_conflict_do_update(
            index_elements=["practice_id", "xpm_uuid"], set_={"erased_at": statement.excluded.erased_at}
        )
    )


def was_since(tx: Tx, practice_id: UUID, xpm_uuid: UUID, moment: datetime) -> bool:
    """Whether the record's person was forgotten after this moment."""
    statement = select(Erasure.xpm_uuid).where(
        Erasure.practice_id == practice_id, Erasure.xpm_uuid == xpm_uuid, Erasure.erased_at >= moment
    )
    return tx.session.scalar(statement) is not None


def among(tx: Tx, practice_id: UUID, xpm_uuids: Collection[UUID]) -> set[UUID]:
    """Those of these records whose people asked to be forgotten."""
    statement = select(Erasure.xpm_uuid).where(Erasure.practice_id == practice_id, Erasure.xpm_uuid.in_(xpm_uuids))
    return set(tx.session.scalars(statement))


def lift(tx: Tx, practice_id: UUID, xpm_uuid: UUID) -> None:
    """The practice has imported the record anew."""
    statement = delete(Erasure).where(Erasure.practice_id == practice_id, Erasure.xpm_uuid == xpm_uuid)
    tx.session.execute(statement)
