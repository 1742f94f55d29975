"""Builds the jobs to enqueue: lane, deadline, and the dedupe key that makes a second insert of the same work a no-op."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from config import spans, tracing
from handlers.jobs.kinds import KINDS, JobKind
from portal_db.database import Tx
from portal_db.tables import Import, Job
from portal_db.work import jobs
from portal_db.work.jobs import NewJob


@dataclass(frozen=True)
class FollowUp:
    """The next job of the same import; or, with a `dedupe_key`, a standalone job of any practice."""

    kind: str
    args: dict[str, str] = field(default_factory=dict)
    in_batch_order: bool = False
    dedupe_key: str | None = None
    practice_id: UUID | None = None


def digest_of(key: str) -> str:
    """A requester's own key as a dedupe key holds it: of one length, whatever they wrote."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


#: The first job of an import that creates a client.
VALIDATION = FollowUp(JobKind.VALIDATE_IMPORT)


def import_job(
    tx: Tx,
    follow_up: FollowUp,
    import_id: UUID | None,
    practice_id: UUID,
    *,
    interactive: bool,
    epoch: int = 1,
    position: int = 0,
    dedupe_key: str | None = None,
    asked_at: datetime | None = None,
    trace: str | None = None,
) -> NewJob:
    """A job of an import.

    Args:
        interactive: a person is waiting for it.
        dedupe_key: by default one job of each kind per epoch.
        trace: the `traceparent` that it belongs to; by default that of the present request.
    """
    kind = KINDS[follow_up.kind]
    return NewJob(
        id=tx.new_id(),
        practice_id=practice_id,
        import_id=import_id,
        epoch=epoch,
        kind=kind.name,
        lane=kind.lane_for(interactive=interactive),
        interactive=interactive,
        args=dict(follow_up.args),
        dedupe_key=dedupe_key or f"{import_id}:{epoch}:{kind.name}",
        deadline_seconds=kind.deadline_seconds,
        in_batch_order=follow_up.in_batch_order,
        position=position,
        asked_at=asked_at,
        trace_context=trace or tracing.current(),
    )


def follow_up_job(tx: Tx, parent: Job, follow_up: FollowUp) -> NewJob:
    """A job that a finished one requests: of the same import and epoch, or standalone."""
    if follow_up.dedupe_key is not None:
        practice_id = follow_up.practice_id or parent.practice_id
        return standalone_job(tx, follow_up.kind, practice_id, follow_up.args, dedupe_key=follow_up.dedupe_key)
    return import_job(
        tx,
        follow_up,
        parent.import_id,
        parent.practice_id,
        interactive=parent.interactive,
        epoch=parent.epoch,
        position=parent.position,
        asked_at=parent.asked_at,
        trace=parent.trace_context,
    )


def trace_of_epoch(earlier: Sequence[Job], epoch: int) -> str:
    """The trace of an import's epoch: that of its jobs. A new epoch begins one, linked to that of the epoch before.

    Args:
        earlier: jobs of the import, oldest first.
    """
    traces = [job.trace_context for job in earlier if job.epoch == epoch]
    if traces and traces[-1] is not None:
        return traces[-1]
    return spans.new_trace("import again", *(job.trace_context for job in earlier[-1:]))


def missing_job(tx: Tx, row: Import, follow_up: FollowUp, earlier: Sequence[Job]) -> NewJob:
    """A job that an import lacks, as the import itself would have enqueued it. A person waits for it outside a batch.

    Args:
        earlier: the import's other jobs.
    """
    return import_job(
        tx,
        follow_up,
        row.id,
        row.practice_id,
        interactive=row.batch_id is None,
        epoch=row.epoch,
        position=row.position or 0,
        asked_at=row.created_at,
        trace=trace_of_epoch(earlier, row.epoch),
    )


def standalone_job(tx: Tx, kind: str, practice_id: UUID, args: dict[str, str], *, dedupe_key: str) -> NewJob:
    """A job that belongs to no import. The relay rings it."""
    return import_job(tx, FollowUp(kind, args), None, practice_id, interactive=False, dedupe_key=dedupe_key)


def add_job_of(tx: Tx, kind: str, practice_id: UUID, **row: UUID) -> NewJob:
    """Insert the one standalone job of this kind about a row; `row`: its id, by the name of the job's argument."""
    [(name, row_id)] = row.items()
    job = standalone_job(tx, kind, practice_id, {name: str(row_id)}, dedupe_key=f"{kind}:{row_id}")
    jobs.add(tx, [job])
    return job
