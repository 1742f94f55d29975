"""docs/benchmarks.md and the tables of docs/scaling.md say what bench/results has, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.page import DOCS, page
from bench.plots import draw
from bench.results import Result, load
from bench.scaling import scaling


def compared(**ours: float | None) -> dict[str, Result]:
    """Results of one part: ours against a rival that has 10 everywhere."""
    sides = {"ours": ours, "celery": dict.fromkeys(ours, 10)}
    return {"rivals-idle": Result({"idle": sides, "rounds": 1, "singles": 1, "limit": 9}, {"date": "2026-11-27"})}


def test_the_page_is_written_from_the_results_at_hand() -> None:
    results = load()
    assert results
    assert (DOCS / "benchmarks.md").read_text() == page(results), "write it again: python -m bench page"


def test_the_tables_about_scaling_follow_from_what_was_measured() -> None:
    text = (DOCS / "scaling.md").read_text()
    figures = load()["capacity"].figures
    assert text == scaling(text, figures), "write it again: python -m bench page"
    # Given an import that costs PostgreSQL 4 ms, then its core carries 250 a second
    costly = {**figures, "an_import": {**figures["an_import"], "postgresql_cpu_ms": 4.0}}
    assert "| PostgreSQL | 1,000 ÷ 4 = 250 |" in scaling(text, costly)


def test_every_plot_of_the_page_is_drawn(tmp_path: Path) -> None:
    results = load()
    draw(results, tmp_path)
    shown = set(re.findall(r"\(images/(bench-\w+\.svg)\)", page(results)))
    assert {path.name for path in tmp_path.iterdir()} == shown
    assert all((DOCS / "images" / name).is_file() for name in shown)


@pytest.mark.parametrize(("ours", "says"), [(12, "ours has 12, celery 10"), (None, "ours was not through")])
def test_the_page_says_by_how_much_ours_is_behind(ours: float | None, says: str) -> None:
    assert says in page(compared(pickup_ms=ours))


def test_where_ours_is_first_the_page_gives_no_reason() -> None:
    assert "not first" not in page(compared(pickup_ms=9, import_ms=10))
