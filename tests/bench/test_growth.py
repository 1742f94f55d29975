"""The benchmark of growth does what it measures."""

from __future__ import annotations

from bench import growth


def test_finished_jobs_and_practices_are_added_and_every_step_is_measured() -> None:
    found = growth.measure(finished=(0, 100), practices=(10, 12), imports=2, jobs=20, rounds=1)
    assert list(found["ms_by_finished"]) == list(found["imports_per_s_by_finished"]) == ["0", "100"]
    assert set(found["look_ms_by_practices"]) == set(found["look_with_backlog_ms_by_practices"]) == {"10", "12"}
    assert found["ratio"].keys() == {"imports", *found["ms_by_finished"]["0"]}
    assert 0 < found["statements_per_look"] <= 12
    assert set(found["memory_mb"]) == {"10%", "50%", "100%"}
