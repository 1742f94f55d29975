"""resync_relationships: after a sync of a directory, updates the relationships of a practice's linked clients.

It reads the directory and does not call XPM. Clients whose record changed are merged in chunks, each in a short transaction
under the job's lease, which also stores the record's hash at the link: a run that is cut off continues with the clients
that are left. Clients' details change only in a person's import.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from handlers.access.caller import Caller
from handlers.directory.records import read_record
from handlers.directory.structures import words_of
from handlers.jobs.enqueue import FollowUp
from handlers.jobs.handler import job_arg
from handlers.paging import Page, page_of, read_cursor
from handlers.relationships.direction import ANYTHING, decide, possible_kinds
from handlers.relationships.labels import combine_rows, is_whole, read_labels
from handlers.relationships.merge import Merged, RecordUpdate, merge_updates
from handlers.relationships.review_queue import kinds_of_record
from handlers.services import Services
from portal_db.clients import clients
from portal_db.clients.history import By
from portal_db.database import Database, Tx
from portal_db.directory import directories, resyncs
from portal_db.directory.resyncs import ChangedLink, ChangedRecord, Synced
from portal_db.states import ChangeSource, ReviewState
from portal_db.tables import Directory, Job
from portal_db.work.jobs import hold

CLIENTS = 200
"""Clients merged in one transaction."""
LINKS = 5_000
"""Links that are read at once: each read compares all of the practice's links with the directory."""

#: What a client, by its id, or a record, by its uuid, may be.
Natures = Mapping[UUID, frozenset[str]]


def fetch(services: Services, job: Job) -> None:
    """Merge what changed, chunk by chunk.

    Raises:
        LeaseLost: the job lost its lease; the current chunk is not written.
    """
    practice_id, sync_id = job_arg(job, "practice_id"), job_arg(job, "sync_id")
    with services.database.write() as tx:
        hold(tx, job)
        directory = directories.get(tx, job_arg(job, "directory_id"))
        assert directory is not None, "rows of directories are never deleted"  # noqa: S101 -- see portal_db.directory.directories
        resyncs.begin(tx, practice_id, directory.id, sync_id)
    by = By(practice_id, ChangeSource.RESYNC, sync_id=sync_id)
    for links in _changed_links(services.database, practice_id, directory):
        with services.database.read() as tx:
            updates = [_update(by, each) for each in resyncs.changed_records(tx, directory, links)]
        natures = _natures(services.database, practice_id, directory, updates)
        with services.database.write() as tx:
            hold(tx, job)
            merged = merge_updates(tx, practice_id, updates)
            resyncs.count(tx, practice_id, sync_id, _counts(merged, natures))


def apply(tx: Tx, job: Job, row: None, fetched: None) -> Sequence[FollowUp]:
    """Mark the re-sync as finished."""
    resyncs.finish(tx, job_arg(job, "practice_id"), job_arg(job, "sync_id"))
    return []


def page(database: Database, caller: Caller, *, cursor: str | None, limit: int) -> Page[Synced]:
    """Syncs of the caller's practice, newest first.

    Raises:
        RequestRefused: the cursor is not valid.
    """
    after = read_cursor(cursor)
    with database.read() as tx:
        found = resyncs.page(tx, caller.practice_id, after=after, limit=limit + 1)
    return page_of(found, limit, lambda each: (each.sync.started_at, each.sync.id))


def _changed_links(database: Database, practice_id: UUID, directory: Directory) -> Iterator[list[ChangedLink]]:
    """The links whose records changed, in chunks."""
    after: UUID | None = None
    while True:
        with database.read() as tx:
            found = resyncs.changed_links(tx, practice_id, directory, after=after, limit=LINKS)
        yield from (found[at : at + CLIENTS] for at in range(0, len(found), CLIENTS))
        if len(found) < LINKS:
            return
        after = found[-1].link_id


def _update(by: By, found: ChangedRecord) -> RecordUpdate:
    record = read_record(found.record)
    reported = combine_rows(record.relationships)
    whole = is_whole(record)
    return RecordUpdate(found.client_id, record.uuid, reported, found.as_of, found.content_hash, by, is_whole=whole)


def _natures(database: Database, practice_id: UUID, directory: Directory, updates: Sequence[RecordUpdate]) -> Natures:
    others = {each.other_xpm_uuid for update in updates for each in update.reported}
    with database.read() as tx:
        ours = clients.of_ids(tx, {update.client_id for update in updates}, practice_id=practice_id)
        theirs = resyncs.records(tx, directory, others)
        words = words_of(tx, practice_id)
    known = {client.id: possible_kinds(frozenset({client.kind}), client.entity_type) for client in ours}
    return known | {xpm_uuid: kinds_of_record(read_record(record), words) for xpm_uuid, record in theirs.items()}


def _counts(merged: Merged, natures: Natures) -> dict[str, int]:
    touched = (*merged.new, *merged.changed)
    return {
        "clients": len(merged.links),
        "added": len(merged.new),
        "changed": len(merged.changed),
        "ended": merged.ended,
        "conflicts": sum(row["state"] is ReviewState.PENDING and _is_ambiguous(row, natures) for row in touched),
    }


def _is_ambiguous(row: Mapping[str, Any], natures: Natures) -> bool:
    client, other = (natures.get(row[name], ANYTHING) for name in ("client_id", "other_xpm_uuid"))
    return decide(read_labels(row["label"], row["also_told"]), client, other).ambiguity is not None
