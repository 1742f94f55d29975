"""The benchmark of latency does what it measures."""

from __future__ import annotations

from bench import latency


def test_messages_are_picked_up_and_imports_close() -> None:
    found = latency.measure(rounds=2)
    assert found["pickup_ms"]["p50"] > 0
    assert found["import_ms"]["p50"] > 0
    assert 0 < found["statements_per_import"] <= 40
