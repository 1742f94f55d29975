"""The benchmark of the re-sync does what it measures."""

from __future__ import annotations

from bench import resync


def test_a_small_practice_is_synced_by_one_call_and_a_few_changes_touch_only_those() -> None:
    found = resync.measure(clients=60, relationships=160)
    assert (found["items"], found["xpm_calls"]) == (160, 1)
    few = found["incremental"]
    assert (few["clients"], few["changed"], few["history"], few["xpm_calls"]) == (50, 50, 50, 1)
    assert few["statements"] < 60
