"""XPM records of people who asked to be erased: work requested before must not import them again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select

from portal_db import bulk
from portal_db.bulk import Given, one_of
from portal_db.database import Tx
from portal_db.dialect import insert_or_replace
from portal_db.tables import Erasure
from portal_db.types import db_now


def note(tx: Tx, practice_id: UUID, xpm_uuid: UUID) -> None:
    row = {"practice_id": practice_id, "xpm_uuid": xpm_uuid, "erased_at": db_now()}
    insert_or_replace(tx, Erasure, row, changed=("erased_at",))


def times(tx: Tx, practice_id: UUID, xpm_uuids: Collection[UUID]) -> dict[UUID, datetime]:
    """When the people of these records were erased last; records of people who were not are left out."""
    values = {"practice_id": practice_id, "xpm_uuids": list(xpm_uuids)}
    return dict(tx.session.connection().execute(_TIMES, values).all())


_TIMES = select(Erasure.xpm_uuid, Erasure.erased_at).where(
    Erasure.practice_id == bindparam("practice_id"), one_of(Erasure.xpm_uuid, "xpm_uuids")
)


def among(tx: Tx, practice_id: UUID, xpm_uuids: Collection[UUID]) -> set[UUID]:
    """The records among these whose people asked to be erased."""
    return set(times(tx, practice_id, xpm_uuids)) if xpm_uuids else set()


def elsewhere(tx: Tx, practice_id: UUID, xpm_uuids: Collection[UUID]) -> set[UUID]:
    """The records among these whose people asked another practice to erase them."""
    values = {"practice_id": practice_id, "xpm_uuids": list(xpm_uuids)}
    return set(tx.session.scalars(_ELSEWHERE, values)) if xpm_uuids else set()


_ELSEWHERE = select(Erasure.xpm_uuid).where(
    Erasure.practice_id != bindparam("practice_id"), one_of(Erasure.xpm_uuid, "xpm_uuids")
)


def lift(tx: Tx, practice_id: UUID, xpm_uuids: Collection[UUID]) -> None:
    """End erasures, if there are any, because the practice has imported the records again."""
    rows = [{"practice_id": practice_id, "xpm_uuid": xpm_uuid} for xpm_uuid in sorted(xpm_uuids)]
    bulk.write(tx, Erasure, rows, Given.delete)
