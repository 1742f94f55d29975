"""Clients: creating, showing, linking, and writing their fields so that older news never beats newer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, or_, select, update

from portal_db.clients import history, relationships
from portal_db.clients.history import By, Change
from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore, upsert
from portal_db.states import EntityType, FieldSource
from portal_db.tables import Client, ClientField, ClientVisibility, FieldConflict, XpmLink
from portal_db.types import db_now


def add(tx: Tx, row: dict[str, Any]) -> None:
    """Insert a client. A second one for the same import is refused by the unique index (invariant 2)."""
    tx.session.execute(insert(Client).values(**row, is_new=True, created_at=db_now()))


def get(tx: Tx, client_id: UUID, *, practice_id: UUID) -> Client | None:
    return tx.session.scalar(select(Client).where(Client.id == client_id, Client.practice_id == practice_id))


def of_ids(tx: Tx, client_ids: Collection[UUID], *, practice_id: UUID) -> list[Client]:
    statement = select(Client).where(Client.id.in_(client_ids), Client.practice_id == practice_id)
    return list(tx.session.scalars(statement.order_by(Client.id)))


def show_to(tx: Tx, client_id: UUID, staff_id: UUID) -> None:
    tx.session.execute(insert_or_ignore(tx, ClientVisibility, {"client_id": client_id, "staff_id": staff_id}))


def link(tx: Tx, row: dict[str, Any]) -> bool:
    """Tie a client to an XPM record. False when either is tied already: the unique indexes decide (b.35)."""
    statement = insert_or_ignore(tx, XpmLink, {**row, "linked_at": db_now()})
    return tx.session.scalar(statement.returning(XpmLink.id)) is not None


def live_link(tx: Tx, client_id: UUID) -> XpmLink | None:
    return tx.session.scalar(select(XpmLink).where(XpmLink.client_id == client_id, XpmLink.disconnected_at.is_(None)))


def unlink(tx: Tx, client_id: UUID) -> bool:
    """Cut a client's live link. Imported data stays (b.34), ties of items and team members go (b.36).

    Returns:
        False when there was none.
    """
    statement = (
        update(XpmLink)
        .where(XpmLink.client_id == client_id, XpmLink.disconnected_at.is_(None))
        .values(disconnected_at=db_now())
        .returning(XpmLink.id)
    )
    if tx.session.scalar(statement) is None:
        return False
    relationships.drop_ties(tx, client_id)
    return True


def record_is_linked(tx: Tx, practice_id: UUID, xpm_uuid: UUID) -> bool:
    statement = select(XpmLink.id).where(
        XpmLink.practice_id == practice_id, XpmLink.xpm_uuid == xpm_uuid, XpmLink.disconnected_at.is_(None)
    )
    return tx.session.scalar(statement) is not None


@dataclass(frozen=True, slots=True)
class FieldValue:
    """A field's value and who decided it. `is_override`: staff adjusted it, so XPM's news no longer change it."""

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
    """Write fields with their sources, and what changed into the client's history.

    A value from XPM is a no-op where staff have an override, or the row has newer news.

    Args:
        known: the fields as they are, where the caller has just read them.

    Returns:
        Names of the fields that were written.
    """
    if not values:
        return set()
    statement = upsert(tx, ClientField)
    news = ("value", "source", "is_override", "as_of")
    may_replace = ~ClientField.is_override & (ClientField.as_of < statement.excluded.as_of)
    statement = statement.on_conflict_do_update(
        index_elements=["client_id", "field"],
        set_={name: statement.excluded[name] for name in news},
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


def show_name(tx: Tx, client_id: UUID, name: str) -> None:
    """What lists show follows the field `name`."""
    _set(tx, client_id, name=name)


def show_type(tx: Tx, client_id: UUID, entity_type: EntityType) -> None:
    """What lists show follows the field `type`."""
    _set(tx, client_id, entity_type=entity_type)


def _set(tx: Tx, client_id: UUID, **values: Any) -> None:
    statement = update(Client).where(Client.id == client_id).values(**values)
    tx.session.execute(statement)


def fields(tx: Tx, client_id: UUID) -> dict[str, ClientField]:
    statement = select(ClientField).where(ClientField.client_id == client_id)
    found = tx.session.scalars(statement)
    return {row.field: row for row in found}


def note_conflict(tx: Tx, client_id: UUID, field: str, code: str) -> None:
    """Remember that XPM's value of a field was not written, and why (b.17)."""
    statement = upsert(tx, FieldConflict, {"client_id": client_id, "field": field, "code": code, "noted_at": db_now()})
    tx.session.execute(
        statement.on_conflict_do_update(
            index_elements=["client_id", "field"],
            set_={"code": statement.excluded.code, "noted_at": statement.excluded.noted_at},
        )
    )


def clear_conflicts(tx: Tx, client_id: UUID, field_names: Collection[str]) -> None:
    tx.session.execute(
        delete(FieldConflict).where(FieldConflict.client_id == client_id, FieldConflict.field.in_(field_names))
    )


def conflicts(tx: Tx, client_id: UUID) -> list[FieldConflict]:
    return list(tx.session.scalars(select(FieldConflict).where(FieldConflict.client_id == client_id)))
