"""create_client and create_entity: create the clients of validated imports, and return their follow-ups.

Whatever validation found, unique indexes decide here about the email address and the XPM record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from handlers import refusals
from handlers.directory.classification import entity_type_of
from handlers.directory.person_names import name_columns, name_in_portal
from handlers.directory.structures import words_of
from handlers.imports.validate import login_email
from handlers.jobs.enqueue import FollowUp
from handlers.jobs.handler import Result, Task
from handlers.jobs.kinds import JobKind
from handlers.xero.connection import require_same_connection
from portal_db import bulk, welcome_emails
from portal_db.access import people
from portal_db.clients import clients
from portal_db.clients.clients import FieldUpdate, FieldValue
from portal_db.clients.history import By
from portal_db.database import Tx
from portal_db.states import ChangeSource, ClientType, FieldSource, Subscription
from portal_db.tables import Import
from portal_db.upkeep import erasures
from portal_db.work import imports
from portal_db.xero import requester as xero_requester


def create_clients(tx: Tx, tasks: Sequence[Task]) -> list[Result]:
    """Create individuals with their logins.

    Raises:
        Rejected: an email address or a record went to somebody else meanwhile.
    """
    results: dict[UUID, Result] = {}
    addresses = _free_addresses(tx, tasks, results)
    login_ids: dict[UUID, UUID] = {import_id: tx.new_id() for import_id in addresses}
    logins = [(login_ids[import_id], *addresses[import_id]) for import_id in addresses]
    if len(people.add_client_logins(tx, logins)) < len(logins):
        raise refusals.EMAIL_TAKEN()
    new = [
        _NewClient(
            task,
            {
                "login_id": login_ids[task.row.id],
                "client_type": task.row.client_type or ClientType.PERSONAL,
                "subscription": task.row.subscription or Subscription.STARTER,
                "entity_type": None,
            },
            FieldValue("email", addresses[task.row.id][0], FieldSource.IMPORT if task.row.email else FieldSource.XPM),
        )
        for task in tasks
        if task.row.id in addresses
    ]
    results |= _create(tx, new)
    return [results[task.job.id] for task in tasks]


def create_entities(tx: Tx, tasks: Sequence[Task]) -> list[Result]:
    """Create entities, with the requested type or else XPM's.

    Raises:
        Rejected: a record was linked to another client meanwhile.
    """
    words = words_of(tx, tasks[0].job.practice_id)
    new = []
    for task in tasks:
        xpm_type = entity_type_of(task.fetched.record, words)
        columns = {
            "entity_type": task.row.entity_type or xpm_type,
            "login_id": None,
            "client_type": None,
            "subscription": None,
        }
        new.append(_NewClient(task, columns, _field("type", task.row.entity_type, xpm_type)))
    results = _create(tx, new)
    return [results[task.job.id] for task in tasks]


def branch_follow_ups(row: Import, client_id: UUID, email_id: UUID | None) -> list[FollowUp]:
    """Jobs for the details and relationships that the requester ticked, and for the welcome email."""
    args = {"client_id": str(client_id)}
    branches = ((JobKind.IMPORT_DETAILS, row.bring_details), (JobKind.IMPORT_RELATIONSHIPS, row.bring_relationships))
    follow_ups = [FollowUp(kind, args) for kind, is_ticked in branches if is_ticked]
    if email_id is not None:
        follow_ups.append(FollowUp(JobKind.SEND_WELCOME_EMAIL, {"email_id": str(email_id)}))
    return follow_ups


@dataclass(frozen=True, slots=True)
class _NewClient:
    """A client to create: the columns in which an individual and an entity differ, and one field besides the name."""

    task: Task
    columns: dict[str, Any]
    field: FieldValue


def _free_addresses(tx: Tx, tasks: Sequence[Task], results: dict[UUID, Result]) -> dict[UUID, tuple[str, str]]:
    """The addresses of the logins to add with their keys, by import. Tasks whose address is taken get their refusal in
    `results`.

    An earlier row of the batch may claim the address without having created its login yet; the unique index decides in every
    other case.
    """
    rows = {task.row.id: task.row for task in tasks}
    addresses = {task.row.id: login_email(task.row.email or task.fetched.record.email) for task in tasks}
    email_keys = {import_id: email_key for import_id, (_, email_key) in addresses.items()}
    in_use = people.logins_of_emails(tx, email_keys.values()) if len(tasks) > 1 else {}
    claimed = imports.earlier_claims_on_emails(tx, email_keys, rows)
    for task in tasks:
        if task.row.id in claimed or email_keys[task.row.id] in in_use:
            results[task.job.id] = refusals.EMAIL_TAKEN()
            del addresses[task.row.id]
    return addresses


def _create(tx: Tx, new: Sequence[_NewClient]) -> dict[UUID, Result]:
    """Insert clients, visible to their requesters, linked to their XPM records, with their names and one more field.

    Returns:
        The follow-ups of each job.

    Raises:
        Rejected: a requester may no longer import (b.11), or the unique index found a record linked meanwhile.
        ConnectionLost, Transient: Xero ended a connection meanwhile, or it was replaced.
    """
    if not new:
        return {}
    practice_id = new[0].task.job.practice_id
    requesters = xero_requester.staff_requesters(tx, practice_id, {each.task.row.requested_by for each in new})
    for each in new:
        require_same_connection(requesters[each.task.row.requested_by], each.task.fetched.connection)
    client_ids: dict[UUID, UUID] = {each.task.row.id: tx.new_id() for each in new}
    asked_at = {client_ids[row.id]: row.created_at for row in (each.task.row for each in new) if row.send_welcome_email}
    with bulk.together(tx):
        clients.add(tx, *(_client_row(each, client_ids) for each in new))
        clients.make_visible(tx, [(client_ids[each.task.row.id], each.task.row.requested_by) for each in new])
        imports.set_clients(tx, client_ids)
        erasures.lift(tx, practice_id, {each.task.row.xpm_uuid for each in new})
        clients.add_fields(tx, [_first_fields(each, client_ids) for each in new])
        emails = welcome_emails.add_all(tx, practice_id, asked_at)
        linked = clients.link_all(tx, [_link_row(tx, each, client_ids) for each in new])
    if len(linked) < len(new):
        raise refusals.ALREADY_LINKED()
    found: dict[UUID, Result] = {}
    for each in new:
        client_id = client_ids[each.task.row.id]
        found[each.task.job.id] = branch_follow_ups(each.task.row, client_id, emails.get(client_id))
    return found


def _client_row(each: _NewClient, client_ids: Mapping[UUID, UUID]) -> dict[str, Any]:
    row, seen = each.task.row, each.task.fetched
    origin = {"practice_id": row.practice_id, "import_id": row.id, "kind": row.kind, "created_by": row.requested_by}
    name = row.name or name_in_portal(seen.record, row.kind)
    return {"id": client_ids[row.id], **name_columns(name, seen.record, row.kind), **origin, **each.columns}


def _link_row(tx: Tx, each: _NewClient, client_ids: Mapping[UUID, UUID]) -> dict[str, Any]:
    row, seen = each.task.row, each.task.fetched
    return {
        "id": tx.new_id(),
        "practice_id": row.practice_id,
        "client_id": client_ids[row.id],
        "connection_id": seen.connection.id,
        "tenant_id": seen.connection.tenant_id,
        "xpm_uuid": row.xpm_uuid,
        "linked_by": row.requested_by,
    }


def _first_fields(each: _NewClient, client_ids: Mapping[UUID, UUID]) -> FieldUpdate:
    row, seen = each.task.row, each.task.fetched
    by = By(row.practice_id, ChangeSource.IMPORT, import_id=row.id)
    values = [_field("name", row.name, name_in_portal(seen.record, row.kind)), each.field]
    return FieldUpdate(client_ids[row.id], values, seen.as_of, by, known={})


def _field(name: str, requested: str | None, xpm_value: str) -> FieldValue:
    """A field of the import window: a value entered there overrides XPM's."""
    if requested is None:
        return FieldValue(name, xpm_value, FieldSource.XPM)
    return FieldValue(name, requested, FieldSource.IMPORT, is_override=True)
