"""Clients: creating, making visible, linking to XPM, and writing fields so that an older value never overwrites a newer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, or_, select

from portal_db.clients import history, relationships
from portal_db.clients.history import By, Change
from portal_db.database import Tx
from portal_db.dialect import delete_rows, has_row, insert_or_ignore, insert_or_replace, update_rows, upsert
from portal_db.states import EntityType, FieldSource
from portal_db.tables import Client, ClientField, ClientVisibility, FieldConflict, XpmLink
from portal_db.types import db_now


def add(tx: Tx, row: dict[str, Any]) -> None:
    """Insert a client. The unique index refuses a second one for the same import (invariant 2)."""
    tx.session.execute(insert(Client).values(**row, is_new=True, created_at=db_now()))


def get(tx: Tx, client_id: UUID, *, practice_id: UUID) -> Client | None:
    return tx.session.scalar(select(Client).where(Client.id == client_id, Client.practice_id == practice_id))


def of_ids(tx: Tx, client_ids: Collection[UUID], *, practice_id: UUID) -> list[Client]:
    statement = select(Client).where(Client.id.in_(client_ids), Client.practice_id == practice_id)
    return list(tx.session.scalars(statement.order_by(Client.id)))


def make_visible_to(tx: Tx, client_id: UUID, staff_id: UUID) -> None:
    insert_or_ignore(tx, ClientVisibility, {"client_id": client_id, "staff_id": staff_id})


def link(tx: Tx, row: dict[str, Any]) -> bool:
    """Link a client to an XPM record. False when either is linked already: the unique indexes decide (b.35)."""
    return insert_or_ignore(tx, XpmLink, {**row, "linked_at": db_now()})


def live_link(tx: Tx, client_id: UUID) -> XpmLink | None:
    return tx.session.scalar(select(XpmLink).where(XpmLink.client_id == client_id, XpmLink.disconnected_at.is_(None)))


def unlink(tx: Tx, client_id: UUID) -> bool:
    """Disconnect a client's live link. Imported data stays (b.34); its review items and team members lose their ties to XPM
    records (b.36). False when there was no live link."""
    is_live = (XpmLink.client_id == client_id, XpmLink.disconnected_at.is_(None))
    if not update_rows(tx, XpmLink, *is_live, disconnected_at=db_now()):
        return False
    relationships.drop_ties(tx, client_id)
    return True


def record_is_linked(tx: Tx, practice_id: UUID, xpm_uuid: UUID) -> bool:
    return has_row(
        tx, XpmLink.practice_id == practice_id, XpmLink.xpm_uuid == xpm_uuid, XpmLink.disconnected_at.is_(None)
    )


@dataclass(frozen=True, slots=True)
class FieldValue:
    """A field's value and where it came from. `is_override`: staff changed it, so XPM no longer overwrites it."""

    field: str
    value: str
    source: FieldSource
    is_override: bool = False


def put_fields(
    tx: Tx,
    client_id: UUID,
    values: Sequence[FieldValue],
    *,
    as_of: datetime,
    by: By,
    known: Mapping[str, ClientField] | None = None,
) -> set[str]:
    """Write fields with their sources, and add the changes to the client's history.

    A value from XPM changes nothing where staff have an override, or where a newer value is stored.

    Args:
        known: the fields as they are, if the caller has just read them.

    Returns:
        Names of the fields that were written.
    """
    if not values:
        return set()
    statement = upsert(tx, ClientField)
    may_replace = ~ClientField.is_override & (ClientField.as_of < statement.excluded.as_of)
    statement = statement.on_conflict_do_update(
        index_elements=["client_id", "field"],
        set_={name: statement.excluded[name] for name in ("value", "source", "is_override", "as_of")},
        where=or_(statement.excluded.source != FieldSource.XPM, may_replace),
    )
    rows = [{**asdict(item), "client_id": client_id, "as_of": as_of} for item in values]
    known = fields(tx, client_id) if known is None else known
    written = set(tx.session.scalars(statement.returning(ClientField.field), rows))
    before = {field: row.value for field, row in known.items()}
    history.note(
        tx,
        by,
        [
            Change(client_id, history.CLIENT, item.field, before.get(item.field), item.value)
            for item in values
            if item.field in written and before.get(item.field) != item.value
        ],
    )
    return written


def set_name(tx: Tx, client_id: UUID, name: str) -> None:
    """Set the name that lists show; it follows the field `name`."""
    update_rows(tx, Client, Client.id == client_id, name=name)


def set_entity_type(tx: Tx, client_id: UUID, entity_type: EntityType) -> None:
    """Set the entity type that lists show; it follows the field `type`."""
    update_rows(tx, Client, Client.id == client_id, entity_type=entity_type)


def fields(tx: Tx, client_id: UUID) -> dict[str, ClientField]:
    found = tx.session.scalars(select(ClientField).where(ClientField.client_id == client_id))
    return {row.field: row for row in found}


def note_conflict(tx: Tx, client_id: UUID, field: str, code: str) -> None:
    """Record that XPM's value of a field was not written, and why (b.17)."""
    row = {"client_id": client_id, "field": field, "code": code, "noted_at": db_now()}
    insert_or_replace(tx, FieldConflict, row, changed=("code", "noted_at"))


def clear_conflicts(tx: Tx, client_id: UUID, field_names: Collection[str]) -> None:
    delete_rows(tx, FieldConflict, FieldConflict.client_id == client_id, FieldConflict.field.in_(field_names))


def conflicts(tx: Tx, client_id: UUID) -> list[FieldConflict]:
    return list(tx.session.scalars(select(FieldConflict).where(FieldConflict.client_id == client_id)))
