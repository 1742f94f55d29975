"""Accepting that records which a full sync missed are gone: what was held because the drop was sharp."""

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
class Held:
    """A directory that is held, and those who would be gone, by name, as many as were asked for."""

    entry: DirectoryEntry
    missing: Sequence[DirectoryRecord]


def held(database: Database, directory_id: UUID, *, limit: int) -> Held:
    """Who would be gone.

    Raises:
        RequestRefused: there is no such directory, or nothing of it is held.
    """
    with database.read() as tx:
        entry = _require_held(tx, directory_id)
        return Held(entry, syncs.missing(tx, entry.directory, limit=limit))


def accept(database: Database, act: Act, directory_id: UUID, *, count: int) -> int:
    """Take them for gone. Clients who are linked to one of them stay as they are.

    Args:
        count: how many the operator was shown; with others than these nothing is accepted.

    Raises:
        RequestRefused: there is no such directory, nothing of it is held any more, or it holds others by now.
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
