"""Sets an import's state from its jobs' states, in the transaction that changed one of them.

The caller has locked the import row, so that of two last jobs that finish at once the second sees the first one's end.
`TABLE` gives the state for every combination of the spine (validation, creation) and the branches (what follows it).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from config import metrics
from handlers.jobs.kinds import JobKind, Part, part_of
from handlers.webhooks import announce
from portal_db.database import Tx
from portal_db.states import ClientKind, ImportState, JobState
from portal_db.tables import Import, Job
from portal_db.work import imports, jobs
from portal_db.work.imports import Move, Outcome
from portal_db.work.jobs import Standing

#: Jobs, or as much of them as an import's state depends on.
J = TypeVar("J", Job, Standing)

_FAILED = (JobState.DEAD, JobState.REJECTED, JobState.CANCELLED, JobState.DISMISSED)


def settle(tx: Tx, row: Import) -> ImportState:
    """`settle_all` for one import. Returns the state."""
    return settle_all(tx, [row])[row.id]


def settle_all(
    tx: Tx, rows: Collection[Import], *, running: Collection[UUID] = (), succeeded: Collection[UUID] = ()
) -> dict[UUID, ImportState]:
    """Write the states of locked imports of one practice, and the reasons of those that close.

    Args:
        running: imports that are in progress, since a job of their spine runs, or one of their branches after the spine was
            done: their other jobs need not be read.
        succeeded: jobs that have just ended so in this transaction (`jobs.standings`).

    Returns:
        The states, by import.
    """
    found = jobs.standings(tx, [row.id for row in rows if row.id not in running], succeeded=succeeded)
    moves: list[Move] = [
        (row, *decide_state(found[row.id])) if row.id in found else (row, ImportState.IN_PROGRESS, None) for row in rows
    ]
    closing = [move for move in imports.set_states(tx, moves) if not move[1].is_open]
    announce.announce(tx, [(row, outcome) for row, _, outcome in closing])
    if closing:
        ages = [(row.kind, state, tx.sources.now() - row.epoch_started_at) for row, state, _ in closing]
        tx.after_commit(lambda: _measure(ages))
    return {row.id: state for row, state, _ in moves}


def _measure(ages: Iterable[tuple[ClientKind, ImportState, timedelta]]) -> None:
    for kind, state, age in ages:
        metrics.IMPORT_DURATION.labels(kind.value, state.value).observe(max(0.0, age.total_seconds()))


def decide_state(all_jobs: Sequence[J]) -> tuple[ImportState, Outcome | None]:
    """The state that follows from an import's jobs, and the reason if it is a closed one."""
    latest = latest_per_kind(all_jobs)
    spine = [job for job in latest if _is_spine(job)]
    branches = [job for job in latest if not _is_spine(job)]
    started = any(job.started_at is not None for job in latest)
    state = TABLE[spine_of((job.state for job in spine), started=started), branches_of(job.state for job in branches)]
    return state, None if state.is_open else _why(state, spine, branches)


def _is_spine(job: Job | Standing) -> bool:
    return part_of(job.kind) is Part.SPINE


def latest_per_kind(all_jobs: Sequence[J]) -> list[J]:
    """The newest job of each kind, by epoch. Jobs of the spine from before the newest validation do not count: only the
    new run decides about an amended import."""
    newest: dict[str, J] = {}
    for job in all_jobs:
        if job.kind not in newest or job.epoch >= newest[job.kind].epoch:
            newest[job.kind] = job
    begun = newest[JobKind.VALIDATE_IMPORT].epoch if JobKind.VALIDATE_IMPORT in newest else 0
    return [job for job in newest.values() if not _is_spine(job) or job.epoch >= begun]


def _why(state: ImportState, spine: list[J], branches: list[J]) -> Outcome | None:
    if state is ImportState.SUCCEEDED:
        return None
    if state is ImportState.CANCELLED:
        return Outcome("cancelled", "The import was cancelled before anything was created.")
    group = branches if state is ImportState.PARTLY_SUCCEEDED else spine
    for wanted in _FAILED:
        for job in group:
            if job.state is wanted and job.error_code is not None:
                return Outcome(job.error_code, job.error_message or "", job.error_action, job.error_field)
    return Outcome("cancelled", "The rest of the import was cancelled; what was created stays.")


class Spine(StrEnum):
    """How far validation and creation have come."""

    UNTOUCHED = "untouched"
    ACTIVE = "active"
    PARKED = "parked"
    DONE = "done"
    REJECTED = "rejected"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Branches(StrEnum):
    """How far details, relationships and the welcome email have come."""

    ALL_DONE = "all done"
    ACTIVE = "active"
    PARKED = "parked"
    SOME_FAILED = "some failed"


_BEFORE_CREATION = {
    Spine.UNTOUCHED: ImportState.ACCEPTED,
    Spine.ACTIVE: ImportState.IN_PROGRESS,
    Spine.PARKED: ImportState.WAITING,
    Spine.REJECTED: ImportState.REJECTED,
    Spine.DEAD: ImportState.FAILED,
    Spine.CANCELLED: ImportState.CANCELLED,
}
_AFTER_CREATION = {
    Branches.ALL_DONE: ImportState.SUCCEEDED,
    Branches.ACTIVE: ImportState.IN_PROGRESS,
    Branches.PARKED: ImportState.WAITING,
    Branches.SOME_FAILED: ImportState.PARTLY_SUCCEEDED,
}

#: Every pair has an entry. Branches exist only once the spine is done, so until then they do not matter.
TABLE: dict[tuple[Spine, Branches], ImportState] = {
    **{(spine, branches): state for spine, state in _BEFORE_CREATION.items() for branches in Branches},
    **{(Spine.DONE, branches): state for branches, state in _AFTER_CREATION.items()},
}


def spine_of(states: Iterable[JobState], *, started: bool) -> Spine:
    """Sum up the spine's jobs. `started`: a job of the import has run."""
    found = set(states)
    if JobState.RUNNING in found:
        return Spine.ACTIVE
    if JobState.QUEUED in found:
        return Spine.ACTIVE if started else Spine.UNTOUCHED
    if JobState.WAITING in found:
        return Spine.PARKED
    if JobState.DEAD in found:
        return Spine.DEAD
    if JobState.REJECTED in found:
        return Spine.REJECTED
    if found & {JobState.CANCELLED, JobState.DISMISSED}:
        return Spine.CANCELLED
    return Spine.DONE


def branches_of(states: Iterable[JobState]) -> Branches:
    """Sum up the branches' jobs."""
    found = set(states)
    if found & {JobState.RUNNING, JobState.QUEUED}:
        return Branches.ACTIVE
    if JobState.WAITING in found:
        return Branches.PARKED
    if found - {JobState.SUCCEEDED}:
        return Branches.SOME_FAILED
    return Branches.ALL_DONE
