"""Takes a request into the record: from here on it will reach exactly one closed state (invariant 1).

"Accepted" means committed. The bell is rung after the commit and may fail; the relay rings again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from handlers import refusals
from handlers.access.caller import Caller
from handlers.clients.queries import require
from handlers.imports.request import ImportRequest
from handlers.jobs.enqueue import FollowUp, first_job, later
from handlers.jobs.kinds import JobKind
from handlers.services import Bell
from portal_db.access import people
from portal_db.clients.client_queries import ClientEntry
from portal_db.database import Database, Tx
from portal_db.states import Lane
from portal_db.work import imports, jobs

MAX_BATCH = 5_000
#: Rows per transaction: short enough that heartbeats get through on SQLite.
CHUNK = 200


@dataclass(frozen=True)
class Accepted:
    """A request is in the record. `is_new` is false when the same request had been accepted before."""

    import_id: UUID
    is_new: bool


@dataclass(frozen=True)
class AcceptedBatch:
    """All rows of a batch are in the record, in request order."""

    batch_id: UUID
    import_ids: tuple[UUID, ...]
    is_new: bool


def accept(database: Database, bell: Bell, request: ImportRequest) -> Accepted:
    """Record one request that a person waits for.

    Raises:
        RequestRefused: unknown practice or staff member, or the key was used for something else.
    """
    with database.write() as tx:
        _require_known(tx, request.practice_id, request.requested_by)
        import_id = tx.new_id()
        if not imports.add(tx, _row(import_id, request)):
            return Accepted(_same_request(tx, request), is_new=False)
        job = first_job(tx, import_id, request.practice_id, interactive=True)
        jobs.add(tx, [job], rung=True)
    bell.ring(Lane.INTERACTIVE, [job.id])
    return Accepted(import_id, is_new=True)


def accept_batch(database: Database, key: str, rows: Sequence[ImportRequest]) -> AcceptedBatch:
    """Record a batch; its order decides who gets an email that several rows share (b.10).

    Sent again with the same key and rows, it goes on where it was cut off and doubles nothing.

    Args:
        key: the requester's own key for the batch; rows' own `request_id`s are not used.
        rows: requests of one practice by one staff member.

    Raises:
        RequestRefused: no rows or too many, mixed requesters, unknown practice or staff, or the key was used before.
    """
    _require_one_requester(rows)
    first = rows[0]
    fingerprint = hashlib.sha256("".join(row.fingerprint() for row in rows).encode()).hexdigest()
    with database.write() as tx:
        _require_known(tx, first.practice_id, first.requested_by)
        batch_id, is_new = tx.new_id(), True
        row = {
            "id": batch_id,
            "practice_id": first.practice_id,
            "requested_by": first.requested_by,
            "idempotency_key": key,
            "fingerprint": fingerprint,
            "size": len(rows),
        }
        if not imports.add_batch(tx, row):
            known = imports.batch_by_key(tx, first.practice_id, key)
            if known is None or known.fingerprint != fingerprint:
                raise refusals.IDEMPOTENCY_CONFLICT()
            batch_id, is_new = known.id, False
    for chunk in _in_chunks(rows):
        with database.write() as tx:
            _add_chunk(tx, batch_id, chunk)
    with database.read() as tx:
        return AcceptedBatch(batch_id, tuple(row.id for row in imports.of_batch(tx, batch_id)), is_new)


def _in_chunks(rows: Sequence[ImportRequest]) -> Iterator[list[tuple[int, ImportRequest]]]:
    numbered = list(enumerate(rows))
    return (numbered[start : start + CHUNK] for start in range(0, len(numbered), CHUNK))


def _add_chunk(tx: Tx, batch_id: UUID, chunk: Sequence[tuple[int, ImportRequest]]) -> None:
    rows = [
        _row(tx.new_id(), request)
        | {"idempotency_key": f"batch {batch_id} row {position}", "batch_id": batch_id, "position": position}
        for position, request in chunk
    ]
    new = imports.add_all(tx, rows)
    first_jobs = (
        first_job(tx, row["id"], row["practice_id"], interactive=False, position=row["position"])
        for row in rows
        if row["id"] in new
    )
    jobs.add(tx, list(first_jobs))


def _row(import_id: UUID, request: ImportRequest) -> dict[str, Any]:
    return {
        **request.model_dump(exclude={"request_id"}),
        "id": import_id,
        "idempotency_key": request.request_id,
        "fingerprint": request.fingerprint(),
    }


def _same_request(tx: Tx, request: ImportRequest) -> UUID:
    known = imports.by_key(tx, request.practice_id, request.request_id)
    if known is None or known.fingerprint != request.fingerprint():
        raise refusals.IDEMPOTENCY_CONFLICT()
    return known.id


def _require_known(tx: Tx, practice_id: UUID, staff_id: UUID) -> None:
    if people.get_practice(tx, practice_id) is None:
        raise refusals.UNKNOWN_PRACTICE()
    if people.get_staff(tx, staff_id, practice_id=practice_id) is None:
        raise refusals.UNKNOWN_STAFF(field="requested_by")


def _require_one_requester(rows: Sequence[ImportRequest]) -> None:
    if not rows or len(rows) > MAX_BATCH:
        raise refusals.BAD_BATCH_SIZE(max_rows=MAX_BATCH, count=len(rows))
    if len({(row.practice_id, row.requested_by) for row in rows}) > 1:
        raise refusals.MIXED_BATCH()


def import_items(
    database: Database, bell: Bell, caller: Caller, client_id: UUID, key: str, *, details: bool, relationships: bool
) -> Accepted:
    """Ask for details and relationships of a client that is there already: an import of its own, without a creation.

    Args:
        key: the requester's own key for this request.

    Raises:
        RequestRefused: no such client for them, it is not connected (b.11), nothing is asked for, or the key was used.
    """
    kinds = [
        kind
        for kind, asked in ((JobKind.IMPORT_DETAILS, details), (JobKind.IMPORT_RELATIONSHIPS, relationships))
        if asked
    ]
    if not kinds:
        raise refusals.NOTHING_TO_IMPORT()
    with database.write() as tx:
        row = _items_row(tx, caller, require(tx, caller, client_id), key, details, relationships)
        if not imports.add(tx, row):
            known = imports.by_key(tx, caller.practice_id, key)
            if known is None or known.fingerprint != row["fingerprint"]:
                raise refusals.IDEMPOTENCY_CONFLICT()
            return Accepted(known.id, is_new=False)
        args = {"client_id": str(client_id)}
        new = [later(tx, row["id"], caller.practice_id, FollowUp(kind, args)) for kind in kinds]
        jobs.add(tx, new, rung=True)
    bell.ring(Lane.INTERACTIVE, [job.id for job in new])
    return Accepted(row["id"], is_new=True)


def _items_row(
    tx: Tx, caller: Caller, entry: ClientEntry, key: str, details: bool, relationships: bool
) -> dict[str, Any]:
    if entry.link is None:
        raise refusals.CLIENT_NOT_CONNECTED()
    request = ImportRequest(
        practice_id=caller.practice_id,
        requested_by=caller.staff_id,
        request_id=key,
        xpm_uuid=entry.link.xpm_uuid,
        kind=entry.client.kind,
        bring_details=details,
        bring_relationships=relationships,
    )
    return {
        **request.model_dump(exclude={"request_id"}),
        "id": tx.new_id(),
        "idempotency_key": key,
        # Never that of a request to create a client from the same record.
        "fingerprint": f"{entry.client.id.hex}{request.fingerprint()[:32]}",
        "client_id": entry.client.id,
    }
