"""The commands `worker` and `relay`: processes that run until they are stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Annotated, Never

import structlog
import typer

from config.logging import set_up_logging
from config.settings import Settings
from portal_db.states import Lane
from worker.cli.database import DatabaseAway, open_record, redis_of
from worker.cli.exits import ExitCode, Problem
from worker.process import run_relay as start_relay
from worker.process import run_worker as start_worker
from worker.process import stop_on_signals
from worker.queue.broker import UnsafeRedis
from worker.queue.door import QUEUE as DOOR

log = structlog.stdlib.get_logger(__name__)

#: Between two looks at a database that is away; each wait is twice as long as the one before.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.25, 5.0

#: The groups that `--lanes` accepts; it also accepts single queues.
GROUPS: dict[str, frozenset[str]] = {
    "interactive": frozenset({Lane.INTERACTIVE, DOOR}),
    "background": frozenset({Lane.IMPORT, Lane.RESYNC}),
    "email": frozenset({Lane.EMAIL}),
    "webhooks": frozenset({Lane.WEBHOOKS}),
    "all": frozenset({*Lane, DOOR}),
}
LANES_HELP = (
    "Lanes to work on, comma separated: interactive (with import_requests), background (import and resync), email,"
    " webhooks, all, or single queues."
)


def run_worker(
    lanes: Annotated[str, typer.Option(metavar="LANES", help=LANES_HELP)] = "all",
    threads: Annotated[int, typer.Option(metavar="N", min=1, max=200, help="Jobs to run at once.")] = 8,
) -> None:
    """Run jobs until stopped; running jobs finish first."""
    queues = queues_of(lanes)
    _run(lambda stopping: start_worker(queues, threads=threads, stopping=stopping))


def run_relay() -> None:
    """Start due jobs and recover lost ones; one relay leads, others stand by."""
    _run(start_relay)


def _run(start: Callable[[threading.Event], int]) -> Never:
    stopping = _wait_for_database()
    try:
        code = start(stopping)
    except UnsafeRedis as error:
        raise Problem(str(error), ExitCode.UNAVAILABLE) from None
    raise typer.Exit(code)


def queues_of(lanes: str) -> set[str]:
    """The queues that `--lanes` names.

    Raises:
        Problem: it names none, or an unknown one.
    """
    found: set[str] = set()
    for name in filter(None, (part.strip() for part in lanes.split(","))):
        if name not in GROUPS and name not in GROUPS["all"]:
            known = ", ".join(sorted(GROUPS["all"] | GROUPS.keys()))
            raise Problem(f"--lanes: there is no lane {name!r}. Known: {known}.", ExitCode.MISUSED)
        found |= {str(queue) for queue in GROUPS.get(name, {name})}
    if not found:
        raise Problem("--lanes: name at least one.", ExitCode.MISUSED)
    return found


def _wait_for_database() -> threading.Event:
    """Check the settings, and wait while the database is away, so that no process has to be started again after an outage.
    Redis may be away too: workers and the relay wait for it while they run.

    Returns:
        The event that stop signals set.

    Raises:
        Problem: the database has no tables, or a revision that does not fit; waiting does not help.
        typer.Exit: a stop signal came first.
    """
    stopping, wait = None, FIRST_WAIT_SECONDS
    while True:
        try:
            _check_settings()
            return stopping or stop_on_signals()
        except DatabaseAway as away:
            if stopping is None:
                stopping = stop_on_signals()
                set_up_logging(Settings.load())
                log.warning("database.awaited", reason=away.message)
        if stopping.wait(wait):
            raise typer.Exit(ExitCode.DONE)
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)


def _check_settings() -> None:
    with open_record() as record:
        _ = record.settings.vault
        redis_of(record.settings).close()
