"""The command `housekeeping`: runs the relay's nightly clean-up now."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from handlers.operations.housekeeping import days_of, keep_house
from worker.cli.database import open_record
from worker.cli.output import AsJson, console, count_of, progress_bar, say, say_json, table


def run_housekeeping(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be deleted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete what has been kept long enough; the relay does it each night.

    KEEP_JOBS_DAYS, KEEP_EVENTS_DAYS, KEEP_AUDIT_DAYS and KEEP_MALFORMED_DAYS say how long. Dead letters, and all jobs of
    an import that has one or is open, are kept. Imports, clients and the audit trail are always kept.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with open_record() as record, progress_bar(*columns) as bar:
        task = bar.add_task("Counting", total=None)

        def show(name: str, count: int) -> None:
            bar.update(task, description=f"{name}: {count:,}")

        done = keep_house(record.database, record.settings, dry_run=dry_run, progress=show)
        days = days_of(record.settings)
    if as_json:
        say_json({"dry_run": dry_run, "rows": done})
        return
    made = table("What", "Kept for", "To be deleted" if dry_run else "Deleted", right=[2])
    for name, count in done.items():
        made.add_row(name, count_of(int(days[name]), "day") if days[name] else "as long as valid", f"{count:,}")
    console().print(made)
    if dry_run:
        say("Nothing was deleted.")
