"""Emails to people about their own account: one row for each, and the intent before each sending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from portal_db.access import credentials, people
from portal_db.access.credentials import SignIn
from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore
from portal_db.states import EmailState, Role
from portal_db.tables import ApiKey, Practice, SecurityNotice, Staff
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class AddressedNotice:
    """A notice, who it is for, unless they may not sign in any more, and the key that it is about, if it is about one."""

    notice: SecurityNotice
    found: SignIn | None
    practice: Practice | None
    key: ApiKey | None


def add(tx: Tx, row: dict[str, Any]) -> UUID | None:
    """Record a notice. `None` when this person has the one about this key already: the unique index decides."""
    notice_id = tx.new_id()
    values = {"id": notice_id, "state": EmailState.PENDING, "created_at": db_now()}
    return notice_id if insert_or_ignore(tx, SecurityNotice, row | values) else None


def addressed(tx: Tx, notice_id: UUID) -> AddressedNotice | None:
    """A notice and its addressee; `None` when it was deleted since."""
    notice = tx.get(SecurityNotice, notice_id)
    if notice is None:
        return None
    found = credentials.by_login(tx, notice.login_id)
    practice = people.get_practice(tx, found.practice_id) if found is not None else None
    key = tx.get(ApiKey, notice.api_key_id) if notice.api_key_id is not None else None
    return AddressedNotice(notice, found, practice, key)


def ending_keys(tx: Tx, *, within_seconds: float) -> list[ApiKey]:
    """Live keys that end within this time and that nobody was told about."""
    is_told = select(SecurityNotice.id).where(SecurityNotice.api_key_id == ApiKey.id).exists()
    statement = select(ApiKey).where(ApiKey.ends_at > db_now(), ApiKey.ends_at <= db_now(within_seconds), ~is_told)
    return list(tx.session.scalars(statement.order_by(ApiKey.id)))


def told_of(tx: Tx, key: ApiKey) -> list[Staff]:
    """Who is told that a key ends: who made it or, where nobody who works there did, the practice's owners and admins."""
    works_there = (Staff.practice_id == key.practice_id, Staff.left_at.is_(None))
    maker = list(tx.session.scalars(select(Staff).where(Staff.id == key.made_by, *works_there)))
    managers = select(Staff).where(Staff.role.in_((Role.OWNER, Role.ACCOUNT_ADMIN)), *works_there)
    return maker or list(tx.session.scalars(managers.order_by(Staff.id)))
