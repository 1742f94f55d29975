"""Forms that were sent with a session that had just ended. Callers pass hashes of sessions and encrypted fields."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import or_, select

from portal_db.database import Tx
from portal_db.dialect import delete_rows, insert_or_replace, update_rows
from portal_db.tables import KeptForm, StaffSession
from portal_db.types import db_now


def staff_of_ended(tx: Tx, token_hash: str, *, seconds: float) -> UUID | None:
    """Whose session this was, if it ended by itself within `seconds`."""
    has_ended = or_(StaffSession.idle_until <= db_now(), StaffSession.ends_at <= db_now())
    lately = (StaffSession.idle_until > db_now(-seconds), StaffSession.ends_at > db_now(-seconds))
    return tx.session.scalar(
        select(StaffSession.staff_id).where(StaffSession.token_hash == token_hash, has_ended, *lately)
    )


def put(tx: Tx, token_hash: str, staff_id: UUID, path: str, content: bytes, *, seconds: float) -> None:
    """Keep a form in place of the session's earlier one, and delete every one that has ended, whoever's it was."""
    delete_rows(tx, KeptForm, KeptForm.ends_at < db_now())
    row = {"token_hash": token_hash, "staff_id": staff_id, "path": path, "content": content, "ends_at": db_now(seconds)}
    insert_or_replace(tx, KeptForm, row, changed=("staff_id", "path", "content", "ends_at"))


def take_over(tx: Tx, before: str, after: str, staff_id: UUID) -> None:
    """A session follows another one of the same person: it has its form."""
    update_rows(tx, KeptForm, KeptForm.token_hash == before, KeptForm.staff_id == staff_id, token_hash=after)


def get(tx: Tx, token_hash: str, path: str) -> bytes | None:
    """The form that a session has of this page."""
    statement = select(KeptForm.content).where(KeptForm.token_hash == token_hash, KeptForm.path == path)
    return tx.session.scalar(statement.where(KeptForm.ends_at > db_now()))
