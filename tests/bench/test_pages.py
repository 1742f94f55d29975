"""The benchmark of pages opens what it names."""

from __future__ import annotations

from bench import pages


def test_every_page_is_opened_and_measured() -> None:
    found = pages.measure(clients=20, samples=2)
    assert found["pages"].keys() == pages.PAGES.keys() | pages.ADMIN.keys()
    assert found["clients"] > 0
    assert found["p95_ms"] == found["pages"][found["slowest"]]["p95_ms"] > 0
