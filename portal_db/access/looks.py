"""How practices' client pages and emails look."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from portal_db.database import Tx
from portal_db.dialect import insert_or_replace
from portal_db.tables import PracticeLook


def get(tx: Tx, practice_id: UUID) -> PracticeLook | None:
    """A practice's look, without the logo's file."""
    return tx.get(PracticeLook, practice_id)


def logo(tx: Tx, practice_id: UUID, digest: str) -> tuple[bytes, str] | None:
    """A practice's logo and its media type, if it is still this one."""
    statement = select(PracticeLook.logo, PracticeLook.logo_type).where(
        PracticeLook.practice_id == practice_id, PracticeLook.logo_digest == digest
    )
    found = tx.session.execute(statement).one_or_none()
    return (found[0], found[1]) if found is not None and found[0] is not None and found[1] is not None else None


def put(tx: Tx, practice_id: UUID, values: dict[str, Any]) -> None:
    """Set some of a practice's look, and leave the rest."""
    insert_or_replace(tx, PracticeLook, {"practice_id": practice_id, **values}, changed=tuple(values))
