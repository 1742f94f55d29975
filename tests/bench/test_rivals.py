"""The comparison with other queues does what it measures, and all sides leave the same rows."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from bench.rivals import compare
from bench.rivals.compare import Sizes
from bench.rivals.stage import SIDES, Run, Stage, staged

#: The stage is made once for all tests.
pytestmark = pytest.mark.xdist_group("rivals")

TINY = Sizes(singles=2, imports=6, backlog=6, limit=60)
#: Tables of ours that hold the queue itself: a rival keeps its jobs elsewhere.
QUEUE = {"jobs", "job_attempts", "leaders", "schedules", "workers", "worker_kinds"}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged(people=5, records=12) as made:
        yield made


@pytest.fixture(scope="module")
def rows_of_ours(stage: Stage) -> dict[str, int]:
    with stage.run(SIDES["ours"], workers=1) as run:
        return imported(run)


def imported(run: Run) -> dict[str, int]:
    """The rows that a batch and a single import leave."""
    batch, _ = run.request(run.stage.records)
    alone, _ = run.request(run.stage.people[:1])
    assert run.wait([*batch, *alone], time.time() + 90), f"{run.open_imports(batch)} of a batch are open"
    assert run.started_at(alone[0], time.time() + 1) < time.time()
    found = run.rows()
    assert len(run.emails()) == len(set(run.emails())) == found["welcome_emails"]
    return {table: count for table, count in found.items() if table not in QUEUE}


@pytest.mark.parametrize("side", ["dramatiq", "celery", "procrastinate"])
def test_a_rival_leaves_the_rows_that_ours_leaves(stage: Stage, rows_of_ours: dict[str, int], side: str) -> None:
    with stage.run(SIDES[side], workers=1) as run:
        assert imported(run) == rows_of_ours


@pytest.mark.parametrize("part", compare.PARTS)
def test_each_part_measures_what_it_says(stage: Stage, part: str) -> None:
    found = compare.measure_on(stage, TINY, rounds=1, parts=(part,), sides=("ours",), seed=1)[part]["ours"]
    expected = {
        "idle": {"pickup_ms", "import_ms"},
        "batch": {"imports_per_s_1", "imports_per_s_2"},
        "busy": {"start_p95_ms_same_practice", "start_p95_ms_other_practice"},
        "recovery": {"seconds"},
    }
    assert all(found[name] is None or found[name] > 0 for name in expected[part])
    assert found.get("left_2", 0) == found.get("unfinished", 0) == found.get("doubled_emails", 0) == 0
