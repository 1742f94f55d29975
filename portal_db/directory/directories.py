"""Directories: one per Xero login and tenant, their records, who reads them, when they were last synced and used, and what
a practice's business structures mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, select

from portal_db.database import Tx
from portal_db.dialect import delete_rows, insert_or_ignore, insert_or_replace, update_rows, upsert
from portal_db.states import ConnectionState, SyncState
from portal_db.tables import (
    BusinessStructure,
    Directory,
    DirectoryRecord,
    DirectorySync,
    Practice,
    Staff,
    XpmConnection,
    XpmLink,
    is_live_connection,
    same_directory,
)
from portal_db.types import db_now
from portal_db.work.due import is_in as state_is

#: Use is recorded at most once in this time; otherwise every key pressed in a search would be a write.
USE_NOTED_SECONDS = 3600


def ensure(tx: Tx, xero_login_id: UUID, tenant_id: str) -> Directory:
    """The directory of a login and tenant, created if there is none."""
    row = {"id": tx.new_id(), "xero_login_id": xero_login_id, "tenant_id": tenant_id}
    insert_or_ignore(tx, Directory, {**row, "created_at": db_now(), "last_used_at": db_now()})
    found = of(tx, xero_login_id, tenant_id)
    assert found is not None, "it was just created"  # noqa: S101 -- rows of directories are never deleted
    return found


def get(tx: Tx, directory_id: UUID) -> Directory | None:
    return tx.get(Directory, directory_id)


def of(tx: Tx, xero_login_id: UUID, tenant_id: str) -> Directory | None:
    statement = select(Directory).where(Directory.xero_login_id == xero_login_id, Directory.tenant_id == tenant_id)
    return tx.session.scalar(statement)


@dataclass(frozen=True, slots=True)
class Reader:
    """A working connection through which its owner may read a directory."""

    connection_id: UUID
    practice_id: UUID
    staff_id: UUID


def readers(tx: Tx, directory: Directory) -> list[Reader]:
    """The connections that may read a directory, the longest connected first: the connection works, its owner has not left
    the practice, and the practice requires MFA."""
    statement = (
        select(XpmConnection.id, XpmConnection.practice_id, XpmConnection.staff_id)
        .join(Staff, and_(Staff.id == XpmConnection.staff_id, Staff.practice_id == XpmConnection.practice_id))
        .join(Practice, Practice.id == XpmConnection.practice_id)
        .where(
            reads(directory),
            XpmConnection.state == ConnectionState.CONNECTED,
            Staff.left_at.is_(None),
            Practice.mfa_mandatory,
        )
    )
    return [
        Reader(*row) for row in tx.session.execute(statement.order_by(XpmConnection.connected_at, XpmConnection.id))
    ]


def practices_to_resync(tx: Tx, directory: Directory) -> list[UUID]:
    """Practices that have clients linked through the directory's login and tenant, so that changes in it concern them."""
    statement = (
        select(XpmLink.practice_id)
        .join(XpmConnection, XpmConnection.id == XpmLink.connection_id)
        .where(reads(directory), XpmLink.tenant_id == directory.tenant_id, XpmLink.disconnected_at.is_(None))
        .distinct()
    )
    return list(tx.session.scalars(statement.order_by(XpmLink.practice_id)))


def is_use_due(directory: Directory, now: datetime) -> bool:
    """Whether a use at this moment has to be recorded."""
    return now - directory.last_used_at >= timedelta(seconds=USE_NOTED_SECONDS)


def note_used(tx: Tx, directory_id: UUID) -> None:
    """Record that somebody searched a directory or imports from it."""
    is_due = Directory.last_used_at < db_now(-USE_NOTED_SECONDS)
    update_rows(tx, Directory, Directory.id == directory_id, is_due, last_used_at=db_now())


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """A directory with its last sync, its number of records, how many of them are missing until somebody accepts that they
    are gone, and the names of the practices connected to it."""

    directory: Directory
    sync: DirectorySync | None
    records: int
    missing: int
    practices: Sequence[str]

    @property
    def is_held(self) -> bool:
        return self.missing > 0


def held(tx: Tx) -> list[Directory]:
    """Directories of which a full sync was held, and records are still missing."""
    syncs = select(DirectorySync.directory_id).where(state_is(SyncState.HELD, of=DirectorySync))
    missing = exists().where(is_missing(Directory))
    found = select(Directory).where(Directory.id.in_(syncs), missing)
    return list(tx.session.scalars(found.order_by(Directory.created_at, Directory.id)))


def listing(tx: Tx, *, practice_id: UUID | None = None, directory_id: UUID | None = None) -> list[DirectoryEntry]:
    """Directories with a live connection, or the one with this id, whatever its connections."""
    connections = exists().where(same_directory(XpmConnection, Directory))
    live = connections.where(is_live_connection)
    wanted: list[ColumnElement[bool]] = [Directory.id == directory_id] if directory_id else [live]
    if practice_id is not None:
        wanted.append(connections.where(XpmConnection.practice_id == practice_id))
    found = tx.session.scalars(select(Directory).where(*wanted).order_by(Directory.created_at, Directory.id)).all()
    return [_entry(tx, directory) for directory in found]


def _entry(tx: Tx, directory: Directory) -> DirectoryEntry:
    latest = select(DirectorySync).where(DirectorySync.directory_id == directory.id)
    sync = tx.session.scalar(latest.order_by(DirectorySync.started_at.desc(), DirectorySync.id.desc()).limit(1))
    counts = select(func.count(), func.count(DirectoryRecord.missing_since)).where(
        is_in(directory), DirectoryRecord.gone_at.is_(None)
    )
    records, missing = tx.session.execute(counts).one()
    names = (
        select(Practice.name)
        .join(XpmConnection, XpmConnection.practice_id == Practice.id)
        .where(reads(directory), is_live_connection)
        .distinct()
    )
    return DirectoryEntry(directory, sync, records, missing, list(tx.session.scalars(names.order_by(Practice.name))))


def is_in(directory: Directory | type[Directory]) -> ColumnElement[bool]:
    """Whether a record belongs to the directory."""
    return same_directory(DirectoryRecord, directory)


def is_missing(directory: Directory | type[Directory]) -> ColumnElement[bool]:
    """Whether a record of the directory waits for somebody to accept that it is gone."""
    return and_(is_in(directory), DirectoryRecord.missing_since.is_not(None), DirectoryRecord.gone_at.is_(None))


def reads(directory: Directory) -> ColumnElement[bool]:
    """Whether a connection, live or not, reads the directory: it has the directory's login and tenant."""
    return same_directory(XpmConnection, directory)


def of_practice(tx: Tx, practice_id: UUID) -> list[BusinessStructure]:
    return list(tx.session.scalars(_OF_PRACTICE, {"practice_id": practice_id}))


_OF_PRACTICE = (
    select(BusinessStructure)
    .where(BusinessStructure.practice_id == bindparam("practice_id"))
    .order_by(BusinessStructure.structure_key)
)


def put(tx: Tx, row: dict[str, Any]) -> None:
    """Set what a business structure means, replacing its earlier meaning."""
    changed = ("structure", "kind", "entity_type", "set_by", "set_at")
    insert_or_replace(tx, BusinessStructure, {**row, "set_at": db_now()}, changed=changed)


def drop(tx: Tx, practice_id: UUID, structure_key: str) -> bool:
    """Delete what a business structure means. False when it had no meaning set."""
    is_meant = (BusinessStructure.practice_id == practice_id, BusinessStructure.structure_key == structure_key)
    return bool(delete_rows(tx, BusinessStructure, *is_meant))


def keep_directory_record(
    tx: Tx, seen_through: XpmConnection, xpm_uuid: UUID, columns: Mapping[str, Any], as_of: datetime
) -> None:
    """Store a record, unless a newer version of it is stored or its directory was synced since.

    Args:
        columns: the columns of `directory_records` that come from the record itself.
    """
    login_id, tenant_id = seen_through.xero_login_id, seen_through.tenant_id
    row = {"xero_login_id": login_id, "tenant_id": tenant_id, "xpm_uuid": xpm_uuid}
    statement = upsert(tx, DirectoryRecord, {**row, **columns, "as_of": as_of, "first_seen_at": as_of})
    exists_again = dict.fromkeys(("gone_at", "missing_since", "unread_since"))
    synced_since = exists().where(
        Directory.xero_login_id == login_id, Directory.tenant_id == tenant_id, Directory.cursor > as_of
    )
    tx.session.execute(
        statement.on_conflict_do_update(
            index_elements=["xero_login_id", "tenant_id", "xpm_uuid"],
            set_={**{name: statement.excluded[name] for name in (*columns, "as_of")}, **exists_again},
            where=and_(DirectoryRecord.as_of < statement.excluded.as_of, ~synced_since),
        )
    )
