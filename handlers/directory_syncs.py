"""Beginning a sync of a directory: on connecting, on schedule, at a search after a long while, by command."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from handlers.accept_drop import unknown_directory
from handlers.follow_ups import apart
from handlers.requests import RequestRefused
from handlers.sync_directory import KIND
from portal_db import directories, directory_syncs, jobs
from portal_db.database import Database, Tx
from portal_db.jobs import NewJob
from portal_db.states import SyncMode
from portal_db.tables import Directory, XpmConnection


def begin_sync(tx: Tx, directory_id: UUID, mode: SyncMode, *, asked_by: str) -> NewJob | None:
    """Insert a sync and its job; the relay rings it.

    Args:
        mode: an incremental one becomes full where nothing is there to add to.
        asked_by: `connect`, `schedule`, `search` or `command line`.

    Returns:
        The job; `None` while another sync of the directory is under way.

    Raises:
        RequestRefused: there is no such directory, or nobody has a connection that works to read it through.
    """
    directory = directories.get(tx, directory_id)
    if directory is None:
        raise unknown_directory()
    readers = directories.readers(tx, directory)
    if not readers:
        raise RequestRefused(
            "not_connected",
            "Nobody has a connection that works to read this directory through.",
            "Reconnect XPM under Configure > Integrations.",
            field="directory",
        )
    _end_abandoned(tx, directory_id)
    wanted = mode if directory.cursor is not None else SyncMode.FULL
    sync_id = directory_syncs.add(tx, directory_id, wanted, asked_by)
    if sync_id is None:
        return None
    job = apart(tx, KIND, readers[0].practice_id, {"sync_id": str(sync_id)}, dedupe_key=_key(sync_id))
    jobs.add(tx, [job])
    return job


def sync_on_connecting(tx: Tx, connection: XpmConnection) -> None:
    """Fill the directory behind a connection that has just been made, or bring it up to date after one was mended."""
    directory = directories.ensure(tx, connection.xero_login_id, connection.tenant_id)
    directories.note_used(tx, directory.id)
    begin_sync(tx, directory.id, SyncMode.FULL, asked_by="connect")


def note_use(database: Database, directory: Directory, now: datetime) -> None:
    """Somebody works with a directory: it stays, and one that was never filled or was purged is filled.

    Args:
        now: by the database's clock.
    """
    if directory.cursor is not None and not directories.is_use_due(directory, now):
        return
    with database.write() as tx:
        directories.note_used(tx, directory.id)
        if directory.cursor is None and directories.readers(tx, directory):
            begin_sync(tx, directory.id, SyncMode.FULL, asked_by="search")


def is_under_way(tx: Tx, directory_id: UUID) -> bool:
    """Whether a sync of the directory is running, with a job that somebody will do."""
    _end_abandoned(tx, directory_id)
    return directory_syncs.running(tx, directory_id) is not None


def _end_abandoned(tx: Tx, directory_id: UUID) -> None:
    """A sync whose job was dismissed or cancelled would stand in the way of all others for good."""
    sync = directory_syncs.running(tx, directory_id)
    if sync is not None and not directory_syncs.has_open_job(tx, _key(sync.id)):
        directory_syncs.fail(tx, sync.id, "abandoned")


def _key(sync_id: UUID) -> str:
    return f"{KIND}:{sync_id}"
