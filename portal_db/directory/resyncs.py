"""Re-syncs of relationships: which clients' records changed since their relationships were merged, and each summary."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, or_, select

from portal_db.aliases import alias_of
from portal_db.clients import review_items
from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore, update_rows
from portal_db.directory.directories import is_in, reads
from portal_db.paging import Cursor, by_id, newest_first
from portal_db.states import ConnectionState
from portal_db.tables import (
    Directory,
    DirectoryRecord,
    DirectorySync,
    Practice,
    RelationshipSync,
    XpmConnection,
    XpmLink,
    same_directory,
)
from portal_db.types import db_now

_live = alias_of(XpmConnection)


@dataclass(frozen=True, slots=True)
class ChangedLink:
    """A client's link whose record in the directory has changed since its relationships were merged last."""

    link_id: UUID
    client_id: UUID
    xpm_uuid: UUID


@dataclass(frozen=True, slots=True)
class ChangedRecord:
    """A linked client, and its record in the directory as it is now."""

    client_id: UUID
    record: dict[str, Any]
    content_hash: str
    as_of: datetime


def changed_links(
    tx: Tx, practice_id: UUID, directory: Directory, *, after: UUID | None, limit: int
) -> list[ChangedLink]:
    """A page of a practice's links whose records changed, in the order of link ids, so that paging finds each once."""
    columns = select(XpmLink.id, XpmLink.client_id, XpmLink.xpm_uuid)
    statement = _where_changed(columns, directory).where(XpmLink.practice_id == practice_id)
    return [ChangedLink(*row) for row in tx.session.execute(by_id(statement, XpmLink.id, after=after, limit=limit))]


def changed_records(tx: Tx, directory: Directory, links: Collection[ChangedLink]) -> list[ChangedRecord]:
    """The records of links, as the directory holds them now."""
    statement = select(
        DirectoryRecord.xpm_uuid, DirectoryRecord.record, DirectoryRecord.content_hash, _confirmed_at(directory)
    ).where(is_in(directory), DirectoryRecord.xpm_uuid.in_([link.xpm_uuid for link in links]))
    found = {xpm_uuid: values for xpm_uuid, *values in tx.session.execute(statement)}
    return [ChangedRecord(link.client_id, *found[link.xpm_uuid]) for link in links if link.xpm_uuid in found]


def practices_with_changes(tx: Tx, directory: Directory) -> list[UUID]:
    """Practices that have linked clients whose records changed. Each practice's links are read up to the first such."""
    changed = _where_changed(select(XpmLink.id), directory).where(XpmLink.practice_id == Practice.id).exists()
    readers = select(XpmConnection.practice_id).where(reads(directory))
    statement = select(Practice.id).where(Practice.id.in_(readers), changed)
    return list(tx.session.scalars(statement.order_by(Practice.id)))


def _where_changed(statement: Select[*tuple[Any, ...]], directory: Directory) -> Select[*tuple[Any, ...]]:
    """Narrow a query to links through the directory's login and tenant whose record changed, where the practice has a
    working connection to it (b.13).

    A client whose relationships were not imported since it was linked has no `synced_hash`, so it never counts as changed.
    """
    through = and_(
        XpmConnection.id == XpmLink.connection_id,
        XpmConnection.practice_id == XpmLink.practice_id,
        XpmConnection.xero_login_id == directory.xero_login_id,
        XpmLink.tenant_id == directory.tenant_id,
    )
    works = exists().where(
        _live.practice_id == XpmLink.practice_id,
        same_directory(_live, directory),
        _live.state == ConnectionState.CONNECTED,
    )
    is_newer = or_(XpmLink.told_as_of.is_(None), _confirmed_at(directory) > XpmLink.told_as_of)
    # A value, not a join: without statistics PostgreSQL may plan a join that reads the whole directory for each link.
    newer_hash = (
        select(DirectoryRecord.content_hash)
        .where(is_in(directory), DirectoryRecord.xpm_uuid == XpmLink.xpm_uuid, is_newer)
        .correlate(XpmLink)
        .scalar_subquery()
    )
    return (
        statement.select_from(XpmLink)
        .join(XpmConnection, through)
        .where(XpmLink.disconnected_at.is_(None), newer_hash != XpmLink.synced_hash, works)
    )


def _confirmed_at(directory: Directory) -> ColumnElement[datetime]:
    """When a record's relationships last matched XPM: a full sync does not write rows that have not changed, and an
    incremental one does not cover relationships."""
    read_at = select(Directory.last_full_at).where(Directory.id == directory.id).scalar_subquery()
    was_read = and_(
        DirectoryRecord.gone_at.is_(None),
        DirectoryRecord.missing_since.is_(None),
        DirectoryRecord.unread_since.is_(None),
        read_at > DirectoryRecord.as_of,
    )
    return case((was_read, read_at), else_=DirectoryRecord.as_of)


def records(tx: Tx, directory: Directory, xpm_uuids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    """Records of a directory as JSON; those it does not hold are left out."""
    statement = select(DirectoryRecord.xpm_uuid, DirectoryRecord.record).where(
        is_in(directory), DirectoryRecord.xpm_uuid.in_(xpm_uuids)
    )
    return {row.xpm_uuid: row.record for row in tx.session.execute(statement)}


def begin(tx: Tx, practice_id: UUID, directory_id: UUID, sync_id: UUID) -> None:
    """Begin a summary, unless it exists already."""
    row = {"id": tx.new_id(), "practice_id": practice_id, "directory_id": directory_id, "sync_id": sync_id}
    counts = dict.fromkeys(("clients", "added", "changed", "ended", "conflicts", "waiting"), 0)
    insert_or_ignore(tx, RelationshipSync, {**row, **counts, "started_at": db_now()})


def count(tx: Tx, practice_id: UUID, sync_id: UUID, counts: dict[str, int]) -> None:
    """Add to a summary's counts, in the transaction that made the changes."""
    values = {name: getattr(RelationshipSync, name) + number for name, number in counts.items()}
    update_rows(tx, RelationshipSync, _is_summary(practice_id, sync_id), **values)


def finish(tx: Tx, practice_id: UUID, sync_id: UUID) -> None:
    """End a summary, with the number of items that now await review."""
    waiting = review_items.count_pending(tx, practice_id)
    update_rows(tx, RelationshipSync, _is_summary(practice_id, sync_id), finished_at=db_now(), waiting=waiting)


def _is_summary(practice_id: UUID, sync_id: UUID) -> ColumnElement[bool]:
    return and_(RelationshipSync.practice_id == practice_id, RelationshipSync.sync_id == sync_id)


@dataclass(frozen=True, slots=True)
class Synced:
    """A sync of a directory that a practice reads, and its summary for the practice's relationships, if it has one."""

    sync: DirectorySync
    summary: RelationshipSync | None


def page(tx: Tx, practice_id: UUID, *, after: Cursor | None, limit: int) -> list[Synced]:
    """A page of the syncs of directories that a practice has or had a connection to, newest first."""
    summary = and_(RelationshipSync.sync_id == DirectorySync.id, RelationshipSync.practice_id == practice_id)
    reads = exists().where(XpmConnection.practice_id == practice_id, same_directory(XpmConnection, Directory))
    statement = (
        select(DirectorySync, RelationshipSync)
        .join(Directory, Directory.id == DirectorySync.directory_id)
        .outerjoin(RelationshipSync, summary)
        .where(reads)
    )
    page = newest_first(statement, DirectorySync.started_at, DirectorySync.id, after=after, limit=limit)
    return [Synced(*row) for row in tx.session.execute(page)]


@dataclass(frozen=True, slots=True)
class PracticeSummary:
    """The summary of a re-sync, and the practice's name."""

    summary: RelationshipSync
    practice: str


def of_directory(tx: Tx, directory_id: UUID, *, limit: int) -> list[PracticeSummary]:
    """The last summaries of a directory's syncs, of all practices, newest first."""
    statement = (
        select(RelationshipSync, Practice.name)
        .join(Practice, Practice.id == RelationshipSync.practice_id)
        .where(RelationshipSync.directory_id == directory_id)
    )
    page = newest_first(statement, RelationshipSync.started_at, RelationshipSync.id, after=None, limit=limit)
    return [PracticeSummary(*row) for row in tx.session.execute(page)]
