"""The demo from start to end: processes up, practice in, everything imported, figures out, nothing left running."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from handlers.request_import import AcceptedBatch
from portal_db import imports, progress
from worker.cli.exits import ExitCode, Problem
from worker.cli.following import Progressed, busy, until_closed
from worker.cli.output import count_of, note, say_json
from worker.demo import figures, report, seed
from worker.demo.shape import EmbeddedShape, FolderInUse, Plan
from worker.embedded.processes import ProcessFailed
from worker.embedded.valkey import NoValkey
from xpm.errors import XpmError
from xpm.records import XpmClient

STALLED_SECONDS = 120.0
"""Without any job finishing for so long, the demo gives up."""
LOG_LINES = 8
"""Of a process that failed, so much of its log is shown."""
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
    try:
        with _interruptible(), _folder(plan, kept=kept) as folder:
            return _run_in(replace(plan, folder=folder), kept=kept, as_json=as_json)
    except KeyboardInterrupt:
        raise Problem("Interrupted: all processes of the demo were stopped.", ExitCode.INTERRUPTED) from None
    except FolderInUse as error:
        raise Problem(str(error)) from None
    except ProcessFailed as error:
        first, *tail = str(error).splitlines()
        raise Problem(first, details=tuple(line.strip() for line in tail[-LOG_LINES:])) from None
    except NoValkey as error:
        raise Problem(str(error).replace("set REDIS_URL to it", "give its address with --redis-url")) from None
    except XpmError as error:
        raise Problem(f"The simulator did not answer as it should. {error}") from None


def _run_in(plan: Plan, *, kept: bool, as_json: bool) -> ExitCode:
    started = time.monotonic()
    if not as_json:
        report.opening(plan, kept=kept)
    with _started(plan) as shape:
        seed.seed(shape)
        records = seed.listed(shape)
        batch = seed.ask_for_all(shape, records)
        last = _follow(shape, batch)
        counters = shape.counters()
        found = figures.count(shape, batch.batch_id, time.monotonic() - started, counters)
        if as_json:
            say_json(asdict(found))
        else:
            _tell(shape, batch, records, found, counters, kept=kept)
    if last.open:
        note(f"Nothing moved for {STALLED_SECONDS:g} s; {count_of(last.open, 'import')} left unfinished.")
    return ExitCode.FAILED if found.unfinished or found.dead else ExitCode.DONE


@contextmanager
def _started(plan: Plan) -> Iterator[EmbeddedShape]:
    """The processes, with a word while they come up and while they are stopped."""
    shape = EmbeddedShape(plan)
    with busy("Starting"):
        shape.__enter__()
    try:
        yield shape
    finally:
        for ending in _ENDINGS:
            signal.signal(ending, signal.SIG_IGN)  # we are ending as it is
        with busy("Stopping"):
            shape.__exit__(None, None, None)


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


@contextmanager
def _folder(plan: Plan, *, kept: bool) -> Iterator[Path]:
    if not kept:
        with tempfile.TemporaryDirectory(prefix="portal-sync-demo-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"--data {plan.folder}: {error.strerror}.", ExitCode.MISUSED) from None
    yield plan.folder.absolute()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Every signal to stop interrupts once, as Ctrl-C does; from then to our end, more of them change nothing."""

    def interrupt(_number: int, _frame: object) -> None:
        for ending in _ENDINGS:
            signal.signal(ending, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {ending: signal.signal(ending, interrupt) for ending in _ENDINGS}
    yield
    for ending, handler in before.items():
        signal.signal(ending, handler)
