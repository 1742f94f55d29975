"""XPM records of people who asked to be erased: work requested before must not import them again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, bindparam, select

from portal_db import bulk
from portal_db.aliases import alias_of
from portal_db.bulk import Given, one_of
from portal_db.database import Tx
from portal_db.dialect import insert_or_replace
from portal_db.tables import Erasure, XpmConnection
from portal_db.types import db_now


def note(tx: Tx, practice_id: UUID, xpm_uuid: UUID) -> None:
    row = {"practice_id": practice_id, "xpm_uuid": xpm_uuid, "erased_at": db_now()}
    insert_or_replace(tx, Erasure, row, changed=("erased_at",))


def times(tx: Tx, practice_id: UUID, xpm_uuids: Collection[UUID]) -> dict[UUID, datetime]:
    """When the people of these records were erased last; records of people who were not are left out."""
    values = {"practice_id": practice_id, "xpm_uuids": list(xpm_uuids)}
    return dict(tx.connection.execute(_TIMES, values).all())


_TIMES = select(Erasure.xpm_uuid, Erasure.erased_at).where(
    Erasure.practice_id == bindparam("practice_id"), one_of(Erasure.xpm_uuid, "xpm_uuids")
)


def among(tx: Tx, practice_id: UUID, xpm_uuids: Collection[UUID]) -> set[UUID]:
    """The records among these whose people asked to be erased."""
    return set(times(tx, practice_id, xpm_uuids)) if xpm_uuids else set()


def elsewhere(tx: Tx, practice_id: UUID, xpm_uuids: Collection[UUID]) -> set[UUID]:
    """The records among these whose people asked another practice to erase them, which reads the same directory."""
    values = {"practice_id": practice_id, "xpm_uuids": list(xpm_uuids)}
    return set(tx.session.scalars(_ELSEWHERE, values)) if xpm_uuids else set()


_mine, _theirs = alias_of(XpmConnection, name="mine"), alias_of(XpmConnection, name="theirs")
_ELSEWHERE = select(Erasure.xpm_uuid).where(
    one_of(Erasure.xpm_uuid, "xpm_uuids"),
    Erasure.practice_id.in_(
        select(_theirs.practice_id)
        .join(_mine, and_(_mine.xero_login_id == _theirs.xero_login_id, _mine.tenant_id == _theirs.tenant_id))
        .where(_mine.practice_id == bindparam("practice_id"), _theirs.practice_id != _mine.practice_id)
    ),
)


def lift(tx: Tx, practice_id: UUID, xpm_uuids: Collection[UUID]) -> None:
    """End erasures, if there are any, because the practice has imported the records again."""
    rows = [{"practice_id": practice_id, "xpm_uuid": xpm_uuid} for xpm_uuid in sorted(xpm_uuids)]
    bulk.write(tx, Erasure, rows, Given.delete)
