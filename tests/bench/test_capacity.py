"""The measurement behind docs/scaling.md does what it measures."""

from __future__ import annotations

from bench import capacity


def test_an_import_and_a_sync_have_a_cost_in_each_part() -> None:
    found = capacity.measure(imports=20, syncs=2, idle_seconds=0.5)
    an_import, a_sync = found["an_import"], found["a_sync"]
    assert an_import.keys() == a_sync.keys() > found["an_idle_second"].keys()
    assert all(an_import[part] > 0 for part in ("workers_cpu_ms", "postgresql_cpu_ms"))
    assert found["connections"] > 0
