"""The measurement of the operators' console does what it measures."""

from __future__ import annotations

import pytest

from bench import console


@pytest.mark.timeout(400)  # many processes: on a busy machine they take their time to start
def test_every_page_and_a_scrape_are_read_beside_imports() -> None:
    found = console.measure(finished=100, dead=20, open=30, imports=4, samples=2, rounds=0)
    assert found["p95_ms"].keys() == console.PAGES.keys()
    assert all(each > 0 for each in (*found["p95_ms"].values(), found["scrape_p95_ms"]))
