"""What people did at a practice, from the audit trail: its staff, its programs, and operators. What the system did is not
among it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, and_, literal_column, select

from portal_db.aliases import alias_of
from portal_db.database import Tx
from portal_db.paging import first_id_at
from portal_db.tables import ApiKey, AuditEntry, Client, WebhookEndpoint


@dataclass(frozen=True, slots=True)
class ActFilter:
    """Which acts to read; a filter that is not set matches all. `area` is the first part of an action: `client`."""

    staff_id: UUID | None = None
    area: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class PersonsAct:
    """An act, the name of the API key that it was done with, and the name of the client, key or webhook that it is about."""

    entry: AuditEntry
    key_name: str | None
    client_name: str | None
    subject_name: str | None


def page(tx: Tx, practice_id: UUID, which: ActFilter, *, before: UUID | None, limit: int) -> list[PersonsAct]:
    """Acts newest first, from before one of them on. Ids are in the order of time, so a time is a range of ids."""
    ends = [each for each in (before, first_id_at(which.until) if which.until else None) if each is not None]
    statement = _acts().where(AuditEntry.practice_id == practice_id, AuditEntry.actor != literal_column("'system'"))
    if ends:
        statement = statement.where(AuditEntry.id < min(ends))
    if which.since is not None:
        statement = statement.where(AuditEntry.id >= first_id_at(which.since))
    if which.staff_id is not None:
        statement = statement.where(AuditEntry.actor_id == which.staff_id)
    if which.area is not None:
        statement = statement.where(AuditEntry.action.startswith(f"{which.area}.", autoescape=True))
    found = tx.session.execute(statement.order_by(AuditEntry.id.desc()).limit(limit))
    return [PersonsAct(entry, key, client, about or url) for entry, key, client, about, url in found]


def _is_about(
    subject: str, row_id: SQLColumnExpression[UUID], practice_id: SQLColumnExpression[UUID]
) -> ColumnElement[bool]:
    return and_(AuditEntry.subject == subject, row_id == AuditEntry.subject_id, practice_id == AuditEntry.practice_id)


def _acts() -> Select[AuditEntry, str | None, str | None, str | None, str | None]:
    subject_key = alias_of(ApiKey)
    return (
        select(AuditEntry, ApiKey.name, Client.name, subject_key.name, WebhookEndpoint.url)
        .outerjoin(ApiKey, ApiKey.id == AuditEntry.via_key_id)
        .outerjoin(Client, _is_about("client", Client.id, Client.practice_id))
        .outerjoin(subject_key, _is_about("api_key", subject_key.id, subject_key.practice_id))
        .outerjoin(WebhookEndpoint, _is_about("webhook", WebhookEndpoint.id, WebhookEndpoint.practice_id))
    )
