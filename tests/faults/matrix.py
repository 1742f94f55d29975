"""The whole matrix: every fault by name, in three tracks, each on its own stage; at the same time where cores suffice."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from itertools import chain
from multiprocessing import get_context

from tests.faults.rows import (
    bell,
    disk,
    kills,
    machine,
    mailing,
    messages,
    outages,
    poison,
    record,
    requeue,
    sets,
    sqlite,
    stops,
    summer_time,
    times,
    versions,
    xpm,
)
from tests.faults.stage import QUICK_IMPORTS, Stage, staged
from tests.faults.trial import Fault, Trial
from tests.faults.verdict import Verdict

#: Cores that the processes and servers of one track keep busy in a long run, 0.65 to 0.77 measured: with fewer, how soon a
#: job runs again would tell of the other track. In a short run the tracks wait most of the time.
CORES_OF_A_TRACK = 1
TRACKS: tuple[Mapping[str, Fault], ...] = (
    {
        **kills.FAULTS,
        **poison.FAULTS,
        **times.FAULTS,
        **versions.FAULTS,
        **sets.FAULTS,
        **disk.FAULTS,
        **requeue.FAULTS,
        **machine.FAULTS,
        **summer_time.FAULTS,
        **kills.LAST,
    },
    {
        **bell.FAULTS,
        **record.FAULTS,
        **xpm.FAULTS,
        **mailing.FAULTS,
        **outages.FAULTS,
        **messages.FAULTS,
        **stops.FAULTS,
        **record.LAST,
    },
    sqlite.FAULTS,
)
FAULTS: Mapping[str, Fault] = dict(chain.from_iterable(track.items() for track in TRACKS))


def staged_for(
    track: Collection[str], *, quick: bool, seed: int, imports: int = QUICK_IMPORTS
) -> AbstractContextManager[Stage]:
    """The stage that these faults of one track play on."""
    return staged(quick=quick, seed=seed, imports=imports, on_sqlite=sqlite.FAULTS.keys() >= set(track))


def play(stage: Stage, name: str, seed: int) -> Verdict:
    """Run one fault on a stage, in whatever condition the previous fault left it."""
    stage.run()
    trial = Trial(stage, name, seed)
    try:
        FAULTS[name](trial)
    except Exception:
        trial.problems.append(traceback.format_exc(limit=-3))
    return trial.finish()


def run(names: Iterable[str], *, quick: bool, seed: int, imports: int) -> dict[str, Verdict]:
    """Run these faults, each track in its own process, and report progress on standard error."""
    wanted = set(names)
    tracks = [[name for name in track if name in wanted] for track in TRACKS]
    tracks = [track for track in tracks if track]
    at_once = len(tracks) if quick else min(len(tracks), max(1, (os.cpu_count() or 1) // CORES_OF_A_TRACK))
    with ProcessPoolExecutor(at_once, mp_context=get_context("spawn")) as pool:
        played = pool.map(partial(_play_all, quick=quick, seed=seed, imports=imports), tracks)
        found = dict(chain.from_iterable(played))
    return {name: found[name] for name in FAULTS if name in found}


def _play_all(names: list[str], *, quick: bool, seed: int, imports: int) -> list[tuple[str, Verdict]]:
    with staged_for(names, quick=quick, seed=seed, imports=imports) as stage:
        return list(_played(stage, names, seed))


def _played(stage: Stage, names: list[str], seed: int) -> Iterator[tuple[str, Verdict]]:
    for name in names:
        began = time.monotonic()
        verdict = play(stage, name, seed)
        if sys.stderr.isatty() or os.environ.get("FAULT_PROGRESS"):
            how = "; ".join(verdict.why_bad) or "good"
            print(f"{time.monotonic() - began:6.1f} s  {name}: {how}", file=sys.stderr, flush=True)
        yield name, verdict
