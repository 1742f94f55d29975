"""Directories as operators read them: their state, their last syncs, and what those changed for each practice."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from handlers import refusals
from portal_db.database import Database
from portal_db.directory import directories, resyncs, syncs, unreadable
from portal_db.directory.directories import DirectoryEntry
from portal_db.directory.resyncs import PracticeSummary
from portal_db.directory.unreadable import Unread
from portal_db.tables import DirectorySync


def listing(database: Database, practice_id: UUID | None = None) -> Sequence[DirectoryEntry]:
    """Directories that a practice, or any practice, is connected to."""
    with database.read() as tx:
        return directories.listing(tx, practice_id=practice_id)


def one(
    database: Database, directory_id: UUID, *, limit: int, fields_limit: int
) -> tuple[DirectoryEntry, Sequence[DirectorySync], Unread]:
    """A directory, up to `limit` of its last syncs, newest first, and what of its records could not be read.

    Raises:
        RequestRefused: there is no such directory.
    """
    with database.read() as tx:
        found = directories.listing(tx, directory_id=directory_id)
        if not found:
            raise refusals.UNKNOWN_DIRECTORY()
        unread = unreadable.in_directory(tx, found[0].directory, limit=fields_limit)
        return found[0], syncs.history(tx, directory_id, limit=limit), unread


def changes(database: Database, directory_id: UUID, *, limit: int) -> Sequence[PracticeSummary]:
    """What syncs of a directory changed in clients' relationships, by practice, newest first.

    Raises:
        RequestRefused: there is no such directory.
    """
    with database.read() as tx:
        if directories.get(tx, directory_id) is None:
            raise refusals.UNKNOWN_DIRECTORY()
        return resyncs.of_directory(tx, directory_id, limit=limit)
