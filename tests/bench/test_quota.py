"""The benchmark of the quota does what it measures."""

from __future__ import annotations

from bench import quota


def test_a_practice_costs_one_call_and_records_fetched_one_by_one_a_call_each() -> None:
    found = quota.measure(clients=(3,), calls=20, scale=200)
    assert found["by_clients"]["3"]["xpm_calls"] == 1
    assert found["pacing"].keys() == set(quota.PACERS)
    assert found["pacing"]["ours"]["rejected_429"] == 0
    assert all(paced["calls_sent"] - paced["rejected_429"] == 20 for paced in found["pacing"].values())
