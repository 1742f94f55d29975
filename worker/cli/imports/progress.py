"""Watches imports until they are closed: a progress bar on a terminal, occasional lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

from handlers.imports.queries import ImportCounts
from portal_db.states import ImportState
from worker.cli.output import note, progress_bar, state_words

LOOK_SECONDS = 0.2
SPARSE_SECONDS = 5.0


def watch(
    count: Callable[[], ImportCounts], total: int, *, keep_watching: Callable[[ImportCounts], bool]
) -> ImportCounts:
    """Show progress until every import is closed, or `keep_watching` says no.

    Args:
        count: reads the current counts.

    Returns:
        The last counts.
    """
    columns = (TextColumn("Importing"), BarColumn(20), MofNCompleteColumn(), TextColumn("{task.description}"))
    with progress_bar(*columns, transient=False) as bar:
        task = bar.add_task("", total=total)
        noted_at, noted = time.monotonic(), 0
        while True:
            now = count()
            bar.update(task, completed=now.closed, description=_words(now))
            is_late = time.monotonic() - noted_at >= SPARSE_SECONDS
            if bar.disable and now.closed != noted and (is_late or not now.open):
                note(f"{now.closed:,} of {total:,} closed: {_words(now)}")
                noted_at, noted = time.monotonic(), now.closed
            if not now.open or not keep_watching(now):
                return now
            time.sleep(LOOK_SECONDS)


def _words(now: ImportCounts) -> str:
    """`1 waiting, 12 succeeded, 3 rejected`: the imports that have started."""
    shown = [state for state in ImportState if state is not ImportState.ACCEPTED and now.imports.get(state)]
    return ", ".join(f"{now.imports[state]:,} {state_words(state)}" for state in shown)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Show that work is in progress: a spinner on a terminal, one line elsewhere."""
    with progress_bar(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as bar:
        bar.add_task(what, total=None)
        if bar.disable:
            note(f"{what} …")
        yield
