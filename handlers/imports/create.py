"""What creating a person and an entity have in common: the client row, who sees it, its XPM link, its follow-ups."""

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


def create(tx: Tx, row: Import, seen: FetchedRecord, shape: dict[str, Any], fields: Sequence[FieldValue]) -> UUID:
    """Insert the client of an import, visible to its creator, linked to its XPM record, named as asked.

    Args:
        shape: the columns in which a person and an entity differ.
        fields: what is known of the client besides its name.

    Raises:
        Rejected: the requester may not import any more (b.11), or the XPM record was linked to another client
            meanwhile; the unique index decides.
        ConnectionLost: Xero ended the connection meanwhile.
    """
    require_same_connection(tx, row, seen.connection)
    client_id = _add(tx, row, seen, shape)
    clients.make_visible_to(tx, client_id, row.requested_by)
    _link(tx, row, seen, client_id)
    values = [adjusted("name", row.name, seen.record.name), *fields]
    by = By(row.practice_id, ChangeSource.IMPORT, import_id=row.id)
    clients.put_fields(tx, client_id, values, as_of=seen.as_of, by=by, known={})
    imports.set_client(tx, row.id, client_id)
    erasures.lift(tx, row.practice_id, row.xpm_uuid)
    return client_id


def _add(tx: Tx, row: Import, seen: FetchedRecord, shape: dict[str, Any]) -> UUID:
    client_id: UUID = tx.new_id()
    asked = {"practice_id": row.practice_id, "import_id": row.id, "kind": row.kind, "created_by": row.requested_by}
    clients.add(tx, {"id": client_id, "name": row.name or seen.record.name, **asked, **shape})
    return client_id


def _link(tx: Tx, row: Import, seen: FetchedRecord, client_id: UUID) -> None:
    ours = {"practice_id": row.practice_id, "client_id": client_id, "linked_by": row.requested_by}
    theirs = {
        "connection_id": seen.connection.id,
        "tenant_id": seen.connection.tenant_id,
        "xpm_uuid": row.xpm_uuid,
    }
    if not clients.link(tx, {"id": tx.new_id(), **ours, **theirs}):
        raise refusals.ALREADY_LINKED()


def adjusted(field: str, wanted: str | None, found: str) -> FieldValue:
    """A field of the entity or individual window: what the requester put there is an override, else it is XPM's."""
    if wanted is None:
        return FieldValue(field, found, FieldSource.XPM)
    return FieldValue(field, wanted, FieldSource.IMPORT, is_override=True)


def wanted_branches(tx: Tx, row: Import, client_id: UUID) -> list[FollowUp]:
    """The jobs that bring what the requester ticked, and the welcome email noted if it is to be sent."""
    args = {"client_id": str(client_id)}
    wanted = ((JobKind.IMPORT_DETAILS, row.bring_details), (JobKind.IMPORT_RELATIONSHIPS, row.bring_relationships))
    follow_ups = [FollowUp(kind, args) for kind, ticked in wanted if ticked]
    if row.send_welcome_email:
        email_id = welcome_emails.add(tx, row.practice_id, client_id, asked_at=row.created_at)
        follow_ups.append(FollowUp(JobKind.SEND_WELCOME_EMAIL, {"email_id": str(email_id)}))
    return follow_ups


def create_client(tx: Tx, job: Job, row: Import, seen: FetchedRecord) -> Sequence[FollowUp]:
    """Take the email, create the client, note the welcome email to be sent.

    Raises:
        Rejected: the email or the record went to somebody else meanwhile.
    """
    address, email_key = login_email(row.email or seen.record.email)
    login_id: UUID = tx.new_id()
    # An earlier row of the batch may want it and not have got there yet; for everybody else the unique index decides.
    if imports.earlier_claim_on_email(tx, row, email_key) or not people.add_login(
        tx, login_id, LoginKind.CLIENT, address, email_key
    ):
        raise refusals.EMAIL_TAKEN()
    shape = {
        "login_id": login_id,
        "client_type": row.client_type or ClientType.PERSONAL,
        "subscription": row.subscription or Subscription.STARTER,
        "entity_type": None,
    }
    contact = FieldValue("email", address, FieldSource.IMPORT if row.email else FieldSource.XPM)
    client_id = create(tx, row, seen, shape, [contact])
    return wanted_branches(tx, row, client_id)


def create_entity(tx: Tx, job: Job, row: Import, seen: FetchedRecord) -> Sequence[FollowUp]:
    """Create the entity with the type asked for, else XPM's.

    Raises:
        Rejected: the record was linked to another client meanwhile.
    """
    found = entity_type_of(seen.record, words_of(tx, row.practice_id))
    entity_type = row.entity_type or found
    shape = {"entity_type": entity_type, "login_id": None, "client_type": None, "subscription": None}
    client_id = create(tx, row, seen, shape, [adjusted("type", row.entity_type, found)])
    return wanted_branches(tx, row, client_id)
