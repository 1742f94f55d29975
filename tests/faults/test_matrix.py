"""The short run of every fault: work is in flight, something breaks, and nothing is lost or done twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.faults.matrix import TRACKS, play, staged_for
from tests.faults.stage import Stage
from tests.servers.availability import required


@pytest.fixture(scope="module")
def stage_of() -> Iterator[Callable[[int], Stage]]:
    """The stage of a track; started at its first use, and kept for the track's other faults, but no longer: its processes
    would take their share of the machine from all other tests."""
    stages: dict[int, Stage] = {}
    with ExitStack() as stack:

        def stage_of(track: int) -> Stage:
            if track not in stages:
                with required():
                    stages[track] = stack.enter_context(staged_for(TRACKS[track], quick=True, seed=track))
            return stages[track]

        yield stage_of


def cases() -> Iterator[Any]:
    """Every fault; a track's faults stay in one process of pytest-xdist, on one stage."""
    for number, track in enumerate(TRACKS):
        for name in track:
            yield pytest.param(number, name, id=name, marks=pytest.mark.xdist_group(f"faults {number}"))


@pytest.mark.parametrize(("track", "name"), list(cases()))
def test_a_fault_costs_no_work(stage_of: Callable[[int], Stage], track: int, name: str, seed: int) -> None:
    verdict = play(stage_of(track), name, seed)
    assert verdict.why_bad == [], verdict
