"""Watches imports until they are closed: a progress bar on a terminal, occasional lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from portal_db.database import Database
from portal_db.states import ImportState, JobState
from portal_db.work import progress
from portal_db.work.progress import Which
from worker.cli.output import console, note

LOOK_SECONDS = 0.2
SPARSE_SECONDS = 5.0


@dataclass(frozen=True)
class Progressed:
    """Where watched imports stand. Two of these are equal when nothing has moved."""

    imports: Mapping[ImportState, int]
    jobs: Mapping[JobState, int]

    @property
    def open(self) -> int:
        return sum(count for state, count in self.imports.items() if state.is_open)

    @property
    def closed(self) -> int:
        return sum(self.imports.values()) - self.open

    def words(self) -> str:
        """`1 waiting, 12 succeeded, 3 rejected`: what was begun."""
        shown = [state for state in ImportState if state is not ImportState.ACCEPTED and self.imports.get(state)]
        return ", ".join(f"{self.imports[state]:,} {state.value.replace('_', ' ')}" for state in shown)


def look(database: Database, which: Which) -> Progressed:
    """Where the imports stand now."""
    with database.read() as tx:
        return Progressed(progress.by_state(tx, which), progress.jobs_by_state(tx, which))


def until_closed(database: Database, which: Which, total: int, *, go_on: Callable[[Progressed], bool]) -> Progressed:
    """Show progress until every import is closed or `go_on` says no; it is asked after each look.

    Returns:
        Where they stood at the last look.
    """
    with _display(total) as show:
        while True:
            now = look(database, which)
            show(now)
            if not now.open or not go_on(now):
                return now
            time.sleep(LOOK_SECONDS)


@contextmanager
def _display(total: int) -> Iterator[Callable[[Progressed], None]]:
    out = console(stderr=True)
    if not out.is_terminal:
        yield _sparse(total)
        return
    columns = (TextColumn("Importing"), BarColumn(20), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=out, transient=False) as bar:
        task = bar.add_task("", total=total)
        yield lambda now: bar.update(task, completed=now.closed, description=now.words())


def _sparse(total: int) -> Callable[[Progressed], None]:
    """A line when something was closed, at most one each few seconds, and one at the end."""
    last_time, last_closed = time.monotonic(), 0

    def show(now: Progressed) -> None:
        nonlocal last_time, last_closed
        late = time.monotonic() - last_time >= SPARSE_SECONDS
        if now.closed != last_closed and (late or not now.open):
            note(f"{now.closed:,} of {total:,} closed: {now.words()}")
            last_time, last_closed = time.monotonic(), now.closed

    return show


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Shows that work is in progress: a spinner on a terminal, one line elsewhere."""
    out = console(stderr=True)
    if not out.is_terminal:
        note(f"{what} …")
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as spinner:
        spinner.add_task(what, total=None)
        yield
