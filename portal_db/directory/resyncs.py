"""Re-syncs of relationships: which clients' records changed since their relationships were taken, and what came of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, exists, or_, select, update
from sqlalchemy.orm import aliased

from portal_db.clients import review_items
from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore
from portal_db.paging import Cursor, older
from portal_db.states import ConnectionState
from portal_db.tables import (
    Directory,
    DirectoryRecord,
    DirectorySync,
    Practice,
    RelationshipSync,
    XpmConnection,
    XpmLink,
)
from portal_db.types import db_now

_live = aliased(XpmConnection)


@dataclass(frozen=True, slots=True)
class Differing:
    """A linked client whose record in the directory is another than the one whose relationships were taken last."""

    link_id: UUID
    client_id: UUID
    record: dict[str, Any]
    content_hash: str
    as_of: datetime


def differing(tx: Tx, practice_id: UUID, directory: Directory, *, after: UUID | None, limit: int) -> list[Differing]:
    """So many of them, by link, from the one after: one walk along the links finds each once."""
    columns = (
        XpmLink.id,
        XpmLink.client_id,
        DirectoryRecord.record,
        DirectoryRecord.content_hash,
        DirectoryRecord.as_of,
    )
    statement = _differing(select(*columns), directory).where(XpmLink.practice_id == practice_id)
    if after is not None:
        statement = statement.where(XpmLink.id > after)
    return [Differing(*row) for row in tx.session.execute(statement.order_by(XpmLink.id).limit(limit))]


def practices(tx: Tx, directory: Directory) -> list[UUID]:
    """Practices that have such clients."""
    statement = _differing(select(XpmLink.practice_id), directory).distinct().order_by(XpmLink.practice_id)
    return list(tx.session.scalars(statement))


def _differing(statement: Select[*tuple[Any, ...]], directory: Directory) -> Select[*tuple[Any, ...]]:
    """Of links through the directory's login and tenant, as long as the practice has a connection to it that works (b.13).

    A client whose relationships nobody has imported since it was connected has no `synced_hash`, from which nothing differs.
    """
    through = and_(
        XpmConnection.id == XpmLink.connection_id,
        XpmConnection.xero_login_id == directory.xero_login_id,
        XpmLink.tenant_id == directory.tenant_id,
    )
    sight = and_(
        DirectoryRecord.xero_login_id == directory.xero_login_id,
        DirectoryRecord.tenant_id == directory.tenant_id,
        DirectoryRecord.xpm_uuid == XpmLink.xpm_uuid,
    )
    works = exists().where(
        _live.practice_id == XpmLink.practice_id,
        _live.xero_login_id == directory.xero_login_id,
        _live.tenant_id == directory.tenant_id,
        _live.state == ConnectionState.CONNECTED,
    )
    is_newer = or_(XpmLink.told_as_of.is_(None), DirectoryRecord.as_of > XpmLink.told_as_of)
    return (
        statement.select_from(XpmLink)
        .join(XpmConnection, through)
        .join(DirectoryRecord, sight)
        .where(
            XpmLink.disconnected_at.is_(None),
            DirectoryRecord.content_hash != XpmLink.synced_hash,
            is_newer,
            works,
        )
    )


def records(tx: Tx, directory: Directory, xpm_uuids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    """Records of a directory as JSON; who is not in it is not there."""
    statement = select(DirectoryRecord.xpm_uuid, DirectoryRecord.record).where(
        DirectoryRecord.xero_login_id == directory.xero_login_id,
        DirectoryRecord.tenant_id == directory.tenant_id,
        DirectoryRecord.xpm_uuid.in_(xpm_uuids),
    )
    return {row.xpm_uuid: row.record for row in tx.session.execute(statement)}


def begin(tx: Tx, practice_id: UUID, directory_id: UUID, sync_id: UUID) -> None:
    """Begin a summary, or go on with the one that is there."""
    row = {"id": tx.new_id(), "practice_id": practice_id, "directory_id": directory_id, "sync_id": sync_id}
    counts = dict.fromkeys(("clients", "added", "changed", "ended", "conflicts", "waiting"), 0)
    tx.session.execute(insert_or_ignore(tx, RelationshipSync, {**row, **counts, "started_at": db_now()}))


def count(tx: Tx, practice_id: UUID, sync_id: UUID, counts: dict[str, int]) -> None:
    """Add to a summary, in the transaction that did what is counted."""
    values: dict[str, Any] = {name: getattr(RelationshipSync, name) + number for name, number in counts.items()}
    tx.session.execute(_summary(practice_id, sync_id).values(**values))


def finish(tx: Tx, practice_id: UUID, sync_id: UUID) -> None:
    """End a summary, with how many items now wait for review."""
    waiting = review_items.waiting(tx, practice_id)
    tx.session.execute(_summary(practice_id, sync_id).values(finished_at=db_now(), waiting=waiting))


def _summary(practice_id: UUID, sync_id: UUID) -> Any:
    return update(RelationshipSync).where(
        RelationshipSync.practice_id == practice_id, RelationshipSync.sync_id == sync_id
    )


@dataclass(frozen=True, slots=True)
class Synced:
    """A sync of a directory that a practice reads, and what it brought to the practice's relationships, if anything."""

    sync: DirectorySync
    summary: RelationshipSync | None


def page(tx: Tx, practice_id: UUID, *, after: Cursor | None, limit: int) -> list[Synced]:
    """Syncs of the directories that a practice has or had a connection to, the newest first."""
    summary = and_(RelationshipSync.sync_id == DirectorySync.id, RelationshipSync.practice_id == practice_id)
    reads = exists().where(
        XpmConnection.practice_id == practice_id,
        XpmConnection.xero_login_id == Directory.xero_login_id,
        XpmConnection.tenant_id == Directory.tenant_id,
    )
    statement = (
        select(DirectorySync, RelationshipSync)
        .join(Directory, Directory.id == DirectorySync.directory_id)
        .outerjoin(RelationshipSync, summary)
        .where(reads)
    )
    if after is not None:
        statement = statement.where(older(DirectorySync.started_at, DirectorySync.id, after))
    order = (DirectorySync.started_at.desc(), DirectorySync.id.desc())
    return [Synced(*row) for row in tx.session.execute(statement.order_by(*order).limit(limit))]


@dataclass(frozen=True, slots=True)
class PracticeSummary:
    """What a sync brought to a practice, and the practice's name."""

    summary: RelationshipSync
    practice: str


def of_directory(tx: Tx, directory_id: UUID, *, limit: int) -> list[PracticeSummary]:
    """The summaries of a directory's syncs, of all practices, the newest first."""
    statement = (
        select(RelationshipSync, Practice.name)
        .join(Practice, Practice.id == RelationshipSync.practice_id)
        .where(RelationshipSync.directory_id == directory_id)
        .order_by(RelationshipSync.started_at.desc(), RelationshipSync.id.desc())
    )
    return [PracticeSummary(*row) for row in tx.session.execute(statement.limit(limit))]
