"""The demo from start to end: processes up, practice in, everything imported, figures out, nothing left running."""

from __future__ import annotations

import time
from dataclasses import asdict

from handlers.request_import import AcceptedBatch
from portal_db import imports, progress
from worker.cli.exits import ExitCode
from worker.cli.following import Progressed, busy, until_closed
from worker.cli.output import count_of, note, say_json
from worker.cli.shapes import housed, started
from worker.demo import figures, report, seed
from worker.embedded.shape import EmbeddedShape, Plan
from xpm.records import XpmClient

STALLED_SECONDS = 120.0
"""Without any job finishing for so long, the demo gives up."""


def run(plan: Plan, *, kept: bool, as_json: bool) -> ExitCode:
    """Run the demo.

    Args:
        plan: with the folder that keeps the state; only its parent is used unless `kept`.
        kept: whether the folder stays.

    Returns:
        FAILED when an import did not finish or operations would have to look.

    Raises:
        Problem: it could not be run to its end; everything was stopped.
    """
    with housed(plan, kept=kept, what="the demo") as there:
        return _run_in(there, kept=kept, as_json=as_json)


def _run_in(plan: Plan, *, kept: bool, as_json: bool) -> ExitCode:
    began = time.monotonic()
    if not as_json:
        report.opening(plan, kept=kept)
    with started(plan) as shape:
        seed.seed(shape)
        with busy("Filling the directory"):
            records = seed.directory(shape)
        batch = seed.ask_for_all(shape, records)
        last = _follow(shape, batch)
        counters = shape.counters()
        found = figures.count(shape, batch.batch_id, time.monotonic() - began, counters)
        if as_json:
            say_json(asdict(found))
        else:
            _tell(shape, batch, records, found, counters, kept=kept)
    if last.open:
        note(f"Nothing moved for {STALLED_SECONDS:g} s; {count_of(last.open, 'import')} left unfinished.")
    return ExitCode.FAILED if found.unfinished or found.dead else ExitCode.DONE


def _follow(shape: EmbeddedShape, batch: AcceptedBatch) -> Progressed:
    """Watch the batch until it is closed, a process ends, or nothing moves any more."""
    moved_at, before = time.monotonic(), Progressed({}, {})

    def go_on(now: Progressed) -> bool:
        nonlocal moved_at, before
        shape.processes.check()
        if now != before:
            moved_at, before = time.monotonic(), now
        return time.monotonic() - moved_at < STALLED_SECONDS

    return until_closed(shape.database, progress.of_batch(batch.batch_id), len(batch.import_ids), go_on=go_on)


def _tell(
    shape: EmbeddedShape,
    batch: AcceptedBatch,
    records: list[XpmClient],
    found: figures.Figures,
    counters: dict[str, object],
    *,
    kept: bool,
) -> None:
    with shape.database.read() as tx:
        rows = imports.of_batch(tx, batch.batch_id)
    names = {record.uuid: record.name for record in records}
    mail = figures.deliveries_of(shape, batch.batch_id)
    report.tell(shape, rows, names, found, mail, counters, kept=kept)
