"""Clients: creating, making visible, linking to XPM, and writing fields so that an older value never overwrites a newer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import literal, or_, select
from sqlalchemy.orm import load_only

from portal_db import bulk
from portal_db.bulk import Given, one_of
from portal_db.clients import history, relationships
from portal_db.clients.history import By, Change
from portal_db.database import Tx
from portal_db.dialect import (
    delete_rows,
    insert_new,
    insert_rows,
    row_of,
    update_each,
    update_rows,
    upsert,
)
from portal_db.states import EntityType, FieldSource
from portal_db.tables import Client, ClientField, ClientVisibility, FieldConflict, Login, Staff, XpmLink
from portal_db.types import db_now


def add(tx: Tx, *rows: dict[str, Any]) -> None:
    """Insert clients. The unique index refuses a second one for the same import (invariant 2)."""
    insert_rows(tx, Client, rows, now=("created_at",), true=("is_new",))


def get(tx: Tx, client_id: UUID, *, practice_id: UUID) -> Client | None:
    return tx.session.scalar(select(Client).where(Client.id == client_id, Client.practice_id == practice_id))


def of_ids(tx: Tx, client_ids: Collection[UUID], *, practice_id: UUID) -> list[Client]:
    statement = select(Client).where(Client.id.in_(client_ids), Client.practice_id == practice_id)
    return list(tx.session.scalars(statement.order_by(Client.id)))


def end_new(tx: Tx, client_id: UUID, staff_id: UUID) -> None:
    """A client is no longer New once somebody it is assigned to has opened its page; who sees every client is nobody."""
    assigned = select(ClientVisibility.client_id).where(ClientVisibility.staff_id == staff_id)
    update_rows(tx, Client, Client.id == client_id, Client.id.in_(assigned), Client.is_new.is_(True), is_new=False)


def make_visible(tx: Tx, pairs: Iterable[tuple[UUID, UUID]]) -> None:
    """Make clients visible to staff: pairs of a client and a staff member."""
    rows = [{"client_id": client_id, "staff_id": staff_id} for client_id, staff_id in pairs]
    if rows:
        bulk.write(tx, ClientVisibility, rows, _make_visible)


def assignees(tx: Tx, client_id: UUID) -> list[Staff]:
    """The staff that a client is assigned to, by name."""
    assigned = select(ClientVisibility.staff_id).where(ClientVisibility.client_id == client_id)
    statement = select(Staff).where(Staff.id.in_(assigned), Staff.left_at.is_(None))
    return list(tx.session.scalars(statement.order_by(Staff.name, Staff.id)))


def hide(tx: Tx, client_ids: Collection[UUID], staff_id: UUID) -> int:
    """Assign clients to a staff member no more, and return how many were."""
    return delete_rows(
        tx, ClientVisibility, ClientVisibility.staff_id == staff_id, ClientVisibility.client_id.in_(client_ids)
    )


def hand_over(tx: Tx, from_staff_id: UUID, to_staff_id: UUID) -> int:
    """Assign all clients of a staff member to another one instead, and return how many there were."""
    theirs = select(ClientVisibility.client_id, literal(to_staff_id)).where(ClientVisibility.staff_id == from_staff_id)
    columns = ["client_id", "staff_id"]
    tx.session.execute(upsert(tx, ClientVisibility).from_select(columns, theirs).on_conflict_do_nothing())
    return delete_rows(tx, ClientVisibility, ClientVisibility.staff_id == from_staff_id)


def _make_visible(given: Given) -> Any:
    return given.insert(given.columns).on_conflict_do_nothing()


def link(tx: Tx, row: dict[str, Any]) -> bool:
    """Link a client to an XPM record. False when either is linked already: the unique indexes decide (b.35)."""
    return bool(link_all(tx, [row]))


def link_all(tx: Tx, rows: Sequence[dict[str, Any]]) -> set[UUID]:
    """Link clients to XPM records.

    Returns:
        Ids of the new links; of the others, the client or the record is linked already.
    """
    return insert_new(tx, XpmLink, rows, now=("linked_at",))


@dataclass(frozen=True, slots=True)
class Linked:
    """A client that is linked to an XPM record now. `email_key`: the key of its login's email address, if it has a login."""

    client: Client
    link: XpmLink
    email_key: str | None


def linked(tx: Tx, client_ids: Collection[UUID]) -> dict[UUID, Linked]:
    """Those of these clients that are linked to an XPM record now, by their ids. Of a client they hold what its details
    depend on; the rest is read when it is asked for."""
    found = tx.session.execute(_LINKED, {"client_ids": list(client_ids)})
    return {client.id: Linked(client, link, email_key) for client, link, email_key in found}


_LINKED = (
    select(Client, XpmLink, Login.email_key)
    .join(XpmLink, XpmLink.client_id == Client.id)
    .outerjoin(Login, Login.id == Client.login_id)
    .where(
        one_of(Client.id, "client_ids"), one_of(XpmLink.client_id, "client_ids"), relationships.link_is_live_of_found
    )
    .options(load_only(Client.id, Client.practice_id, Client.kind))
)


def unlink(tx: Tx, client_id: UUID) -> bool:
    """Disconnect a client's live link. Imported data stays (b.34); its review items and team members lose their ties to XPM
    records (b.36). False when there was no live link."""
    is_live = (XpmLink.client_id == client_id, XpmLink.disconnected_at.is_(None))
    if not update_rows(tx, XpmLink, *is_live, disconnected_at=db_now()):
        return False
    relationships.drop_ties(tx, client_id)
    return True


@dataclass(frozen=True, slots=True)
class FieldValue:
    """A field's value and where it came from. `is_override`: staff changed it, so XPM no longer overwrites it."""

    field: str
    value: str
    source: FieldSource
    is_override: bool = False


@dataclass(frozen=True, slots=True)
class FieldUpdate:
    """New values of one client's fields, as of a time. `known`: the fields as they are."""

    client_id: UUID
    values: Sequence[FieldValue]
    as_of: datetime
    by: By
    known: Mapping[str, ClientField]


def put_fields(
    tx: Tx,
    client_id: UUID,
    values: Sequence[FieldValue],
    *,
    as_of: datetime,
    by: By,
) -> set[str]:
    """`update_fields` of one client. Returns the names of the fields that were written."""
    update = FieldUpdate(client_id, values, as_of, by, fields(tx, client_id))
    return {field for _, field in update_fields(tx, [update])}


def update_fields(tx: Tx, updates: Sequence[FieldUpdate]) -> set[tuple[UUID, str]]:
    """Write fields of clients with their sources, and add the changes to the clients' histories.

    A value from XPM changes nothing where staff have an override, or where a newer value is stored.

    Returns:
        The clients and names of the fields that were written.
    """
    rows = _rows(updates)
    if not rows:
        return set()
    written = {(client_id, field) for client_id, field in bulk.execute(tx, ClientField, rows, _put_fields)}
    _note(tx, updates, written)
    return written


def add_fields(tx: Tx, updates: Sequence[FieldUpdate]) -> None:
    """Write the first fields of new clients, with their history."""
    rows = _rows(updates)
    insert_rows(tx, ClientField, rows)
    _note(tx, updates, {(row["client_id"], row["field"]) for row in rows})


def _rows(updates: Iterable[FieldUpdate]) -> list[dict[str, Any]]:
    return [
        {**row_of(item), "client_id": update.client_id, "as_of": update.as_of}
        for update in updates
        for item in update.values
    ]


def _note(tx: Tx, updates: Iterable[FieldUpdate], written: Collection[tuple[UUID, str]]) -> None:
    changes = [
        (update.by, Change(update.client_id, history.CLIENT, item.field, before, item.value))
        for update in updates
        for item in update.values
        if (update.client_id, item.field) in written and (before := _value(update.known.get(item.field))) != item.value
    ]
    history.note_all(tx, changes)


def _put_fields(given: Given) -> Any:
    statement = given.insert(given.columns)
    may_replace = ~ClientField.is_override & (ClientField.as_of < statement.excluded.as_of)
    return statement.on_conflict_do_update(
        index_elements=["client_id", "field"],
        set_={name: statement.excluded[name] for name in ("value", "source", "is_override", "as_of")},
        where=or_(statement.excluded.source != FieldSource.XPM, may_replace),
    ).returning(ClientField.client_id, ClientField.field)


def _value(field: ClientField | None) -> str | None:
    return field.value if field is not None else None


def set_names(tx: Tx, columns: Mapping[UUID, Mapping[str, Any]]) -> None:
    """Set the names of clients that lists show, with what depends on them, by client; they follow the field `name`."""
    update_each(tx, Client, columns)


def set_columns(tx: Tx, client_id: UUID, values: Mapping[str, Any]) -> None:
    update_rows(tx, Client, Client.id == client_id, **values)


def set_archived(tx: Tx, client_id: UUID, *, is_archived: bool) -> bool:
    """Archive a client, or restore it. False when it is that already."""
    is_other = Client.archived_at.is_(None) if is_archived else Client.archived_at.is_not(None)
    return bool(
        update_rows(tx, Client, Client.id == client_id, is_other, archived_at=db_now() if is_archived else None)
    )


def clear_override(tx: Tx, client_id: UUID, field: str) -> bool:
    """Let the next value from XPM overwrite a field. False when it may already."""
    is_kept = (ClientField.client_id == client_id, ClientField.field == field, ClientField.is_override.is_(True))
    return bool(update_rows(tx, ClientField, *is_kept, is_override=False))


def set_entity_types(tx: Tx, types: Mapping[UUID, EntityType]) -> None:
    """Set the entity types that lists show, by client; they follow the field `type`."""
    update_each(tx, Client, {client_id: {"entity_type": each} for client_id, each in types.items()})


def fields(tx: Tx, client_id: UUID) -> dict[str, ClientField]:
    return fields_of(tx, [client_id])[client_id]


def fields_of(tx: Tx, client_ids: Collection[UUID]) -> dict[UUID, dict[str, ClientField]]:
    """The fields of clients, by client and name."""
    found: dict[UUID, dict[str, ClientField]] = {client_id: {} for client_id in client_ids}
    for row in tx.session.scalars(_FIELDS, {"client_ids": list(client_ids)}):
        found[row.client_id][row.field] = row
    return found


_FIELDS = select(ClientField).where(one_of(ClientField.client_id, "client_ids"))


def replace_conflicts(tx: Tx, client_ids: Collection[UUID], field: str, codes: Mapping[UUID, str]) -> None:
    """Record which of these clients' values of a field in XPM were not written, and why (b.17): a code by client."""
    of_field = [{"client_id": client_id, "field": field} for client_id in client_ids]
    bulk.write(tx, FieldConflict, of_field, Given.delete)
    rows = [{"client_id": client_id, "field": field, "code": code} for client_id, code in codes.items()]
    insert_rows(tx, FieldConflict, rows, now=("noted_at",))


def conflicts(tx: Tx, client_id: UUID) -> list[FieldConflict]:
    return list(tx.session.scalars(select(FieldConflict).where(FieldConflict.client_id == client_id)))
