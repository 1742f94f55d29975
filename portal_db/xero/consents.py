"""Consents that staff were sent to Xero for: each is answered once, by the person who began it, within minutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import insert, or_, select, update

from portal_db.database import Tx
from portal_db.dialect import delete_rows, has_row, update_rows
from portal_db.tables import XeroConsent
from portal_db.types import db_now


def begin(tx: Tx, row: dict[str, Any], *, valid_seconds: float) -> None:
    """Record a consent, and delete those that have expired."""
    delete_rows(tx, XeroConsent, XeroConsent.expires_at < db_now())
    tx.session.execute(insert(XeroConsent).values(**row, expires_at=db_now(valid_seconds)))


def answer(tx: Tx, state_hash: str, staff_id: UUID) -> XeroConsent | None:
    """Mark a consent answered, once. `None`: it is unknown, expired, answered before, or somebody else's."""
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
    """Store the practices that the person may choose from, for `seconds`."""
    values = {"xero_login_id": xero_login_id, "choices": list(choices), "expires_at": db_now(seconds)}
    update_rows(tx, XeroConsent, XeroConsent.id == consent_id, **values)


def offered(tx: Tx, consent_id: UUID, staff_id: UUID) -> XeroConsent | None:
    """A choice that is still open for this person; locked, so that two clicks make one choice."""
    statement = select(XeroConsent).where(
        XeroConsent.id == consent_id,
        XeroConsent.staff_id == staff_id,
        XeroConsent.xero_login_id.is_not(None),
        XeroConsent.expires_at > db_now(),
    )
    return tx.session.scalar(statement.with_for_update())


def is_connecting(tx: Tx, *, staff_id: UUID, login_id: UUID) -> bool:
    """Whether this person may be at Xero just now, or anybody may still choose a practice that the login gives access to."""
    theirs = or_(XeroConsent.staff_id == staff_id, XeroConsent.xero_login_id == login_id)
    return has_row(tx, theirs, XeroConsent.expires_at > db_now())


def end(tx: Tx, consent_id: UUID) -> None:
    delete_rows(tx, XeroConsent, XeroConsent.id == consent_id)
