"""The commands `worker` and `relay`: processes that run until they are stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from portal_db.states import Lane
from worker.cli.database import open_record, redis_of
from worker.cli.exits import ExitCode, Problem
from worker.process import run_relay as start_relay
from worker.process import run_worker as start_worker
from worker.queue.broker import UnsafeRedis
from worker.queue.door import QUEUE as DOOR

#: The groups that `--lanes` accepts; it also accepts single queues.
GROUPS: dict[str, frozenset[str]] = {
    "interactive": frozenset({Lane.INTERACTIVE, DOOR}),
    "background": frozenset({Lane.IMPORT, Lane.RESYNC}),
    "email": frozenset({Lane.EMAIL}),
    "all": frozenset({*Lane, DOOR}),
}
LANES_HELP = (
    "Lanes to work on, comma separated: interactive (with import_requests), background (import and resync), email, all,"
    " or single queues."
)


def run_worker(
    lanes: Annotated[str, typer.Option(metavar="LANES", help=LANES_HELP)] = "all",
    threads: Annotated[int, typer.Option(metavar="N", min=1, max=200, help="Jobs to run at once.")] = 8,
) -> None:
    """Run jobs until stopped; running jobs finish first."""
    queues = queues_of(lanes)
    _check_settings()
    try:
        code = start_worker(queues, threads=threads)
    except UnsafeRedis as error:
        raise Problem(str(error), ExitCode.UNAVAILABLE) from None
    raise typer.Exit(code)


def run_relay() -> None:
    """Start due jobs and recover lost ones; one relay leads, others stand by."""
    _check_settings()
    raise typer.Exit(start_relay())


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


def _check_settings() -> None:
    """Refuse to start without a database. Redis may be unavailable: workers and the relay wait for it."""
    with open_record() as record:
        _ = record.settings.vault
        redis_of(record.settings).close()
