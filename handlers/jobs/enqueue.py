"""Turns what is to be done next into jobs: lane, deadline and the key that makes doing it twice impossible."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from uuid import UUID

from handlers.jobs.kinds import KINDS, JobKind
from portal_db.database import Tx
from portal_db.tables import Import, Job
from portal_db.work.jobs import NewJob


@dataclass(frozen=True)
class FollowUp:
    """A job to be done next for the same import; or, with a `dedupe_key`, a standalone one of any practice."""

    kind: str
    args: dict[str, str] = field(default_factory=dict)
    in_batch_order: bool = False
    dedupe_key: str | None = None
    practice_id: UUID | None = None


def first_job(
    tx: Tx, import_id: UUID, practice_id: UUID, *, interactive: bool, epoch: int = 1, position: int = 0
) -> NewJob:
    """The job an import starts with."""
    return _job(tx, FollowUp(JobKind.VALIDATE_IMPORT), import_id, practice_id, epoch, interactive, position)


def later(tx: Tx, import_id: UUID, practice_id: UUID, follow_up: FollowUp) -> NewJob:
    """A job that an import of a client who is there already starts with; somebody waits for it."""
    return _job(tx, follow_up, import_id, practice_id, 1, True, 0)


def following(tx: Tx, parent: Job, follow_up: FollowUp) -> NewJob:
    """A job that a finished one asks for, of the same import and epoch, or a standalone one."""
    if follow_up.dedupe_key is not None:
        practice_id = follow_up.practice_id or parent.practice_id
        return standalone(tx, follow_up.kind, practice_id, dict(follow_up.args), dedupe_key=follow_up.dedupe_key)
    job = _job(tx, follow_up, parent.import_id, parent.practice_id, parent.epoch, parent.interactive, parent.position)
    return replace(job, asked_at=parent.asked_at)


def remade(tx: Tx, row: Import, follow_up: FollowUp) -> NewJob:
    """A job that an import lacks, as it would have been made; imports of no batch are those somebody waits for."""
    job = _job(tx, follow_up, row.id, row.practice_id, row.epoch, row.batch_id is None, row.position or 0)
    return replace(job, asked_at=row.created_at)


def standalone(tx: Tx, kind_name: str, practice_id: UUID, args: dict[str, str], *, dedupe_key: str) -> NewJob:
    """A job that belongs to no import. The relay rings it."""
    kind = KINDS[kind_name]
    return NewJob(
        id=tx.new_id(),
        practice_id=practice_id,
        import_id=None,
        epoch=1,
        kind=kind.name,
        lane=kind.lane_for(interactive=False),
        interactive=False,
        args=args,
        dedupe_key=dedupe_key,
        deadline_seconds=kind.deadline_seconds,
    )


def _job(
    tx: Tx,
    wanted: FollowUp,
    import_id: UUID | None,
    practice_id: UUID,
    epoch: int,
    interactive: bool,
    position: int,
) -> NewJob:
    kind = KINDS[wanted.kind]
    return NewJob(
        id=tx.new_id(),
        practice_id=practice_id,
        import_id=import_id,
        epoch=epoch,
        kind=kind.name,
        lane=kind.lane_for(interactive=interactive),
        interactive=interactive,
        args=dict(wanted.args),
        dedupe_key=f"{import_id}:{epoch}:{kind.name}",
        deadline_seconds=kind.deadline_seconds,
        in_batch_order=wanted.in_batch_order,
        position=position,
    )
