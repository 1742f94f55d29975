"""Brings an import's state in line with its jobs, in the transaction that changed one of them.

The caller has locked the import row, so that of two last jobs finishing at once each sees the other's end.
"""

from __future__ import annotations

from handlers import announce_close
from handlers.flow import Part
from handlers.import_state import TABLE, branches_of, spine_of
from handlers.kinds import KINDS
from portal_db import imports, jobs
from portal_db.database import Tx
from portal_db.imports import Outcome
from portal_db.states import ImportState, JobState
from portal_db.tables import Import, Job

VALIDATE = "validate_import"
_FAILED = (JobState.DEAD, JobState.REJECTED, JobState.CANCELLED, JobState.DISMISSED)


def settle(tx: Tx, row: Import) -> ImportState:
    """Write the state that a locked import's jobs add up to; a close says why.

    Returns:
        The state the import is in now.
    """
    state, outcome = verdict(tx, row)
    if imports.set_state(tx, row, state, outcome) and not state.is_open:
        announce_close.announce(tx, row, outcome)
    return state


def verdict(tx: Tx, row: Import) -> tuple[ImportState, Outcome | None]:
    """The state that an import's jobs add up to, and why if that is a close."""
    latest = latest_of_each_kind(jobs.of_import(tx, row.id))
    spine = [job for job in latest if _is_spine(job)]
    branches = [job for job in latest if not _is_spine(job)]
    started = any(job.started_at is not None for job in latest)
    state = TABLE[spine_of((job.state for job in spine), started=started), branches_of(job.state for job in branches)]
    return state, None if state.is_open else _why(state, spine, branches)


def _is_spine(job: Job) -> bool:
    kind = KINDS.get(job.kind)
    return kind is not None and kind.part is Part.SPINE


def latest_of_each_kind(all_jobs: list[Job]) -> list[Job]:
    """A later epoch's job of a kind stands in for the earlier one, and its newest validation begins the spine anew: an
    amended import is judged by its new run only."""
    newest: dict[str, Job] = {}
    for job in all_jobs:
        if job.kind not in newest or job.epoch >= newest[job.kind].epoch:
            newest[job.kind] = job
    begun = newest[VALIDATE].epoch if VALIDATE in newest else 0
    return [job for job in newest.values() if not _is_spine(job) or job.epoch >= begun]


def _why(state: ImportState, spine: list[Job], branches: list[Job]) -> Outcome | None:
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
