"""The page docs/benchmarks.md with its plots, and the tables of docs/scaling.md, from the results at hand: `python -m bench
page`. Tests compare them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.results import Result, load

NOTHING = "-"
DOCS = Path(__file__).parent.parent / "docs"

_HEAD = """\
# Benchmarks

Ours, and the queues that a team would pick instead. This page is written by `python -m bench page` from the figures in
`bench/results`; `make bench` measures them all again, in less than 40 minutes on two cores, and writes the page.

Everything ran on one machine at once: PostgreSQL (with `fsync` off), Redis, a simulator of XPM, a mail catcher, and the
workers. Another machine has other figures; what compares is what was measured side by side.
"""

_RIVALS = """\
## Side by side

The same imports by portal-sync, [dramatiq](https://dramatiq.io) (a pipeline and a group, Retries on),
[Celery](https://docs.celeryq.dev) (a chain with a group in it, late acknowledgement, a visibility timeout of one minute in
place of its hour) and [procrastinate](https://procrastinate.readthedocs.io) (PostgreSQL queue, retries, stalled jobs looked
for every ten seconds), each as its own guide says. All write the same rows in the same schema (a test compares them) and
send the same emails. The rivals read XPM's records from our directory, and record no jobs and no attempts. A worker is one
process of eight threads.

Medians over rounds in which the sides take turns (how many is said below); unfinished, doubled and unknown are the worst
of all rounds. A dash: not through within the limit. *Pick-up*: from the request's call to the start of its first step,
its commit included. *Recovery*: of two workers one is killed with `kill -9` in mid-batch and started again at once.
*Unfinished*: imports that were still open at the limit. *Unknown*: emails of which nobody can know whether they were
sent; ours marks them for a person, the others send them again.
"""

_CALLS = """\
## Calls of XPM

XPM allows a practice 60 calls a minute. A practice is connected and all its clients are imported as one batch; every call
counts, its directory's sync included. A design that asks XPM for each client makes at least a call an import, and takes at
least the time in the last column. `python -m bench quota`
"""


@dataclass(frozen=True)
class Column:
    """A figure of the comparison. `why`: the reason, printed if ours is not first."""

    part: str
    figure: str
    title: str
    why: str
    more_is_better: bool = False
    is_ranked: bool = True


_BESIDE_A_BATCH = (
    "ours commits the request, its first job and the claim first, and does several times as much of the batch meanwhile"
)
COLUMNS = (
    Column("idle", "pickup_ms", "Pick-up (ms)", "ours commits the request, its first job and the job's claim first"),
    Column("idle", "import_ms", "Whole import (ms)", "ours records each job and attempt, and claims each under a lease"),
    Column(
        "batch", "imports_per_s_1", "Imports/s, 1 worker",
        "ours records each job and attempt in the database, and a short batch ends before its sets are full", True,
    ),
    Column(
        "batch", "imports_per_s_2", "Imports/s, 2 workers",
        "ours records each job and attempt in the database, and a short batch ends before its sets are full", True,
    ),
    Column(
        "busy", "start_p95_ms_same_practice", "Start beside a batch of the same practice, p95 (ms)",
        _BESIDE_A_BATCH,
    ),
    Column(
        "busy", "start_p95_ms_other_practice", "Start beside another practice's batch, p95 (ms)",
        _BESIDE_A_BATCH,
    ),
    Column(
        "recovery", "seconds", "Recovery (s)",
        "a killed worker's jobs come back after their lease of 10 s, so that no living worker's job runs twice",
    ),
    Column("recovery", "unfinished", "Unfinished", "see the fault matrix"),
    Column("recovery", "doubled_emails", "Doubled emails", "see the fault matrix"),
    Column("recovery", "unknown_emails", "Unknown emails", "", is_ranked=False),
)  # fmt: skip

#: Measurements of ours alone: name, title, and what is shown of the figures.
ALONE = (
    ("latency", "An idle system", "A rung job's pick-up beside dramatiq's own consumer, and one whole import."),
    ("throughput-600", "A batch of 600", "On a database that was never analysed."),
    ("throughput-5000", "A batch of 5,000", "On a database that was never analysed."),
    ("capacity", "What an import and a sync cost each part", "The basis of [scaling](scaling.md)."),
    (
        "growth",
        "What finished work and many practices cost",
        "Milliseconds of each hot statement or step, in deployments that take turns.",
    ),
    (
        "console",
        "The operators' console",
        "Each page and a scrape (ms) while imports run; what both use of all CPU time, and what a busy machine keeps.",
    ),
    ("endurance", "What a worker holds", "Memory and descriptors after many jobs."),
    ("limiter", "XPM's quota under load", "Four processes hammer a simulator that enforces the quota."),
    ("resync", "A re-sync", "A practice's relationships by one call of XPM, then a few changes."),
    ("parse", "A list of 15,000 clients", "Read as a stream, in both formats."),
    ("search", "Search over HTTP", "With a full directory."),
)


def write() -> None:
    """Write the page and draw its plots; write the tables of the page about scaling."""
    from bench.plots import draw
    from bench.scaling import scaling

    results = load()
    draw(results, DOCS / "images")
    (DOCS / "benchmarks.md").write_text(page(results))
    other = DOCS / "scaling.md"
    other.write_text(scaling(other.read_text(), results["capacity"].figures))


def page(results: Mapping[str, Result]) -> str:
    """The page for these results."""
    parts = [_HEAD, *_rivals(results), *_quota(results)]
    for name, title, about in ALONE:
        if name in results:
            parts.append(f"## {title}\n\n{about} `python -m bench {name.partition('-')[0]}`\n")
            parts.append(table(("Figure", "Value"), _flat(results[name].figures)))
            if name == "growth":
                parts.append(_image("growth", "Milliseconds of each step by finished jobs"))
    parts.append("## Where and when\n\nOne machine; each measurement on the day shown.\n")
    parts.append(_measured(results))
    return "\n".join(parts)


def _rivals(results: Mapping[str, Result]) -> Iterable[str]:
    parts = {part: results[f"rivals-{part}"].figures for part in ("idle", "batch", "busy", "recovery")
             if f"rivals-{part}" in results}  # fmt: skip
    if not parts:
        return
    yield _RIVALS
    columns = [column for column in COLUMNS if column.part in parts]
    by_column = {column: parts[column.part][column.part] for column in columns}
    sides = list(dict.fromkeys(side for found in by_column.values() for side in found))
    rows = [
        (column.title, *(_shown(by_column[column].get(side, {}).get(column.figure)) for side in sides))
        for column in columns
    ]
    yield table(("", *sides), rows)
    sizes = "; ".join(
        f"{part}: {found['rounds']} times {_size(part, found)}, limit {found['limit']:g} s"
        for part, found in parts.items()
    )
    yield f"{sizes}.\n"
    for part in ("batch", "busy"):
        if part in parts:
            yield _image(part, {"batch": "Imports a second", "busy": "Start of one import beside a batch"}[part])
    behind = [sentence for column in columns if (sentence := _behind(column, by_column[column]))]
    if behind:
        yield "Where ours is not first:\n"
        yield "".join(f"- {sentence}\n" for sentence in behind)


def _size(part: str, found: Mapping[str, Any]) -> str:
    match part:
        case "idle":
            return f"{found['singles']} imports"
        case "busy":
            return f"{found['singles']} imports beside a batch of {found['backlog']:,}"
        case _:
            return f"a batch of {found['imports']:,}"


def _behind(column: Column, by_side: Mapping[str, Mapping[str, Any]]) -> str | None:
    """By how much and why ours is not first in a column; `None` if it is first, or as good as the first."""
    known = {side: found[column.figure] for side, found in by_side.items() if found.get(column.figure) is not None}
    if not column.is_ranked or "ours" not in by_side or not known:
        return None
    best = (max if column.more_is_better else min)(known, key=lambda side: known[side])
    ours = known.get("ours")
    if ours is None:
        return f"{column.title}: ours was not through within the limit; {best} had {_shown(known[best])}."
    if ours == known[best]:
        return None
    return f"{column.title}: ours has {_shown(ours)}, {best} {_shown(known[best])}: {column.why}."


def _quota(results: Mapping[str, Result]) -> Iterable[str]:
    if "quota" not in results:
        return
    found = results["quota"].figures
    yield _CALLS
    titles = (
        "Clients",
        "Calls of XPM",
        "Calls an import",
        "429s",
        "Seconds",
        "Seconds that a call an import would take",
    )
    names = ("xpm_calls", "calls_per_import", "rejected_429", "seconds", "floor_seconds_of_a_call_each")
    yield table(titles, [(f"{int(number):,}", *(_shown(row[name]) for name in names))
                          for number, row in found["by_clients"].items()])  # fmt: skip
    size = f"{found['calls']:,} records, {found['processes']} processes of {found['threads']} threads"
    yield f"Where every record needs a call, pacing decides: {size}, time {found['scale']:g} times as fast.\n"
    rows = [(pacer, *(_shown(row[name]) for name in ("calls_sent", "rejected_429", "over_floor")))
            for pacer, row in found["pacing"].items()]  # fmt: skip
    yield table(("Pacing", "Calls sent", "429s", "Time over the shortest that the quota allows"), rows)


def _flat(figures: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Figures within figures as rows of name and value."""
    rows: list[tuple[str, str]] = []
    for name, value in figures.items():
        title = f"{before}{name}"
        rows += _flat(value, f"{title}, ") if isinstance(value, Mapping) else [(f"`{title}`", _shown(value))]
    return rows


def _measured(results: Mapping[str, Result]) -> str:
    names = list(dict.fromkeys(name for result in results.values() for name in result.measured))
    rows = [(f"`{name}`", *(result.measured.get(each, "") for each in names)) for name, result in results.items()]
    return table(("", *names), rows)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _image(name: str, about: str) -> str:
    return f"![{about}](images/bench-{name}.svg)\n"


def _shown(value: Any) -> str:
    match value:
        case None:
            return NOTHING
        case float():
            return f"{value:,.2f}".rstrip("0").rstrip(".")
        case int():
            return f"{value:,}"
        case _:
            return str(value)
