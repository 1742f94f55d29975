"""create_client and create_entity: create the client of a validated import, and return its follow-ups.

Whatever validation found, unique indexes decide here about the email address and the XPM record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from handlers import refusals
from handlers.directory.classification import entity_type_of
from handlers.directory.lookup import FetchedRecord
from handlers.directory.structures import words_of
from handlers.imports.validate import login_email
from handlers.jobs.enqueue import FollowUp
from handlers.jobs.kinds import JobKind
from handlers.xero.connection import require_same_connection
from portal_db import welcome_emails
from portal_db.access import people
from portal_db.clients import clients
from portal_db.clients.clients import FieldValue
from portal_db.clients.history import By
from portal_db.database import Tx
from portal_db.states import ChangeSource, ClientType, FieldSource, LoginKind, Subscription
from portal_db.tables import Import, Job
from portal_db.upkeep import erasures
from portal_db.work import imports


def create_client(tx: Tx, job: Job, row: Import, seen: FetchedRecord) -> Sequence[FollowUp]:
    """Create an individual with their login.

    Raises:
        Rejected: the email address or the record went to somebody else meanwhile.
    """
    address, email_key = login_email(row.email or seen.record.email)
    login_id: UUID = tx.new_id()
    # An earlier row of the batch may claim the address without having created its login yet; the unique index decides
    # in every other case.
    if imports.earlier_claim_on_email(tx, row, email_key) or not people.add_login(
        tx, login_id, LoginKind.CLIENT, address, email_key
    ):
        raise refusals.EMAIL_TAKEN()
    columns = {
        "login_id": login_id,
        "client_type": row.client_type or ClientType.PERSONAL,
        "subscription": row.subscription or Subscription.STARTER,
        "entity_type": None,
    }
    contact = FieldValue("email", address, FieldSource.IMPORT if row.email else FieldSource.XPM)
    return branch_follow_ups(tx, row, _create(tx, row, seen, columns, contact))


def create_entity(tx: Tx, job: Job, row: Import, seen: FetchedRecord) -> Sequence[FollowUp]:
    """Create an entity, with the requested type or else XPM's.

    Raises:
        Rejected: the record was linked to another client meanwhile.
    """
    xpm_type = entity_type_of(seen.record, words_of(tx, row.practice_id))
    columns = {
        "entity_type": row.entity_type or xpm_type,
        "login_id": None,
        "client_type": None,
        "subscription": None,
    }
    return branch_follow_ups(tx, row, _create(tx, row, seen, columns, _field("type", row.entity_type, xpm_type)))


def branch_follow_ups(tx: Tx, row: Import, client_id: UUID) -> list[FollowUp]:
    """Jobs for the details and relationships that the requester ticked, and for the welcome email, which is added."""
    args = {"client_id": str(client_id)}
    branches = ((JobKind.IMPORT_DETAILS, row.bring_details), (JobKind.IMPORT_RELATIONSHIPS, row.bring_relationships))
    follow_ups = [FollowUp(kind, args) for kind, is_ticked in branches if is_ticked]
    if row.send_welcome_email:
        email_id = welcome_emails.add(tx, row.practice_id, client_id, asked_at=row.created_at)
        follow_ups.append(FollowUp(JobKind.SEND_WELCOME_EMAIL, {"email_id": str(email_id)}))
    return follow_ups


def _create(tx: Tx, row: Import, seen: FetchedRecord, columns: dict[str, Any], field: FieldValue) -> UUID:
    """Insert the client, visible to the requester, linked to the XPM record, with its name and one more field.

    Args:
        columns: those in which an individual and an entity differ.

    Raises:
        Rejected: the requester may no longer import (b.11), or the unique index found the record linked meanwhile.
        ConnectionLost: Xero ended the connection meanwhile.
    """
    require_same_connection(tx, row, seen.connection)
    client_id: UUID = tx.new_id()
    origin = {"practice_id": row.practice_id, "import_id": row.id, "kind": row.kind, "created_by": row.requested_by}
    clients.add(tx, {"id": client_id, "name": row.name or seen.record.name, **origin, **columns})
    clients.make_visible_to(tx, client_id, row.requested_by)
    link = {
        "id": tx.new_id(),
        "practice_id": row.practice_id,
        "client_id": client_id,
        "connection_id": seen.connection.id,
        "tenant_id": seen.connection.tenant_id,
        "xpm_uuid": row.xpm_uuid,
        "linked_by": row.requested_by,
    }
    if not clients.link(tx, link):
        raise refusals.ALREADY_LINKED()
    values = [_field("name", row.name, seen.record.name), field]
    by = By(row.practice_id, ChangeSource.IMPORT, import_id=row.id)
    clients.put_fields(tx, client_id, values, as_of=seen.as_of, by=by, known={})
    imports.set_client(tx, row.id, client_id)
    erasures.lift(tx, row.practice_id, row.xpm_uuid)
    return client_id


def _field(name: str, requested: str | None, xpm_value: str) -> FieldValue:
    """A field of the import window: a value entered there overrides XPM's."""
    if requested is None:
        return FieldValue(name, xpm_value, FieldSource.XPM)
    return FieldValue(name, requested, FieldSource.IMPORT, is_override=True)
