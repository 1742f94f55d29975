"""The demo from start to end: start the processes, import every client, report the results, stop everything."""

from __future__ import annotations

import time
from dataclasses import asdict

from handlers.imports.accept import AcceptedBatch
from handlers.imports.queries import ImportCounts, counts
from worker.cli.exits import ExitCode
from worker.cli.imports.progress import busy, watch
from worker.cli.output import count_of, note, say_json
from worker.local import demo_report
from worker.local.practices import import_for_demo
from worker.local.running import prepared, started
from worker.local.stack import LocalStack, Plan

STALLED_SECONDS = 120.0
"""The demo gives up when no job has finished for this long."""


def demonstrate(plan: Plan, *, kept: bool, as_json: bool) -> ExitCode:
    """Run the demo.

    Args:
        kept: whether the plan's folder is used and stays; otherwise a temporary folder is.

    Returns:
        FAILED when an import did not finish or became a dead letter.

    Raises:
        Problem: the demo could not run to its end. Everything was stopped.
    """
    with prepared(plan, kept=kept, what="the demo") as ready:
        began = time.monotonic()
        if not as_json:
            demo_report.show_plan(ready, kept=kept)
        with started(ready) as stack:
            with busy("Reading clients from XPM"):
                batch, records = import_for_demo(stack)
            last = _follow(stack, batch)
            counters = stack.counters()
            figures = demo_report.count(stack, batch.batch_id, records, time.monotonic() - began, counters)
            if as_json:
                say_json(asdict(figures))
            else:
                demo_report.show_results(stack, batch.batch_id, records, figures, counters, kept=kept)
    if last.open:
        note(f"No job finished for {STALLED_SECONDS:g} s, so {count_of(last.open, 'import')} did not finish.")
    return ExitCode.FAILED if figures.unfinished or figures.dead else ExitCode.DONE


def _follow(stack: LocalStack, batch: AcceptedBatch) -> ImportCounts:
    """Watch the batch until it is closed, a process ends, or it stalls."""
    moved_at, before = time.monotonic(), ImportCounts({}, {})

    def is_moving(now: ImportCounts) -> bool:
        nonlocal moved_at, before
        stack.processes.check()
        if now != before:
            moved_at, before = time.monotonic(), now
        return time.monotonic() - moved_at < STALLED_SECONDS

    def count() -> ImportCounts:
        return counts(stack.database, import_id=batch.import_ids[0], batch_id=batch.batch_id)

    return watch(count, len(batch.import_ids), keep_watching=is_moving)
