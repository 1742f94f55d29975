"""Measures ours, dramatiq, Celery and procrastinate in turn, round by round, and takes medians over the rounds.

`idle`: one import after the other on an idle system. `pickup_ms` is from the request's call to the start of its first step,
with the request's commit; `import_ms` to the closed import. `batch`: imports a second, requests included, with one worker
process and with two. `busy`: the start of single imports while a batch of the same practice, then of another, runs.
`recovery`: one of two workers is killed with -9 in mid-batch, and started again at once as a supervisor would.

A part that is not through after `limit` seconds is cut there, and says how many imports were left.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from bench.rivals.stage import SIDES, Side, Stage, staged

PARTS = ("idle", "batch", "busy", "recovery")
#: The first imports of a run are not measured: they warm the processes up.
WARM_UP = 3

#: Of these one run is enough to count.
_WORST = frozenset({"left_1", "left_2", "unfinished", "doubled_emails", "unknown_emails"})

Figures = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """How much is measured in one round.

    Args:
        singles: imports one by one, of each kind of measurement.
        imports: of a batch that is measured to its end.
        backlog: imports of a batch beside which single ones are measured.
        limit: seconds after which a side is cut off.
    """

    singles: int
    imports: int
    backlog: int
    limit: float


def measure(
    *,
    rounds: int,
    singles: int,
    imports: int,
    backlog: int,
    limit: float,
    parts: Sequence[str] = PARTS,
    sides: Sequence[str] = tuple(SIDES),
    seed: int = 1,
) -> dict[str, Any]:
    """Measure the chosen parts for the chosen sides.

    Args:
        rounds: of each part; the order of the sides changes with each.
        seed: of the pauses between single imports and of the order.
    """
    sizes = Sizes(singles, imports, backlog, limit)
    records = max(2 * imports, backlog if "busy" in parts else 0)
    with staged(people=max(singles + WARM_UP, 2 * singles + 1), records=records) as stage:
        found = measure_on(stage, sizes, rounds=rounds, parts=parts, sides=sides, seed=seed)
    return {**found, "rounds": rounds, **asdict(sizes), "seed": seed}


def measure_on(
    stage: Stage, sizes: Sizes, *, rounds: int, parts: Sequence[str], sides: Sequence[str], seed: int
) -> dict[str, dict[str, Figures]]:
    """`measure` on a stage that is there. Returns the figures by part and side."""
    chance = random.Random(seed)
    found: dict[str, dict[str, list[Figures]]] = {part: {side: [] for side in sides} for part in parts}
    for part in parts:
        for number in range(rounds):
            for name in chance.sample(list(sides), len(sides)):
                print(f"{part}, round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
                found[part][name].append(_MEASURES[part](stage, SIDES[name], sizes, chance))
    return {part: {side: _medians(runs) for side, runs in by_side.items()} for part, by_side in found.items()}


def _medians(runs: Sequence[Figures]) -> Figures:
    """Of each figure the median over the runs that have it (of losses the worst), and all of them."""
    found: Figures = {}
    for name in dict.fromkeys(name for run in runs for name in run):
        samples = [run[name] for run in runs if name in run]
        known = [sample for sample in samples if sample is not None]
        # A run that was cut off counts as the worst of all: half of them leave no figure.
        middle = max(known) if name in _WORST else statistics.median(known) if 2 * len(known) > len(samples) else None
        found[name] = middle if middle is None else round(middle, 2)
        found[f"{name}_runs"] = samples
    return found


def _idle(stage: Stage, side: Side, sizes: Sizes, chance: random.Random) -> Figures:
    starts, wholes = [], []
    with stage.run(side, workers=1) as run:
        for wish in stage.people[: sizes.singles + WARM_UP]:
            time.sleep(chance.uniform(0.05, 0.3))
            ids, began = run.request([wish])
            if not run.wait(ids, began + sizes.limit, every=0.002):
                return {"pickup_ms": None, "import_ms": None}
            wholes.append(time.time() - began)
            starts.append(run.started_at(ids[0], time.time() + 1) - began)
    return {
        "pickup_ms": round(statistics.median(starts[WARM_UP:]) * 1000, 1),
        "import_ms": round(statistics.median(wholes[WARM_UP:]) * 1000, 1),
    }


def _batch(stage: Stage, side: Side, sizes: Sizes, _chance: random.Random) -> Figures:
    found: Figures = {}
    with stage.run(side, workers=1) as run:
        for workers in (1, 2):
            if workers == 2:
                run.start_worker("worker-2")
            wishes = stage.records[(workers - 1) * sizes.imports : workers * sizes.imports]
            ids, began = run.request(wishes)
            is_through = run.wait(ids, began + sizes.limit)
            left = run.open_imports(ids)
            found[f"imports_per_s_{workers}"] = round((len(ids) - left) / (time.time() - began), 1)
            found[f"left_{workers}"] = left
            if not is_through:
                break
    return found


def _busy(stage: Stage, side: Side, sizes: Sizes, chance: random.Random) -> Figures:
    found: Figures = {}
    with stage.run(side, workers=2) as run:
        run.request(stage.people[:1])
        singles = iter(stage.people[1:])
        for name, practice in (("same_practice", 0), ("other_practice", 1)):
            starts: list[float] = []
            batch, _ = run.request(stage.records[: sizes.backlog], practice)
            until = time.time() + sizes.limit
            for wish in islice(singles, sizes.singles):
                time.sleep(chance.uniform(0.1, 0.4))
                if time.time() > until or not run.open_imports(batch):
                    break  # a batch that is through is no company
                ids, asked = run.request([wish])
                starts.append(run.started_at(ids[0], until) - asked)
            run.wait(batch, until)
            cuts = statistics.quantiles(starts, n=20, method="inclusive") if len(starts) > 1 else starts
            found[f"start_p95_ms_{name}"] = round(cuts[-1] * 1000, 1) if cuts else None
            found[f"samples_{name}"] = len(starts)
    return found


def _recovery(stage: Stage, side: Side, sizes: Sizes, _chance: random.Random) -> Figures:
    with stage.run(side, workers=2) as run:
        ids, began = run.request(stage.records[: sizes.imports])
        if not run.wait(ids, began + sizes.limit, left=len(ids) // 2):
            return {"seconds": None}
        run.kill_worker("worker-1")
        killed = time.time()
        run.start_worker("worker-1")
        is_through = run.wait(ids, killed + sizes.limit)
        seconds = time.time() - killed
        sent = Counter(run.emails())
        return {
            "seconds": round(seconds, 1) if is_through else None,
            "unfinished": run.open_imports(ids),
            "doubled_emails": sum(times - 1 for times in sent.values()),
            "unknown_emails": run.unknown_emails(),
        }


_MEASURES: dict[str, Callable[[Stage, Side, Sizes, random.Random], Figures]] = {
    "idle": _idle,
    "batch": _batch,
    "busy": _busy,
    "recovery": _recovery,
}
