"""What finished work costs, what a look of the relay costs with many practices, and whether a worker's memory grows.

For each number of finished jobs, with their imports and attempts, a deployment of its own. All of them are alive at once
and take turns, since a machine's speed changes from minute to minute: small batches are imported, then each statement of
the hot paths is timed with a backlog of ten practices, on tables of work that were never analysed and are never vacuumed.
`ratio` says how many times worse the last number is than the first. Then, with the most finished jobs, looks with more and
more practices: first when all their jobs are under way, then when half of them are still to be rung. Milliseconds, medians
of rounds that are rolled back. Last, `memory_mb`: the worker's memory while it does more jobs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

from sqlalchemy import event, select

from bench.deployment import Deployment, deployed
from bench.finished import BACKLOGGED, Filling
from bench.importing import import_all
from bench.parse import MEGABYTE, resident
from bench.throughput import requests_of
from handlers.imports.request import ImportRequest
from handlers.registry import HANDLERS
from portal_db.clients import client_queries
from portal_db.clients.client_queries import ClientFilter
from portal_db.database import Database, Tx
from portal_db.directory import directories, search
from portal_db.states import ImportState, JobState
from portal_db.tables import Job
from portal_db.visibility import Viewer
from portal_db.work import import_list, imports, job_search, jobs, recent_imports, ringing
from portal_db.work.import_list import ImportFilter
from portal_db.work.jobs import Lease
from portal_db.xero import connections

#: Jobs of a set, and of each practice that has a backlog.
SET = 50
LIMIT = 400
#: Batches of each deployment whose time is taken.
BATCHES = 3
WORKER = "worker-1"
#: At these parts of all jobs the worker's memory is read.
PARTS = (0.1, 0.5, 1.0)
#: About as many jobs as an import has.
JOBS_PER_IMPORT = 5

Step = Callable[[Tx], object]


def measure(
    *, finished: Sequence[int], practices: Sequence[int], imports: int = 300, jobs: int = 5_000, rounds: int = 25
) -> dict[str, Any]:
    """Run all measurements.

    Args:
        finished: numbers of finished jobs, ascending.
        practices: numbers of practices with a backlog, ascending, at least ten.
        imports: records in each small batch.
        jobs: how many jobs the worker does while its memory is watched.
    """
    watched = max(1, jobs // JOBS_PER_IMPORT)
    with ExitStack() as stack:
        sides = {str(number): _side(stack, number, BATCHES * imports + watched) for number in finished}
        rows = {name: requests_of(side.deployment) for name, side in sides.items()}
        throughput = _imports_per_s(sides, rows, imports)
        by_finished = _steps_timed(sides, rounds)
        first, last = str(finished[0]), str(finished[-1])
        looks, statements = _looks(sides[last], practices, rounds)
        return {
            "imports_per_s_by_finished": throughput,
            "ms_by_finished": by_finished,
            "ratio": {
                "imports": round(throughput[first] / throughput[last], 2),
                **{name: round(by_finished[last][name] / ms, 2) for name, ms in by_finished[first].items()},
            },
            "look_ms_by_practices": looks["all under way"],
            "look_with_backlog_ms_by_practices": looks["half to ring"],
            "statements_per_look": statements,
            "memory_mb": _memory(sides[last].deployment, rows[last][-watched:]),
        }


def _side(stack: ExitStack, finished: int, clients: int) -> Filling:
    """A deployment at work that has so many finished jobs, until the stack ends."""
    deployment = stack.enter_context(deployed(clients=clients))
    filling = Filling(deployment)
    filling.finish(finished)
    deployment.start_worker(WORKER)
    deployment.start_relay()
    deployment.sync_directory()
    return filling


def _imports_per_s(
    sides: Mapping[str, Filling], rows: Mapping[str, Sequence[ImportRequest]], imports: int
) -> dict[str, float]:
    """How fast each side does a batch, the median of several. Each batch has records of its own."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(BATCHES):
        batch = slice(number * imports, (number + 1) * imports)
        for name, side in sides.items():
            seconds[name].append(import_all(side.deployment, f"batch {number}", rows[name][batch]))
    return {name: round(imports / statistics.median(found), 1) for name, found in seconds.items()}


def _steps_timed(sides: Mapping[str, Filling], rounds: int) -> dict[str, dict[str, float]]:
    """The milliseconds of each step by side."""
    with ExitStack() as stack:
        steps = {}
        for name, side in sides.items():
            side.analyse_others()
            stack.enter_context(side.backlog(BACKLOGGED, SET))
            steps[name] = _steps(side.deployment)
        found: dict[str, dict[str, float]] = {name: {} for name in sides}
        for step in next(iter(steps.values())):
            turns = {name: (side.deployment.database, steps[name][step]) for name, side in sides.items()}
            for name, ms in _timed(turns, rounds).items():
                found[name][step] = ms
        return found


def _looks(side: Filling, practices: Sequence[int], rounds: int) -> tuple[dict[str, dict[str, float]], int]:
    """The milliseconds of looks by what there is to do and the number of practices, and the most statements of one."""
    looks: dict[str, dict[str, float]] = {"all under way": {}, "half to ring": {}}
    statements = 0
    database = side.deployment.database
    for number in practices:
        with side.backlog(number, SET):
            for state, found in looks.items():
                side.ring(every=1 if state == "all under way" else 2)
                found[str(number)] = _timed({"look": (database, _look)}, rounds)["look"]
                statements = max(statements, _statements(database))
    return looks, statements


def _memory(deployment: Deployment, rows: Sequence[ImportRequest]) -> dict[str, float]:
    """A worker's megabytes after parts of these imports."""
    found = {}
    done = 0
    for part in PARTS:
        until = round(len(rows) * part)
        import_all(deployment, f"memory {part}", rows[done:until])
        done = until
        found[f"{part:.0%}"] = round(resident(deployment.processes[WORKER].pid) / MEGABYTE, 1)
    return found


def _look(tx: Tx) -> object:
    return ringing.pick(tx, limit=LIMIT, permits=lambda *_: 1)


def _steps(deployment: Deployment) -> dict[str, Step]:
    """What runs for every job, and what people look at."""
    with deployment.database.read() as tx:
        unrung = select(Job.id).where(Job.state == JobState.QUEUED).order_by(Job.position).limit(SET)
        leases = [Lease(job_id, uuid4(), "bench") for job_id in tx.session.scalars(unrung)]
        connection = connections.get_one(tx, deployment.connection_id)
        directory = directories.of(tx, connection.xero_login_id, connection.tenant_id)
    assert directory is not None, "it was synced"
    viewer = Viewer(deployment.practice_id, deployment.staff_id, sees_all=True)
    dead = job_search.Filter(states=(JobState.DEAD,))
    is_open = ImportFilter(states=(ImportState.ACCEPTED, ImportState.IN_PROGRESS, ImportState.WAITING))

    def claim(tx: Tx) -> object:
        return imports.claim_all(tx, leases, kinds=HANDLERS.keys(), lease_seconds=60)

    def claim_and_settle(tx: Tx) -> None:
        claim(tx)
        jobs.succeed(tx, *leases)
        tx.send_waiting()

    return {
        "look": _look,
        "claim": claim,
        "claim and settle": claim_and_settle,
        "take back": jobs.take_back_expired,
        "imports of a practice": lambda tx: import_list.page(tx, viewer, ImportFilter(), after=None, limit=50),
        "open imports": lambda tx: import_list.page(tx, viewer, is_open, after=None, limit=50),
        "integration progress": lambda tx: recent_imports.page(tx, viewer, seconds=86_400, after=None, limit=50),
        "search in XPM": lambda tx: search.find(tx, directory, "an", is_guess=False, limit=20),
        "search of clients": lambda tx: client_queries.page(tx, viewer, ClientFilter("an"), after=None, limit=20),
        "dead letters": lambda tx: job_search.listing(tx, dead, limit=50),
    }


class _RollBack(Exception):
    """Ends a round without a trace."""


def _timed(turns: Mapping[str, tuple[Database, Step]], rounds: int) -> dict[str, float]:
    """The milliseconds of steps that take turns; the first two rounds warm the caches."""
    samples: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds + 2):
        for name, (database, step) in turns.items():
            samples[name].append(_once(database, step))
    return {name: round(statistics.median(found[2:]), 2) for name, found in samples.items()}


def _once(database: Database, step: Step) -> float:
    """The milliseconds of a step whose writes are rolled back."""
    try:
        with database.write() as tx:
            Filling.resume(tx)
            began = time.perf_counter()
            step(tx)
            ended = time.perf_counter()
            raise _RollBack
    except _RollBack:
        return (ended - began) * 1000


def _statements(database: Database) -> int:
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        seen.append(arguments[2])

    def look(tx: Tx) -> None:
        event.listen(database.engine, "before_cursor_execute", note)
        _look(tx)
        event.remove(database.engine, "before_cursor_execute", note)

    _once(database, look)
    return len(seen)
