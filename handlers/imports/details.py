"""import_details: XPM's values replace the portal's field by field; an empty value in XPM erases nothing (b.15 to b.17)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handlers.clients.link import require_link
from handlers.directory.classification import entity_type_of
from handlers.directory.lookup import FetchedRecord
from handlers.directory.structures import words_of
from handlers.email import addresses
from handlers.errors import Rejected
from handlers.jobs.enqueue import FollowUp
from handlers.jobs.handler import job_arg
from portal_db.access import people
from portal_db.clients import clients
from portal_db.clients.clients import FieldValue
from portal_db.clients.history import By
from portal_db.database import Tx
from portal_db.states import ChangeSource, ClientKind, EntityType, FieldSource
from portal_db.tables import Client, ClientField, Import, Job
from xpm.records import Address, XpmClient

EMAIL = "email"
#: The length of a value in `client_fields`.
MAX_VALUE = 10_000


def apply(tx: Tx, job: Job, row: Import, seen: FetchedRecord) -> Sequence[FollowUp]:
    """Write each field for which XPM has a value.

    Raises:
        Rejected: the client was disconnected from XPM meanwhile (b.11).
    """
    client = require_link(tx, row.practice_id, job_arg(job, "client_id"), seen)
    known = clients.fields(tx, client.id)
    if _is_outdated(known, seen):
        return []
    values = _entity_values(tx, row, seen.record) if client.kind is ClientKind.ENTITY else _person_values(seen.record)
    clients.clear_conflicts(tx, client.id, [EMAIL])
    new = [
        FieldValue(field, value[:MAX_VALUE], FieldSource.XPM)
        for field, value in values.items()
        if value is not None and (field != EMAIL or _may_have_email(tx, client, value))
    ]
    by = By(row.practice_id, ChangeSource.IMPORT, import_id=row.id)
    written = clients.put_fields(tx, client.id, new, as_of=seen.as_of, by=by, known=known)
    for item in new:
        if item.field == "name" and item.field in written:
            clients.set_name(tx, client.id, item.value)
        if item.field == "type" and item.field in written:
            clients.set_entity_type(tx, client.id, EntityType(item.value))
    return []


def _is_outdated(known: Mapping[str, ClientField], seen: FetchedRecord) -> bool:
    """Whether newer values from XPM are written already. Older ones must not even add or resolve a conflict."""
    return any(field.source is FieldSource.XPM and field.as_of > seen.as_of for field in known.values())


def _person_values(record: XpmClient) -> Mapping[str, str | None]:
    """The seven fields of an individual and no others (b.15)."""
    return {
        "name": record.name[:500],
        "title": record.title,
        EMAIL: record.email,
        "phone": record.phone,
        "date_of_birth": record.date_of_birth.isoformat() if record.date_of_birth else None,
        "address": address_text(record.address) or address_text(record.postal_address),
        "gender": record.gender,
    }


def _entity_values(tx: Tx, row: Import, record: XpmClient) -> Mapping[str, str | None]:
    """An entity has a name and a type (b.15)."""
    return {"name": record.name[:500], "type": entity_type_of(record, words_of(tx, row.practice_id))}


def address_text(address: Address) -> str | None:
    """An address as one value of several lines, so that a new street is never shown with an old town."""
    town = " ".join(part for part in (address.city, address.region, address.post_code) if part)
    street = "\n".join(line.strip() for line in (address.street or "").splitlines() if line.strip())
    return "\n".join(line for line in (street, town, address.country) if line) or None


def _may_have_email(tx: Tx, client: Client, value: str) -> bool:
    """Whether XPM's email becomes the contact email: not if it is another login's (b.17) or not valid."""
    try:
        _, email_key = addresses.normalise(value)
    except Rejected as refusal:
        clients.note_conflict(tx, client.id, EMAIL, refusal.code)
        return False
    if people.email_in_use(tx, email_key, other_than=client.login_id):
        clients.note_conflict(tx, client.id, EMAIL, "email_taken")
        return False
    return True
