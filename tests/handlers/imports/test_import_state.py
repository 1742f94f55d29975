"""The table from jobs' states to their import's: total, and right in every row."""

from __future__ import annotations

from itertools import chain, combinations

import pytest

from handlers.imports.settle import TABLE, Branches, Spine, branches_of, spine_of
from handlers.jobs.kinds import KINDS, Part
from portal_db.states import OPEN_IMPORT_STATES, OPEN_JOB_STATES, ImportState, JobState

Q, R, W = JobState.QUEUED, JobState.RUNNING, JobState.WAITING
OK, NO, DEAD = JobState.SUCCEEDED, JobState.REJECTED, JobState.DEAD
GONE, DISMISSED = JobState.CANCELLED, JobState.DISMISSED

EXPECTED = {
    Spine.UNTOUCHED: dict.fromkeys(Branches, ImportState.ACCEPTED),
    Spine.ACTIVE: dict.fromkeys(Branches, ImportState.IN_PROGRESS),
    Spine.PARKED: dict.fromkeys(Branches, ImportState.WAITING),
    Spine.REJECTED: dict.fromkeys(Branches, ImportState.REJECTED),
    Spine.DEAD: dict.fromkeys(Branches, ImportState.FAILED),
    Spine.CANCELLED: dict.fromkeys(Branches, ImportState.CANCELLED),
    Spine.DONE: {
        Branches.ALL_DONE: ImportState.SUCCEEDED,
        Branches.ACTIVE: ImportState.IN_PROGRESS,
        Branches.PARKED: ImportState.WAITING,
        Branches.SOME_FAILED: ImportState.PARTLY_SUCCEEDED,
    },
}
PAIRS = [(spine, branches) for spine in Spine for branches in Branches]


@pytest.mark.parametrize(("spine", "branches"), PAIRS, ids=str)
def test_every_row(spine: Spine, branches: Branches) -> None:
    assert TABLE[spine, branches] is EXPECTED[spine][branches]


def test_the_table_has_no_other_row_and_reaches_every_state() -> None:
    assert set(TABLE) == set(PAIRS)
    assert set(TABLE.values()) == set(ImportState)


@pytest.mark.parametrize(
    ("states", "started", "expected"),
    [
        ([Q], False, Spine.UNTOUCHED),
        ([Q], True, Spine.ACTIVE),
        ([R], True, Spine.ACTIVE),
        ([W], True, Spine.PARKED),
        ([OK, Q], True, Spine.ACTIVE),
        ([OK, R], True, Spine.ACTIVE),
        ([OK, W], True, Spine.PARKED),
        ([OK, OK], True, Spine.DONE),
        ([NO], True, Spine.REJECTED),
        ([OK, NO], True, Spine.REJECTED),
        ([DEAD], True, Spine.DEAD),
        ([OK, DEAD], True, Spine.DEAD),
        ([GONE], False, Spine.CANCELLED),
        ([OK, GONE], True, Spine.CANCELLED),
        ([DISMISSED], True, Spine.CANCELLED),
        ([OK, DISMISSED], True, Spine.CANCELLED),
    ],
)
def test_how_validation_and_creation_are_summed_up(states: list[JobState], started: bool, expected: Spine) -> None:
    assert spine_of(states, started=started) is expected
    assert spine_of(reversed(states), started=started) is expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], Branches.ALL_DONE),
        ([OK, OK, OK], Branches.ALL_DONE),
        ([OK, Q], Branches.ACTIVE),
        ([DEAD, R], Branches.ACTIVE),
        ([W, Q], Branches.ACTIVE),
        ([OK, W], Branches.PARKED),
        ([NO, W], Branches.PARKED),
        ([OK, NO], Branches.SOME_FAILED),
        ([OK, DEAD], Branches.SOME_FAILED),
        ([OK, GONE], Branches.SOME_FAILED),
        ([OK, DISMISSED], Branches.SOME_FAILED),
    ],
)
def test_how_what_follows_is_summed_up(states: list[JobState], expected: Branches) -> None:
    assert branches_of(states) is expected
    assert branches_of(reversed(states)) is expected


def test_an_import_is_open_exactly_while_a_job_of_it_is() -> None:
    """Invariant 1, over every combination of job states: never closed with work left, never open with none."""
    combos = list(chain.from_iterable(combinations(JobState, size) for size in range(1, 4)))
    for spine in combos:
        for branches in [(), *combos]:
            if branches and set(spine) != {OK}:
                continue  # branches exist only once the spine is done
            state = TABLE[spine_of(spine, started=True), branches_of(branches)]
            has_work = bool(OPEN_JOB_STATES & {*spine, *branches})
            assert (state in OPEN_IMPORT_STATES) is has_work, (spine, branches, state)


def test_which_jobs_a_client_depends_on() -> None:
    spine = {kind.name for kind in KINDS.values() if kind.part is Part.SPINE}
    assert spine == {"validate_import", "create_client", "create_entity"}
