"""Fills a deployment for the measurement of growth: finished imports of a year with their jobs and attempts, and practices
with a backlog that its worker leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text

from bench.aged import YEAR, add_functions
from bench.deployment import Deployment
from portal_db.database import Tx
from portal_db.tables import Base

#: Practices with a backlog while finished jobs are added.
BACKLOGGED = 10
TABLES = ("jobs", "imports", "job_attempts")

_IMPORTS = text("""
    INSERT INTO imports (id, practice_id, requested_by, idempotency_key, fingerprint, xpm_uuid, kind, send_welcome_email,
                         bring_details, bring_relationships, state, epoch, epoch_started_at, revision, created_at, closed_at,
                         resolved_at)
    SELECT id_from(ago), :practice_id, :staff_id, gen_random_uuid()::text, 'finished', gen_random_uuid(),
           'individual', true, true, true, 'succeeded', 1, past(ago), 1, past(ago), past(ago), past(ago)
    FROM generate_series(1, :number) n, LATERAL (SELECT :year * (1 - n / (1.0 + :number))) AS ages (ago)
""")
_JOBS_OF_IMPORTS = text("""
    INSERT INTO jobs (id, practice_id, import_id, epoch, kind, lane, interactive, in_batch_order, asked_at, position, args,
                      dedupe_key, deadline_seconds, state, attempts, deferrals, lost_leases, created_at, rung_at, started_at,
                      finished_at)
    SELECT id_from(extract(epoch FROM now() - created_at)), practice_id, id, 1, kinds.kind, 'import', false, false,
           created_at, 0, '{}', gen_random_uuid()::text, 60, 'succeeded', 0, 0, 0, created_at, created_at, created_at,
           created_at
    FROM imports, unnest(ARRAY['validate_import', 'create_client', 'import_details', 'import_relationships',
                               'send_welcome_email']) AS kinds (kind)
    WHERE fingerprint = 'finished'
    ORDER BY created_at
""")
_ATTEMPTS = text("""
    INSERT INTO job_attempts (token, job_id, number, owner, started_at, finished_at, outcome)
    SELECT gen_random_uuid(), id, 1, 'bench', finished_at, finished_at, 'succeeded' FROM jobs
    WHERE import_id IN (SELECT id FROM imports WHERE fingerprint = 'finished')
""")
_PRACTICES = text("""
    INSERT INTO practices (id, name, time_zone, mfa_mandatory, created_at)
    SELECT gen_random_uuid(), 'bench', 'UTC', true, now() FROM generate_series(1, :number)
""")
_BACKLOG = text("""
    INSERT INTO jobs (id, practice_id, epoch, kind, lane, interactive, in_batch_order, asked_at, position, args, dedupe_key,
                      deadline_seconds, state, attempts, deferrals, lost_leases, created_at)
    SELECT id_from(0), practices.id, 1, 'validate_import', 'import', false, false, now(), n, '{}',
           gen_random_uuid()::text, 60, 'queued', 0, 0, 0, now()
    FROM practices, generate_series(1, :number) n
    WHERE practices.name = 'bench'
""")
_PAUSE = text("""
    INSERT INTO pauses (id, practice_id, reason, created_at)
    SELECT gen_random_uuid(), id, 'bench', now() FROM practices WHERE name = 'bench'
""")
_ENDS = (
    "DELETE FROM jobs USING practices WHERE practices.id = jobs.practice_id AND practices.name = 'bench'",
    "DELETE FROM pauses WHERE reason = 'bench'",
)


class Filling:
    """The rows in a deployment's database that are not of its own making."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self._practices = 0
        add_functions(deployment.database)
        for table in TABLES:
            self._run(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")

    def finish(self, jobs: int) -> None:
        """Let there be as many finished jobs, five of each import."""
        deployment = self.deployment
        owner = {"practice_id": deployment.practice_id, "staff_id": deployment.staff_id}
        self._run(_IMPORTS, **owner, year=YEAR, number=jobs // 5)
        self._run(_JOBS_OF_IMPORTS)
        self._run(_ATTEMPTS)

    def analyse_others(self) -> None:
        """Gather the statistics of all tables but those of work, as autovacuum does within a minute."""
        others = ", ".join(name for name in Base.metadata.tables if name not in TABLES)
        self._run(f"ANALYZE {others}")

    @contextmanager
    def backlog(self, practices: int, jobs: int) -> Iterator[None]:
        """While this lasts, each of as many practices has a backlog, which is paused."""
        self._run(_PRACTICES, number=max(0, practices - self._practices))
        self._practices = max(practices, self._practices)
        self._run(_PAUSE)
        self._run(_BACKLOG, number=jobs)
        yield
        for statement in _ENDS:
            self._run(statement)

    def ring(self, *, every: int) -> None:
        """Let every job of the backlog be rung just now, or every second, and the others not."""
        rung = "CASE WHEN position % :every = 0 THEN clock_timestamp() END"
        of_backlog = "practice_id IN (SELECT id FROM practices WHERE name = 'bench')"
        self._run(f"UPDATE jobs SET rung_at = {rung} WHERE {of_backlog}", every=every)  # noqa: S608 -- our own text

    @staticmethod
    def resume(tx: Tx) -> None:
        """End the pause for this transaction only."""
        tx.session.execute(text(_ENDS[1]))

    def _run(self, statement: Any, **values: Any) -> None:
        with self.deployment.database.write() as tx:
            tx.session.execute(text(statement) if isinstance(statement, str) else statement, values)
