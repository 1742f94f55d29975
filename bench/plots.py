"""The plots of docs/benchmarks.md, as SVG. The same results give the same files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.results import Result

_COLOURS = {"ours": "#0b6e4f", "dramatiq": "#9aa5b1", "celery": "#7b8794", "procrastinate": "#cbd2d9"}
_WIDTH, _HEIGHT = 7.5, 3.0


def draw(results: Mapping[str, Result], folder: Path) -> None:
    """Draw every plot whose results are at hand."""
    mpl.rcParams |= {"svg.hashsalt": "portal-sync", "svg.fonttype": "none", "font.family": "sans-serif"}
    bars = {
        "batch": ("Imports a second", ("imports_per_s_1", "imports_per_s_2"), ("1 worker", "2 workers")),
        "busy": (
            "Start of one import beside a batch, p95 (ms)",
            ("start_p95_ms_same_practice", "start_p95_ms_other_practice"),
            ("batch of the same practice", "batch of another practice"),
        ),
    }
    for part, (title, figures, groups) in bars.items():
        if f"rivals-{part}" in results:
            by_side = results[f"rivals-{part}"].figures[part]
            _save(_grouped(title, by_side, figures, groups, is_log=part == "busy"), folder / f"bench-{part}.svg")
    if "growth" in results:
        _save(_growth(results["growth"].figures["ms_by_finished"]), folder / "bench-growth.svg")


def _grouped(
    title: str, by_side: Mapping[str, Any], figures: Sequence[str], groups: Sequence[str], *, is_log: bool
) -> Figure:
    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(by_side)
    for number, (side, found) in enumerate(by_side.items()):
        places = [place + number * width for place in range(len(groups))]
        heights = [found.get(name) or 0 for name in figures]
        bars = axes.bar(places, heights, width, label=side, color=_COLOURS.get(side))
        axes.bar_label(bars, [f"{height:,.0f}" if height else "-" for height in heights], fontsize=8)
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(groups))], groups)
    axes.set_title(title, fontsize=10)
    if is_log:
        axes.set_yscale("log")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(by_side), frameon=False, fontsize=8)
    return figure


def _growth(by_finished: Mapping[str, Mapping[str, Any]]) -> Figure:
    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    axes = figure.subplots()
    names = list(next(iter(by_finished.values())))
    for name in names:
        values = [found.get(name, float("nan")) for found in by_finished.values()]
        if all(isinstance(value, (int, float)) for value in values):
            axes.plot(range(len(values)), values, marker="o", label=name)
    axes.set_xticks(range(len(by_finished)), [f"{int(number):,}" for number in by_finished])
    axes.set_xlabel("finished jobs", fontsize=9)
    axes.set_title("Milliseconds of each step", fontsize=10)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right center", frameon=False, fontsize=7)
    return figure


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="svg", metadata={"Date": None})
