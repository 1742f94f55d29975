"""The measurement of the operators' console does what it measures."""

from __future__ import annotations

import pytest

from bench import console


def test_every_page_and_a_scrape_are_read_beside_imports() -> None:
    found = console.measure(finished=100, dead=20, open=30, imports=4, samples=2, rounds=1)
    assert found["p95_ms"].keys() == console.PAGES.keys()
    assert all(each > 0 for each in (*found["p95_ms"].values(), found["scrape_p95_ms"]))
    assert found["ratios"]["lowest"] > 0
    share = found["cpu_share_percent"]
    assert 0 <= share["console"] < share["both"] < 100  # so few imports may take the console less than a tick
    assert found["throughput_kept_percent"] == pytest.approx(100 - share["both"], abs=0.01)
