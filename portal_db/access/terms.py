"""The terms of use of practices, and who accepted which of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore, one_as
from portal_db.tables import Terms, TermsAcceptance
from portal_db.types import db_now


def newest(tx: Tx, practice_id: UUID) -> Terms | None:
    """A practice's terms; `None` if it has none."""
    statement = select(Terms).where(Terms.practice_id == practice_id).order_by(Terms.id.desc()).limit(1)
    found = tx.session.scalar(statement)
    return found if found is not None and (found.text or found.url) else None


def add(tx: Tx, row: dict[str, Any]) -> None:
    """Record terms, which count from now on."""
    tx.session.execute(insert(Terms).values(**row, id=tx.new_id(), set_at=db_now()))


def accept(tx: Tx, login_id: UUID, terms_id: UUID) -> None:
    insert_or_ignore(tx, TermsAcceptance, {"login_id": login_id, "terms_id": terms_id, "accepted_at": db_now()})


def accepted(tx: Tx, login_id: UUID) -> tuple[Terms, TermsAcceptance] | None:
    """The terms that somebody accepted last, and when."""
    statement = select(Terms, TermsAcceptance).join(TermsAcceptance, TermsAcceptance.terms_id == Terms.id)
    newest_first = statement.where(TermsAcceptance.login_id == login_id).order_by(Terms.id.desc()).limit(1)
    return one_as(tx, lambda terms, acceptance: (terms, acceptance), newest_first)
