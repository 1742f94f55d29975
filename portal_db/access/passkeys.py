"""Passkeys of an account, and the challenges that they sign."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from portal_db.database import Tx
from portal_db.dialect import delete_rows, has_row, insert_or_ignore, insert_or_replace, update_rows
from portal_db.tables import Passkey, PasskeyChallenge
from portal_db.types import db_now


def put_challenge(tx: Tx, login_id: UUID, purpose: str, challenge: bytes, *, seconds: float) -> None:
    """Keep a challenge; the account's earlier one for the purpose is worth nothing then."""
    row = {"login_id": login_id, "purpose": purpose, "challenge": challenge, "ends_at": db_now(seconds)}
    insert_or_replace(tx, PasskeyChallenge, row, changed=("challenge", "ends_at"))


def take_challenge(tx: Tx, login_id: UUID, purpose: str) -> bytes | None:
    """The account's challenge for a purpose, once; `None` when there is none (any more)."""
    its = (PasskeyChallenge.login_id == login_id, PasskeyChallenge.purpose == purpose)
    statement = delete(PasskeyChallenge).where(*its, PasskeyChallenge.ends_at > db_now())
    return tx.session.scalar(statement.returning(PasskeyChallenge.challenge))


def add(tx: Tx, row: dict[str, Any]) -> bool:
    """Add a passkey. False when some account has it already."""
    return insert_or_ignore(tx, Passkey, {**row, "created_at": db_now()})


def of(tx: Tx, login_id: UUID) -> list[Passkey]:
    """An account's passkeys, oldest first."""
    statement = select(Passkey).where(Passkey.login_id == login_id).order_by(Passkey.created_at, Passkey.id)
    return list(tx.session.scalars(statement))


def has_any(tx: Tx, login_id: UUID) -> bool:
    return has_row(tx, Passkey.login_id == login_id)


def used(tx: Tx, passkey: Passkey, sign_count: int) -> bool:
    """Record a use. False when it was used meanwhile: the count is the one that was read."""
    as_read = (Passkey.id == passkey.id, Passkey.sign_count == passkey.sign_count)
    return bool(update_rows(tx, Passkey, *as_read, sign_count=sign_count, last_used_at=db_now()))


def remove(tx: Tx, login_id: UUID, passkey_id: UUID) -> bool:
    """Remove one of an account's passkeys. False when it has no such one."""
    return bool(delete_rows(tx, Passkey, Passkey.id == passkey_id, Passkey.login_id == login_id))
