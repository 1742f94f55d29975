"""Accepts import requests: single ones, batches, and further items for an existing client.

"Accepted" means committed: from here on an import reaches exactly one closed state (invariant 1). The bell is rung after
the commit and may fail; the relay rings again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from config import spans
from handlers import refusals
from handlers.access.act import Actor
from handlers.access.caller import Caller
from handlers.access.practices import require_practice
from handlers.clients.queries import require_current_client
from handlers.imports.request import ImportRequest
from handlers.jobs.enqueue import VALIDATION, FollowUp, import_job
from handlers.jobs.kinds import JobKind
from handlers.services import Bell
from portal_db import audit
from portal_db.access import people
from portal_db.database import Database, Tx
from portal_db.states import Lane
from portal_db.work import imports, jobs

MAX_BATCH = 5_000
#: Rows per transaction: few, so that heartbeats get through on SQLite, and the first are begun while others are recorded.
CHUNK = 100


@dataclass(frozen=True)
class Accepted:
    """A recorded request. `is_new` is false if the same request had been accepted before."""

    import_id: UUID
    is_new: bool


@dataclass(frozen=True)
class AcceptedBatch:
    """A batch with all its rows recorded, in request order."""

    batch_id: UUID
    import_ids: tuple[UUID, ...]
    is_new: bool


def accept(database: Database, bell: Bell, request: ImportRequest) -> Accepted:
    """Record one request that a person waits for.

    Raises:
        RequestRefused: unknown practice or staff member, or the key was used for something else.
    """
    with database.write() as tx:
        _require_requester(tx, request)
        accepted = _add_once(tx, _row(tx, request))
        if not accepted.is_new:
            return accepted
        _note_program(tx, "import", accepted.import_id, request.practice_id, request.requested_by)
        job = import_job(tx, VALIDATION, accepted.import_id, request.practice_id, interactive=True)
        jobs.add(tx, [job], rung=True)
    bell.ring(Lane.INTERACTIVE, [job.id])
    return accepted


def accept_batch(database: Database, bell: Bell, key: str, rows: Sequence[ImportRequest]) -> AcceptedBatch:
    """Record a batch; its order decides who gets an email address that several rows share (b.10).

    The same key and rows again resume where an earlier call was cut off and add nothing twice.

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
        _require_requester(tx, first)
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
        else:
            _note_program(tx, "batch", batch_id, first.practice_id, first.requested_by)
    for start in range(0, len(rows), CHUNK):
        with database.write() as tx:
            _add_chunk(tx, batch_id, start, rows[start : start + CHUNK])
        bell.wake_relay()  # workers begin with these while the others are recorded
    with database.read() as tx:
        return AcceptedBatch(batch_id, tuple(row.id for row in imports.of_batch(tx, batch_id)), is_new)


def import_items(
    database: Database, bell: Bell, caller: Caller, client_id: UUID, key: str, *, details: bool, relationships: bool
) -> Accepted:
    """Request the details and relationships of an existing client: an import that creates nothing.

    Args:
        key: the requester's own key for this request.

    Raises:
        RequestRefused: the client is not found or not visible to them, or not connected (b.11); nothing was ticked; or
            the key was used for something else.
    """
    ticked = ((JobKind.IMPORT_DETAILS, details), (JobKind.IMPORT_RELATIONSHIPS, relationships))
    args = {"client_id": str(client_id)}
    follow_ups = [FollowUp(kind, args) for kind, is_ticked in ticked if is_ticked]
    if not follow_ups:
        raise refusals.NOTHING_TO_IMPORT()
    with database.write() as tx:
        entry = require_current_client(tx, caller, client_id)
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
        # Never the fingerprint of a request to create a client from the same record.
        fingerprint = f"{client_id.hex}{request.fingerprint()[:32]}"
        accepted = _add_once(tx, {**_row(tx, request), "fingerprint": fingerprint, "client_id": client_id})
        if not accepted.is_new:
            return accepted
        _note_program(tx, "import", accepted.import_id, caller.practice_id, caller.staff_id)
        new = [import_job(tx, each, accepted.import_id, caller.practice_id, interactive=True) for each in follow_ups]
        jobs.add(tx, new, rung=True)
    bell.ring(Lane.INTERACTIVE, [job.id for job in new])
    return accepted


def _note_program(tx: Tx, subject: str, subject_id: UUID, practice_id: UUID, staff_id: UUID) -> None:
    """Record a request by a program: the import itself names only the person whom the program acts for."""
    if audit.VIA_KEY.get() is not None:
        Actor.of(staff_id).audit(tx, f"{subject}.request", subject, subject_id, practice_id)


def _row(tx: Tx, request: ImportRequest) -> dict[str, Any]:
    return {
        **request.model_dump(exclude={"request_id"}),
        "id": tx.new_id(),
        "idempotency_key": request.request_id,
        "fingerprint": request.fingerprint(),
    }


def _add_once(tx: Tx, row: dict[str, Any]) -> Accepted:
    """Insert an import, or find the one that the same request created before."""
    if imports.add(tx, row):
        return Accepted(row["id"], is_new=True)
    known = imports.by_key(tx, row["practice_id"], row["idempotency_key"])
    if known is None or known.fingerprint != row["fingerprint"]:
        raise refusals.IDEMPOTENCY_CONFLICT()
    return Accepted(known.id, is_new=False)


def _add_chunk(tx: Tx, batch_id: UUID, start: int, requests: Sequence[ImportRequest]) -> None:
    rows = [
        _row(tx, request)
        | {"idempotency_key": f"batch {batch_id} row {position}", "batch_id": batch_id, "position": position}
        for position, request in enumerate(requests, start)
    ]
    new = imports.add_all(tx, rows)
    first_jobs = [
        import_job(
            tx,
            VALIDATION,
            row["id"],
            row["practice_id"],
            interactive=False,
            position=row["position"],
            trace=spans.new_trace("import of a batch"),
        )
        for row in rows
        if row["id"] in new
    ]
    jobs.add(tx, first_jobs)


def _require_requester(tx: Tx, request: ImportRequest) -> None:
    if people.get_staff(tx, request.requested_by, practice_id=request.practice_id) is None:
        require_practice(tx, request.practice_id)
        raise refusals.UNKNOWN_STAFF(field="requested_by")


def _require_one_requester(rows: Sequence[ImportRequest]) -> None:
    if not rows or len(rows) > MAX_BATCH:
        raise refusals.BAD_BATCH_SIZE(max_rows=MAX_BATCH, count=len(rows))
    if len({(row.practice_id, row.requested_by) for row in rows}) > 1:
        raise refusals.MIXED_BATCH()
