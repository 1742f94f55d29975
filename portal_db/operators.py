"""Operators: who looks after the platform, found by id or by login."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

from portal_db.database import Tx
from portal_db.tables import Login, Operator


def get(tx: Tx, operator_id: UUID) -> Operator | None:
    return tx.session.get(Operator, operator_id)


def by_email(tx: Tx, email_key: str) -> Operator | None:
    """The operator whose login this is."""
    return tx.session.scalar(
        select(Operator).join(Login, Login.id == Operator.login_id).where(Login.email_key == email_key)
    )


def names(tx: Tx, operator_ids: Collection[UUID]) -> dict[UUID, str]:
    """What operators are called, for those who look at what they did."""
    statement = select(Operator.id, Operator.name).where(Operator.id.in_(operator_ids))
    return dict(tx.session.execute(statement).all())
