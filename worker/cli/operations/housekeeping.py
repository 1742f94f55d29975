"""The command `housekeeping`: runs the relay's nightly clean-up now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from handlers.operations.housekeeping import days_of, keep_house
from worker.cli.database import opened
from worker.cli.output import AsJson, console, count_of, say, say_json, table


def run_housekeeping(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be deleted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete what has been kept long enough; the relay does it each night.

    KEEP_JOBS_DAYS, KEEP_EVENTS_DAYS and KEEP_MALFORMED_DAYS say how long. Dead letters, and all jobs of an import that
    has one or is open, stay. Imports, clients and the audit trail always do.
    """
    with opened() as record, _display() as show:
        done = keep_house(record.database, record.settings, dry_run=dry_run, progress=show)
        days = days_of(record.settings)
    if as_json:
        say_json({"dry_run": dry_run, "rows": done})
        return
    made = table("What", "Kept for", "To be deleted" if dry_run else "Deleted")
    made.columns[2].justify = "right"
    for name, count in done.items():
        made.add_row(name, count_of(int(days[name]), "day") if days[name] else "as long as valid", f"{count:,}")
    console().print(made)
    if dry_run:
        say("Nothing was deleted.")


@contextmanager
def _display() -> Iterator[Callable[[str, int], None]]:
    """A spinner with counts on a terminal; elsewhere the result says it all."""
    out = console(stderr=True)
    if not out.is_terminal:
        yield lambda *_: None
        return
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=out, transient=True
    ) as spinner:
        task = spinner.add_task("looking", total=None)
        yield lambda name, count: spinner.update(task, description=f"{name}: {count:,}")
