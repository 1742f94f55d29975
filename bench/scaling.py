"""The tables of docs/scaling.md, from what `python -m bench capacity` measured; `python -m bench page` writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.page import table

PARTS = {"workers": "workers", "postgresql": "PostgreSQL", "relay": "relay", "redis": "Redis"}
#: Jobs of a person's import, with the welcome email.
JOBS_OF_AN_IMPORT = 5
DAY_SECONDS = 86_400
#: What a practice is assumed to do, and when.
IMPORTS_A_YEAR = 300 + 10 * 52
WORKING_DAYS, WORKING_SECONDS = 260, 8 * 3_600
IN_USE, SYNC_SECONDS = 0.1, 900
PRACTICES = (1_000, 10_000, 100_000)
#: Cores of PostgreSQL in the example.
EXAMPLE_CORES = 8


def scaling(text: str, figures: Mapping[str, Any]) -> str:
    """The page with its tables written again.

    Args:
        text: the page; a table stands between `<!-- NAME -->` and `<!-- end -->`.
        figures: of the capacity benchmark; milliseconds and kilobytes for each import, sync and idle second.
    """
    for name, block in (("costs", _costs(figures)), ("cores", _cores(figures)), ("practices", _practices(figures))):
        before, start, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        text = before + start + block + end + after
    return text


def _costs(figures: Mapping[str, Any]) -> str:
    """What one piece of work costs each part."""
    works = {
        f"import of a batch ({JOBS_OF_AN_IMPORT} jobs, an email for a person)": figures["an_import"],
        "sync of a directory without changes": figures["a_sync"],
        "second in which there is nothing to do (2 workers, 1 relay)": figures["an_idle_second"],
    }
    titles = ("for each", *(f"{title}, CPU" for title in PARTS.values()), "write-ahead log", "on disk")
    rows = [
        (
            title,
            *(f"{cost[f'{part}_cpu_ms']:g} ms" for part in PARTS),
            *(f"{cost[kind]:g} KB" if cost.get(kind) else "" for kind in ("wal_kb", "disk_kb")),
        )
        for title, cost in works.items()
    ]
    return table(titles, rows)


def _cores(figures: Mapping[str, Any]) -> str:
    """How many imports one core of each part carries, and in which proportion PostgreSQL and workers are used."""
    costs = {part: figures["an_import"][f"{part}_cpu_ms"] for part in PARTS}
    remarks = {"relay": " (one leads)", "redis": " (one thread)"}
    rows: list[Sequence[str]] = []
    for part, cost in costs.items():
        millions_a_day = DAY_SECONDS / cost / 1_000
        rows.append(
            (
                PARTS[part] + remarks.get(part, ""),
                f"1,000 ÷ {cost:g} = {1_000 / cost:,.0f}",
                f"{millions_a_day:,.0f} million imports, {JOBS_OF_AN_IMPORT * millions_a_day:,.0f} million jobs",
            )
        )
    workers = costs["workers"] / costs["postgresql"]
    says = (
        f"For each core of PostgreSQL, {workers:.1f} cores of workers keep it busy. With {EXAMPLE_CORES} cores for "
        f"PostgreSQL\nand {EXAMPLE_CORES * workers:.0f} for workers, the arithmetic gives "
        f"{EXAMPLE_CORES * 1_000 / costs['postgresql']:,.0f} imports a second.\n"
    )
    return table(("part", "imports a second for each core", "what that is a day"), rows) + "\n" + says


def _practices(figures: Mapping[str, Any]) -> str:
    """What so many practices need, with the assumptions above."""
    an_import, a_sync = figures["an_import"], figures["a_sync"]
    rows: list[Sequence[str]] = []
    for practices in PRACTICES:
        a_year = practices * IMPORTS_A_YEAR
        imports = a_year / WORKING_DAYS / WORKING_SECONDS
        syncs = practices * IN_USE / SYNC_SECONDS
        postgresql, workers = (
            (imports * an_import[f"{part}_cpu_ms"] + syncs * a_sync[f"{part}_cpu_ms"]) / 1_000
            for part in ("postgresql", "workers")
        )
        rows.append(
            (
                f"{practices:,}",
                f"{a_year / WORKING_DAYS:,.0f}",
                f"{imports:.2f}",
                f"{syncs:.2f}",
                f"{postgresql:.3f}",
                f"{workers:.3f}",
                f"{a_year * an_import['disk_kb'] / 1e6:,.0f} GB",
            )
        )
    titles = (
        "practices",
        "imports a working day",
        "imports a second",
        "syncs a second",
        "PostgreSQL, cores",
        "workers, cores",
        "disk a year",
    )
    return table(titles, rows)
