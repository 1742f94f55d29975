"""import_details: XPM's values replace the portal's field by field; an empty value in XPM erases nothing (b.15 to b.17)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from handlers import refusals
from handlers.directory.classification import Words, entity_type_of
from handlers.directory.lookup import FetchedRecord
from handlers.directory.person_names import name_columns, name_in_portal
from handlers.directory.structures import words_of
from handlers.email import addresses
from handlers.errors import Rejected
from handlers.jobs.handler import Result, Task, job_arg
from portal_db import bulk
from portal_db.access import people
from portal_db.clients import clients
from portal_db.clients.clients import FieldUpdate, FieldValue, Linked
from portal_db.clients.history import By
from portal_db.database import Tx
from portal_db.states import ChangeSource, ClientKind, EntityType, FieldSource
from portal_db.tables import Client, ClientField
from xpm.records import Address, XpmClient

EMAIL = "email"
#: The length of a value in `client_fields`.
MAX_VALUE = 10_000


def apply(tx: Tx, tasks: Sequence[Task]) -> list[Result]:
    """Write each field for which XPM has a value. A task is refused if its client was disconnected from XPM meanwhile
    (b.11)."""
    linked = _still_linked(tx, tasks)
    known = clients.fields_of(tx, [each.client.id for each in linked.values()])
    has_entity = any(each.client.kind is ClientKind.ENTITY for each in linked.values())
    words = words_of(tx, tasks[0].job.practice_id) if has_entity else {}
    new = [
        _Details(each.client, each.email_key, task, _values(each.client, task.fetched.record, words))
        for task in tasks
        if (each := linked.get(task.job.id)) is not None and not _is_outdated(known[each.client.id], task.fetched)
    ]
    if new:
        _write(tx, new, known)
    return [[] if task.job.id in linked else refusals.CLIENT_DISCONNECTED() for task in tasks]


@dataclass(frozen=True, slots=True)
class _Details:
    """A client, the key of its login's email address, and the values that XPM has for it, by field."""

    client: Client
    email_key: str | None
    task: Task
    values: Mapping[str, str]


def _still_linked(tx: Tx, tasks: Sequence[Task]) -> dict[UUID, Linked]:
    """The clients that the tasks' jobs name, by job: those whose live link is to the fetched record. The others were
    disconnected before the data could be written (b.11)."""
    found = clients.linked(tx, {job_arg(task.job, "client_id") for task in tasks})
    kept: dict[UUID, Linked] = {}
    for task in tasks:
        linked = found.get(job_arg(task.job, "client_id"))
        if linked is None or linked.client.practice_id != task.row.practice_id:
            continue
        if linked.link.xpm_uuid == task.fetched.record.uuid:
            kept[task.job.id] = linked
    return kept


def _write(tx: Tx, new: Sequence[_Details], known: Mapping[UUID, Mapping[str, ClientField]]) -> None:
    conflicts = _email_conflicts(tx, new)
    updates = []
    for each in new:
        values = [
            FieldValue(field, value, FieldSource.XPM)
            for field, value in each.values.items()
            if field != EMAIL or each.client.id not in conflicts
        ]
        by = By(each.client.practice_id, ChangeSource.IMPORT, import_id=each.task.row.id)
        updates.append(FieldUpdate(each.client.id, values, each.task.fetched.as_of, by, known[each.client.id]))
    values_of = {(each.client.id, field): value for each in new for field, value in each.values.items()}
    of_client = {each.client.id: each for each in new}
    with bulk.together(tx, with_next=True):
        clients.replace_conflicts(tx, list(of_client), EMAIL, conflicts)
        written = clients.update_fields(tx, updates)
        clients.set_names(tx, {key[0]: _names(of_client[key[0]]) for key in written if key[1] == "name"})
        clients.set_entity_types(tx, {key[0]: EntityType(values_of[key]) for key in written if key[1] == "type"})


def _names(details: _Details) -> Mapping[str, Any]:
    return name_columns(details.values["name"], details.task.fetched.record, details.client.kind)


def _is_outdated(known: Mapping[str, ClientField], seen: FetchedRecord) -> bool:
    """Whether newer values from XPM are written already. Older ones must not even add or resolve a conflict."""
    return any(field.source is FieldSource.XPM and field.as_of > seen.as_of for field in known.values())


def _values(client: Client, record: XpmClient, words: Words) -> dict[str, str]:
    """What XPM has for a client. An entity has a name and a type (b.15)."""
    if client.kind is ClientKind.ENTITY:
        found: Mapping[str, str | None] = {
            "name": name_in_portal(record, client.kind),
            "type": entity_type_of(record, words),
        }
    else:
        found = _person_values(record)
    return {field: value[:MAX_VALUE] for field, value in found.items() if value is not None}


def _person_values(record: XpmClient) -> Mapping[str, str | None]:
    """The seven fields of an individual and no others (b.15)."""
    return {
        "name": name_in_portal(record, ClientKind.INDIVIDUAL),
        "title": record.title,
        EMAIL: addresses.bare(record.email) if record.email else None,
        "phone": record.phone,
        "date_of_birth": record.date_of_birth.isoformat() if record.date_of_birth else None,
        "address": address_text(record.address) or address_text(record.postal_address),
        "gender": record.gender,
    }


def address_text(address: Address) -> str | None:
    """An address as one value of several lines, so that a new street is never shown with an old town."""
    town = " ".join(part for part in (address.city, address.region, address.post_code) if part)
    street = "\n".join(line.strip() for line in (address.street or "").splitlines() if line.strip())
    return "\n".join(line for line in (street, town, address.country) if line) or None


def _email_conflicts(tx: Tx, new: Sequence[_Details]) -> dict[UUID, str]:
    """Which clients' email in XPM does not become their contact email, with the reason: it is another login's (b.17) or not
    valid."""
    conflicts: dict[UUID, str] = {}
    email_keys: dict[UUID, str] = {}
    for each in new:
        if EMAIL in each.values:
            try:
                email_key = addresses.normalise(each.values[EMAIL])[1]
            except Rejected as refusal:
                conflicts[each.client.id] = refusal.code
            else:
                if email_key != each.email_key:
                    email_keys[each.client.id] = email_key
    logins = people.logins_of_emails(tx, email_keys.values()) if email_keys else {}
    return conflicts | {client_id: "email_taken" for client_id, key in email_keys.items() if key in logins}
