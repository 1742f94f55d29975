"""resync_relationships: after a sync of a directory, brings the relationships of a practice's linked clients up to date.

It reads the directory and asks XPM nothing. Clients whose record changed are taken in chunks, each in a short transaction
under the job's lease that also notes the record's hash at the link: cut off anywhere, the next run goes on with those that
are left. It touches no details of people: those follow a person's import only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from handlers.access.caller import Caller
from handlers.directory.records import read_record
from handlers.directory.structures import words_of
from handlers.jobs.enqueue import FollowUp
from handlers.jobs.handler import job_arg
from handlers.paging import Page, page_of, read_cursor
from handlers.relationships import labels, merge
from handlers.relationships.direction import ANYTHING, decide, what_may_be
from handlers.relationships.labels import combine_rows
from handlers.relationships.merge import MergeCounts, RecordUpdate
from handlers.relationships.review_queue import what_is
from handlers.services import Services
from portal_db.clients import clients
from portal_db.clients.history import By
from portal_db.database import Database, Tx
from portal_db.directory import directories, resyncs
from portal_db.directory.resyncs import ChangedRecord, Synced
from portal_db.states import ChangeSource, ReviewState
from portal_db.tables import Directory, Job
from portal_db.work.jobs import hold

CLIENTS = 200
"""Clients taken in one transaction."""

#: What records' clients may be, as far as XPM says.
Natures = Mapping[UUID, frozenset[str]]


def fetch(services: Services, job: Job) -> None:
    """Take what changed, chunk by chunk.

    Raises:
        LeaseLost: the job is not ours any more; the chunk at hand is not written.
    """
    practice_id, sync_id = job_arg(job, "practice_id"), job_arg(job, "sync_id")
    with services.database.write() as tx:
        hold(tx, job)
        directory = directories.get(tx, job_arg(job, "directory_id"))
        assert directory is not None, "rows of directories are never deleted"  # noqa: S101 -- see portal_db.directory.directories
        resyncs.begin(tx, practice_id, directory.id, sync_id)
    after: UUID | None = None
    while True:
        with services.database.read() as tx:
            found = resyncs.changed_records(tx, practice_id, directory, after=after, limit=CLIENTS)
        if not found:
            return
        news = [_news(each) for each in found]
        natures = _natures(services.database, practice_id, directory, news)
        after = found[-1].link_id
        with services.database.write() as tx:
            hold(tx, job)
            taken = merge.merge_updates(tx, By(practice_id, ChangeSource.RESYNC, sync_id=sync_id), news)
            resyncs.count(tx, practice_id, sync_id, _counts(taken, natures))


def apply(tx: Tx, job: Job, row: None, fetched: None) -> Sequence[FollowUp]:
    """Say that it is done, and how much now waits for review."""
    resyncs.finish(tx, job_arg(job, "practice_id"), job_arg(job, "sync_id"))
    return []


def _news(found: ChangedRecord) -> RecordUpdate:
    record = read_record(found.record)
    return RecordUpdate(
        found.client_id, record.uuid, combine_rows(record.relationships), found.as_of, found.content_hash
    )


def _natures(database: Database, practice_id: UUID, directory: Directory, news: Sequence[RecordUpdate]) -> Natures:
    """What the clients, by their ids, and the other sides, by their records' uuids, may be."""
    others = {offer.other_xpm_uuid for item in news for offer in item.offers}
    with database.read() as tx:
        ours = clients.of_ids(tx, {item.client_id for item in news}, practice_id=practice_id)
        theirs = resyncs.records(tx, directory, others)
        words = words_of(tx, practice_id)
    known = {client.id: what_may_be(frozenset({client.kind}), client.entity_type) for client in ours}
    return known | {xpm_uuid: what_is(read_record(record), words) for xpm_uuid, record in theirs.items()}


def _counts(taken: MergeCounts, natures: Natures) -> dict[str, int]:
    conflicts = sum(row["state"] is ReviewState.PENDING and _is_ambiguous(row, natures) for row in taken.touched)
    return {
        "clients": taken.clients,
        "added": taken.added,
        "changed": taken.changed,
        "ended": taken.ended,
        "conflicts": conflicts,
    }


def _is_ambiguous(row: Mapping[str, Any], natures: Natures) -> bool:
    also: Collection[Mapping[str, Any]] = row["also_told"] or ()
    told = [labels.read(label) for label in (row["label"], *(each["label"] for each in also))]
    client, other = (natures.get(row[name], ANYTHING) for name in ("client_id", "other_xpm_uuid"))
    return decide(told, client, other).ambiguity is not None


def page(database: Database, caller: Caller, *, cursor: str | None, limit: int) -> Page[Synced]:
    """Syncs of the caller's practice, the newest first.

    Raises:
        RequestRefused: the cursor is not one of ours.
    """
    after = read_cursor(cursor)
    with database.read() as tx:
        found = resyncs.page(tx, caller.practice_id, after=after, limit=limit + 1)
    return page_of(found, limit, lambda each: (each.sync.started_at, each.sync.id))
