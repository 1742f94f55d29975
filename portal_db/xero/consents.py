"""Consents that staff were sent to Xero for: each is answered once, by the person it was begun for, within minutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from portal_db.database import Tx
from portal_db.tables import XeroConsent
from portal_db.types import db_now


def begin(tx: Tx, row: dict[str, Any], *, valid_seconds: float) -> None:
    """Note a consent; those that nobody came back for in time are thrown away."""
    tx.session.execute(delete(XeroConsent).where(XeroConsent.expires_at < db_now()))
    tx.session.execute(insert(XeroConsent).values(**row, expires_at=db_now(valid_seconds)))


def answer(tx: Tx, state_hash: str, staff_id: UUID) -> XeroConsent | None:
    """Take the answer to a consent, once. `None`: unknown, too late, answered before, or somebody else's."""
    statement = (
        update(XeroConsent)
        .where(
            XeroConsent.state_hash == state_hash,
            XeroConsent.staff_id == staff_id,
            XeroConsent.answered_at.is_(None),
            XeroConsent.expires_at > db_now(),
        )
        .values(answered_at=db_now())
        .returning(XeroConsent)
    )
    return tx.session.scalar(statement)


def offer(tx: Tx, consent_id: UUID, xero_login_id: UUID, choices: Sequence[dict[str, Any]], *, seconds: float) -> None:
    """Leave the choice between several practices to the person, for so long."""
    values = {"xero_login_id": xero_login_id, "choices": list(choices), "expires_at": db_now(seconds)}
    tx.session.execute(_of(consent_id).values(**values))


def offered(tx: Tx, consent_id: UUID, staff_id: UUID) -> XeroConsent | None:
    """A choice that is still open for this person. Locked, so that two clicks are one choice."""
    statement = select(XeroConsent).where(
        XeroConsent.id == consent_id,
        XeroConsent.staff_id == staff_id,
        XeroConsent.xero_login_id.is_not(None),
        XeroConsent.expires_at > db_now(),
    )
    return tx.session.scalar(statement.with_for_update())


def end(tx: Tx, consent_id: UUID) -> None:
    tx.session.execute(delete(XeroConsent).where(XeroConsent.id == consent_id))


def _of(consent_id: UUID) -> Any:
    return update(XeroConsent).where(XeroConsent.id == consent_id)
