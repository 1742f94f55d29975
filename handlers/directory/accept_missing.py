"""Accepts that records missing from a full sync are gone, if the sync held them because there were many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from handlers import refusals
from handlers.access.act import Act
from portal_db.database import Database, Tx
from portal_db.directory import directories, syncs
from portal_db.directory.directories import DirectoryEntry
from portal_db.tables import DirectoryRecord


@dataclass(frozen=True)
class HeldDirectory:
    """A directory with held records, and the first of them by name."""

    entry: DirectoryEntry
    missing: Sequence[DirectoryRecord]


def get_held(database: Database, directory_id: UUID, *, limit: int) -> HeldDirectory:
    """The records that would be gone, up to `limit`.

    Raises:
        RequestRefused: there is no such directory, or it holds no records.
    """
    with database.read() as tx:
        entry = _require_held(tx, directory_id)
        return HeldDirectory(entry, syncs.missing(tx, entry.directory, limit=limit))


def accept_as_gone(database: Database, act: Act, directory_id: UUID, *, count: int) -> int:
    """Mark the held records as gone. Clients linked to them do not change.

    Args:
        count: how many the operator was shown; if the number has changed, nothing is accepted.

    Raises:
        RequestRefused: there is no such directory, it holds no records, or it holds other records by now.
    """
    with database.write() as tx:
        entry = _require_held(tx, directory_id)
        done = syncs.accept_missing(tx, entry.directory)
        if done != count:
            raise refusals.CHANGED_MEANWHILE()
        act.audit(tx, "directory.accept", "directory", directory_id, None, before=f"{done} missing", after="gone")
        return done


def _require_held(tx: Tx, directory_id: UUID) -> DirectoryEntry:
    found = directories.listing(tx, directory_id=directory_id)
    if not found:
        raise refusals.UNKNOWN_DIRECTORY()
    if not found[0].is_held:
        raise refusals.NOTHING_HELD()
    return found[0]
