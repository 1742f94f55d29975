"""The one total table from jobs' states to their import's state, and nothing else.

The jobs of an import are looked at in two groups, spine and branches. Each group is summed up in one word, and the pair
of words has one row in the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from portal_db.states import ImportState, JobState


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
    """How what follows creation stands."""

    ALL_DONE = "all done"
    ACTIVE = "active"
    PARKED = "parked"
    SOME_FAILED = "some failed"


_CLOSED_SPINE = {
    Spine.REJECTED: ImportState.REJECTED,
    Spine.DEAD: ImportState.FAILED,
    Spine.CANCELLED: ImportState.CANCELLED,
}
_OPEN_SPINE = {
    Spine.UNTOUCHED: ImportState.ACCEPTED,
    Spine.ACTIVE: ImportState.IN_PROGRESS,
    Spine.PARKED: ImportState.WAITING,
}
_AFTER_CREATION = {
    Branches.ALL_DONE: ImportState.SUCCEEDED,
    Branches.ACTIVE: ImportState.IN_PROGRESS,
    Branches.PARKED: ImportState.WAITING,
    Branches.SOME_FAILED: ImportState.PARTLY_SUCCEEDED,
}

#: Every pair has a row. Branches only exist once the spine is done, so before that they say nothing.
TABLE: dict[tuple[Spine, Branches], ImportState] = {
    **{(spine, branches): state for spine, state in {**_OPEN_SPINE, **_CLOSED_SPINE}.items() for branches in Branches},
    **{(Spine.DONE, branches): state for branches, state in _AFTER_CREATION.items()},
}


def spine_of(states: Iterable[JobState], *, started: bool) -> Spine:
    """Sum up the spine's jobs. `started`: some job of the import was ever run."""
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
