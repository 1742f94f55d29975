"""Fills a database with what operators look at after a year: finished imports, dead letters of many causes, and open work
that waits."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from bench.aged import YEAR, add_functions
from bench.deployment import Deployment

PRACTICES = 50
#: Finished work is spread over a year, dead letters over so many seconds.
MONTH = 30 * 86_400
TABLES = ("practices", "imports", "jobs", "job_attempts", "import_events", "audit")

_STATEMENTS = (
    """
    CREATE TEMPORARY TABLE firms (id uuid, n integer)""",
    """
    INSERT INTO firms SELECT gen_random_uuid(), n FROM generate_series(0, :practices - 1) n""",
    """
    INSERT INTO practices (id, name, time_zone, mfa_mandatory, created_at)
    SELECT id, 'Practice ' || n, 'Australia/Sydney', true, now() FROM firms""",
    # Finished imports of five jobs each
    """
    CREATE TEMPORARY TABLE finished (id uuid, practice_id uuid, n integer, ago float)""",
    """
    INSERT INTO finished SELECT id_from(ago), firms.id, ages.n, ago
    FROM (SELECT n, :year * (1 - n / (1.0 + :finished / 5)) AS ago FROM generate_series(1, :finished / 5) n) ages
         JOIN firms ON firms.n = ages.n % :practices""",
    """
    INSERT INTO imports (id, practice_id, requested_by, idempotency_key, fingerprint, xpm_uuid, kind, send_welcome_email,
                         bring_details, bring_relationships, state, epoch, epoch_started_at, revision, created_at, closed_at,
                         resolved_at)
    SELECT id, practice_id, :staff, gen_random_uuid()::text, '', gen_random_uuid(), 'individual', true, true, true,
           (ARRAY['succeeded', 'succeeded', 'rejected', 'partly_succeeded'])[1 + n % 4], 1, past(ago), 1,
           past(ago), past(ago), past(ago)
    FROM finished""",
    """
    INSERT INTO jobs (id, practice_id, import_id, epoch, kind, lane, interactive, in_batch_order, asked_at, position, args,
                      dedupe_key, deadline_seconds, attempts, deferrals, lost_leases, state, created_at, finished_at)
    SELECT id_from(ago), practice_id, finished.id, 1, kind, 'import', false, false, past(ago), 0, '{}',
           gen_random_uuid()::text, 60, 0, 0, 0, 'succeeded', past(ago), past(ago)
    FROM finished, unnest(ARRAY['validate_import', 'create_client', 'import_details', 'import_relationships',
                                'send_welcome_email']) AS kinds (kind)""",
    """
    INSERT INTO job_attempts (token, job_id, number, owner, started_at, finished_at, outcome)
    SELECT gen_random_uuid(), id, 1, 'bench', finished_at, finished_at, 'succeeded' FROM jobs WHERE state = 'succeeded'""",
    """
    INSERT INTO import_events (id, practice_id, import_id, epoch, state, created_at)
    SELECT id_from(ago), practice_id, id, 1, 'succeeded', past(ago) FROM finished""",
    """
    INSERT INTO audit (id, at, practice_id, actor, action, subject, subject_id, before, after)
    SELECT id_from(ago), past(ago), practice_id, 'system', 'import.state', 'import', id, 'accepted', 'succeeded'
    FROM finished""",
    # Dead letters of forty causes, some of them frequent, and as many acts of operators
    """
    INSERT INTO jobs (id, practice_id, epoch, kind, lane, interactive, in_batch_order, asked_at, position, args, dedupe_key,
                      deadline_seconds, attempts, deferrals, lost_leases, state, created_at, finished_at, error_class,
                      error_code, error_cause, error_message)
    SELECT id_from(ago), firms.id, 1, (ARRAY['create_client', 'validate_import', 'import_details'])[1 + cause % 3],
           'import', false, false, past(ago), 0, '{}', gen_random_uuid()::text, 60, 8, 0, 0, 'dead',
           past(ago), past(ago), 'permanent',
           (ARRAY['bug', 'xpm_malformed', 'xpm_unreachable', 'poison'])[1 + cause % 4], left(md5(cause::text), 12),
           'Something unexpected went wrong in step ' || cause || ': the disk was full.'
    FROM (SELECT n, floor(40 * power(random(), 3))::integer AS cause, :month * (1 - n / (1.0 + :dead)) AS ago
          FROM generate_series(1, :dead) n) letters JOIN firms ON firms.n = letters.n % :practices""",
    """
    INSERT INTO audit (id, at, practice_id, actor, actor_id, action, subject, subject_id, before, after, why)
    SELECT id_from(ago), past(ago), firms.id, 'operator', :operator, 'job.requeue', 'job', gen_random_uuid(),
           'dead', 'queued', 'ticket'
    FROM (SELECT n, :month * (1 - n / (1.0 + :dead)) AS ago FROM generate_series(1, :dead) n) acts
         JOIN firms ON firms.n = acts.n % :practices""",
    # Open work: most of it waits until tomorrow; the rest is due, of practices that are paused
    """
    INSERT INTO jobs (id, practice_id, epoch, kind, lane, interactive, in_batch_order, asked_at, position, args, dedupe_key,
                      deadline_seconds, attempts, deferrals, lost_leases, state, created_at, next_attempt_at, parked_at,
                      error_class, error_code, error_message)
    SELECT id_from(0), firms.id, 1, (ARRAY['validate_import', 'create_client', 'import_details'])[1 + number % 3],
           'import', false, false, now(), number, '{}', gen_random_uuid()::text, 60, 0, 1, 0,
           CASE WHEN is_due THEN 'queued' ELSE 'waiting' END, now(), CASE WHEN NOT is_due THEN now() + interval '1 day' END,
           CASE WHEN NOT is_due THEN now() END,
           CASE WHEN NOT is_due THEN (ARRAY['deferred', 'transient', 'connection'])[1 + number % 3] END,
           CASE WHEN NOT is_due THEN (ARRAY['xpm_quota', 'xpm_unreachable', 'xero_connection'])[1 + number % 3] END,
           CASE WHEN NOT is_due THEN 'It waits until tomorrow.' END
    FROM (SELECT number, number % 10 = 0 FROM generate_series(1, :open) number) opened (number, is_due)
         JOIN firms ON firms.n = number % :practices""",
    """
    INSERT INTO pauses (id, practice_id, reason, created_at) SELECT gen_random_uuid(), id, 'bench', now() FROM firms
    WHERE id IN (SELECT practice_id FROM jobs WHERE state = 'queued')""",
)


def fill(deployment: Deployment, *, operator_id: UUID, finished: int, dead: int, open_jobs: int) -> None:
    """Add the rows, and let PostgreSQL gather statistics, as it has in an installation that grew."""
    sizes = {
        "finished": finished,
        "dead": dead,
        "open": open_jobs,
        "practices": PRACTICES,
        "year": YEAR,
        "month": MONTH,
    }
    add_functions(deployment.database)
    given = {**sizes, "staff": deployment.staff_id, "operator": operator_id}
    with deployment.database.write() as tx:
        for statement in _STATEMENTS:
            used = {name: value for name, value in given.items() if f":{name}" in statement}
            tx.session.execute(text(statement), used)
    with deployment.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in TABLES:
            connection.execute(text(f"VACUUM ANALYZE {table}"))
