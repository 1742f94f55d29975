"""What finished work costs, and what a look of the relay costs with many practices.

On a database that was never analysed and is never vacuumed. First the statements of the hot paths, with a backlog of ten
practices and more and more finished jobs with their imports and attempts; `ratio` is the last column over the first. Then
looks with more and more practices whose jobs are all under way, the finished jobs still there. Milliseconds, medians of
rounds that are rolled back.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

from cryptography.fernet import Fernet
from sqlalchemy import event, select, text

from config.settings import Settings
from handlers.registry import HANDLERS
from portal_db import migrate
from portal_db.database import Database, Tx
from portal_db.states import JobState
from portal_db.tables import Job
from portal_db.work import imports, job_search, jobs, ringing
from portal_db.work.jobs import Lease
from tests.servers.postgres import fresh_database, postgres_server
from tests.world import connect_practice

#: Jobs of a set, and due jobs of each practice that has a backlog.
SET = 50
LIMIT = 400
#: Practices with a backlog while finished jobs are added.
BACKLOGGED = 10

_IMPORTS = text("""
    INSERT INTO imports (id, practice_id, requested_by, idempotency_key, fingerprint, xpm_uuid, kind, send_welcome_email,
                         bring_details, bring_relationships, state, epoch, epoch_started_at, revision, created_at, closed_at,
                         resolved_at)
    SELECT gen_random_uuid(), :practice_id, :staff_id, gen_random_uuid()::text, '', gen_random_uuid(), 'individual', true,
           true, true, 'succeeded', 1, now(), 1, clock_timestamp(), now(), now()
    FROM generate_series(1, :number)
""")
_JOBS_OF_IMPORTS = text("""
    INSERT INTO jobs (id, practice_id, import_id, epoch, kind, lane, interactive, in_batch_order, asked_at, position, args,
                      dedupe_key, deadline_seconds, state, attempts, deferrals, lost_leases, created_at, rung_at, started_at,
                      finished_at)
    SELECT gen_random_uuid(), imports.practice_id, imports.id, 1, kinds.kind, 'import', false, false, now(), 0, '{}',
           gen_random_uuid()::text, 60, 'succeeded', 0, 0, 0, now(), now(), now(), now()
    FROM imports, unnest(ARRAY['validate_import', 'create_client', 'import_details', 'import_relationships',
                               'send_welcome_email']) AS kinds (kind)
    WHERE NOT EXISTS (SELECT FROM jobs WHERE jobs.import_id = imports.id)
""")
_ATTEMPTS = text("""
    INSERT INTO job_attempts (token, job_id, number, owner, started_at, finished_at, outcome)
    SELECT gen_random_uuid(), id, 1, 'bench', now(), now(), 'succeeded' FROM jobs
    WHERE state = 'succeeded' AND NOT EXISTS (SELECT FROM job_attempts WHERE job_id = jobs.id)
""")
_PRACTICES = text("""
    INSERT INTO practices (id, name, time_zone, mfa_mandatory, created_at)
    SELECT gen_random_uuid(), 'bench', 'UTC', true, now() FROM generate_series(1, :number)
""")
_BACKLOG = text("""
    INSERT INTO jobs (id, practice_id, epoch, kind, lane, interactive, in_batch_order, asked_at, position, args, dedupe_key,
                      deadline_seconds, state, attempts, deferrals, lost_leases, created_at)
    SELECT gen_random_uuid(), practices.id, 1, 'validate_import', 'import', false, false, now(), n, '{}',
           gen_random_uuid()::text, 60, 'queued', 0, 0, 0, now()
    FROM practices, generate_series(1, :number) n
    WHERE practices.name = 'bench' AND NOT EXISTS (SELECT FROM jobs WHERE jobs.practice_id = practices.id)
""")


def measure(*, finished: Sequence[int], practices: Sequence[int], rounds: int = 7) -> dict[str, Any]:
    """Run both measurements.

    Args:
        finished: numbers of finished jobs, ascending.
        practices: numbers of practices with a backlog, ascending, at least ten.
    """
    with postgres_server() as server, fresh_database(server) as url:
        database = Database(url)
        migrate.upgrade(database)
        settings = Settings(database_url=url, token_keys=Fernet.generate_key().decode())
        practice_id, staff_id, _ = connect_practice(database, settings, "token")
        _run(database, "ALTER TABLE jobs SET (autovacuum_enabled = false)")
        _run(database, "ALTER TABLE imports SET (autovacuum_enabled = false)")
        _run(database, _PRACTICES, number=BACKLOGGED)
        _run(database, _BACKLOG, number=SET)
        by_finished: dict[str, dict[str, float]] = {}
        done = 0
        for number in finished:
            _run(database, _IMPORTS, practice_id=practice_id, staff_id=staff_id, number=(number - done) // 5)
            _run(database, _JOBS_OF_IMPORTS)
            _run(database, _ATTEMPTS)
            done = number
            by_finished[str(number)] = _steps(database, practice_id, rounds)
        by_practices: dict[str, float] = {}
        there, statements = BACKLOGGED, 0
        for number in practices:
            _run(database, _PRACTICES, number=max(0, number - there))
            there = max(there, number)
            _run(database, _BACKLOG, number=SET)
            _run(database, "UPDATE jobs SET rung_at = now() WHERE state = 'queued'")
            by_practices[str(number)] = _median(database, rounds, _look)
            statements = max(statements, _statements(database))
        database.close()
    first, last = by_finished[str(finished[0])], by_finished[str(finished[-1])]
    ratio = {name: round(last[name] / first[name], 2) for name in first}
    return {"look_ms_by_practices": by_practices, "statements_per_look": statements, "ms_by_finished": by_finished,
            "ratio": ratio}  # fmt: skip


def _run(database: Database, statement: Any, **values: Any) -> None:
    with database.write() as tx:
        tx.session.execute(text(statement) if isinstance(statement, str) else statement, values)


def _look(tx: Tx) -> object:
    return ringing.pick(tx, limit=LIMIT, permits=lambda *_: 1)


def _steps(database: Database, practice_id: UUID, rounds: int) -> dict[str, float]:
    with database.read() as tx:
        statement = select(Job.id).where(Job.state == JobState.QUEUED).order_by(Job.position).limit(SET)
        leases = [Lease(job_id, uuid4(), "bench") for job_id in tx.session.scalars(statement)]

    def claim(tx: Tx) -> object:
        return jobs.claim_all(tx, leases, kinds=HANDLERS.keys(), lease_seconds=60)

    def claim_and_settle(tx: Tx) -> None:
        claim(tx)
        jobs.succeed(tx, *leases)

    dead = job_search.Filter(states=(JobState.DEAD,))
    steps: dict[str, Callable[[Tx], object]] = {
        "look": _look,
        "claim": claim,
        "claim and settle": claim_and_settle,
        "take back": jobs.take_back_expired,
        "imports of a practice": lambda tx: imports.listing(tx, practice_id=practice_id),
        "dead letters": lambda tx: job_search.listing(tx, dead, limit=50),
    }
    return {name: _median(database, rounds, step) for name, step in steps.items()}


class _RollBack(Exception):
    """Ends a round without a trace."""


def _median(database: Database, rounds: int, step: Callable[[Tx], object]) -> float:
    """Milliseconds of a step; the first two rounds warm the caches."""
    samples = []
    for _ in range(rounds + 2):
        try:
            with database.write() as tx:
                began = time.perf_counter()
                step(tx)
                samples.append((time.perf_counter() - began) * 1000)
                raise _RollBack
        except _RollBack:
            pass
    return round(statistics.median(samples[2:]), 2)


def _statements(database: Database) -> int:
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        seen.append(arguments[2])

    event.listen(database.engine, "before_cursor_execute", note)
    with database.write() as tx:
        _look(tx)
    event.remove(database.engine, "before_cursor_execute", note)
    return len(seen)
