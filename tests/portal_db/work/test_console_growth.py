"""What PostgreSQL reads for the console's pages does not grow with finished work.

The tables were never analysed, as in a new installation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from portal_db import audit
from portal_db.audit import AuditFilter
from portal_db.database import Tx
from portal_db.dialect import count_rows
from portal_db.directory import directories
from portal_db.states import ImportState, JobState
from portal_db.work import import_search, job_search, needs_person, overview, pauses
from portal_db.work.job_search import Filter
from portal_db.xero import handover
from tests.making import add, new_job
from tests.portal_db.work.test_job_growth import rows_read
from tests.portal_db.work.test_job_search import die
from tests.servers.fixtures import NEW
from tests.world import World

DEAD = Filter(states=(JobState.DEAD,))
OPEN = Filter(states=(JobState.QUEUED, JobState.RUNNING, JobState.WAITING))
BEFORE, AFTER, LOOKED_THROUGH = 2_000, 20_000, 100

#: Ids that are older than all that the test makes, in the order of `n`.
_ID = "('0180' || lpad(to_hex(n + CAST(:first AS integer)), 8, '0') || substr(md5(n::text), 1, 20))::uuid"
_FINISHED = tuple(statement.replace("{id}", _ID) for statement in (
    """
    INSERT INTO jobs (id, practice_id, epoch, kind, lane, interactive, in_batch_order, asked_at, position, args, dedupe_key,
                      deadline_seconds, state, attempts, deferrals, lost_leases, created_at, finished_at)
    SELECT {id}, :practice, 1, 'validate_import', 'import', false, false, now(), n, '{}', gen_random_uuid()::text, 60,
           'succeeded', 1, 0, 0, now() - interval '9 days', now() - interval '9 days' FROM generate_series(1, :number) n""",
    """
    INSERT INTO imports (id, practice_id, requested_by, idempotency_key, fingerprint, xpm_uuid, kind, send_welcome_email,
                         bring_details, bring_relationships, state, epoch, epoch_started_at, revision, created_at)
    SELECT {id}, :practice, :staff, gen_random_uuid()::text, '', gen_random_uuid(), 'individual', true, true, true,
           'succeeded', 1, now(), 1, now() - interval '9 days' FROM generate_series(1, :number) n""",
    """
    INSERT INTO import_events (id, practice_id, import_id, epoch, state, created_at)
    SELECT {id}, :practice, {id}, 1, 'succeeded', now() - interval '9 days' FROM generate_series(1, :number) n""",
    """
    INSERT INTO audit (id, at, practice_id, actor, action, subject, subject_id)
    SELECT {id}, now() - interval '9 days', :practice, 'system', 'import.state', 'import', {id}
    FROM generate_series(1, :number) n""",
))  # fmt: skip

QUERIES: dict[str, Callable[[Tx, World], object]] = {
    "open work": lambda tx, _: overview.open_work(tx),
    "workers": lambda tx, _: overview.running_workers(tx),
    "closes of a day": lambda tx, _: overview.closes(tx, datetime.now(UTC), hours=24),
    "pauses": lambda tx, _: pauses.listing(tx),
    "groups": lambda tx, _: job_search.groups(tx, DEAD, limit=50),
    "standing": lambda tx, _: overview.standing(tx),
    "count of dead letters": lambda tx, _: count_rows(tx, *DEAD.conditions()),
    "dead letters": lambda tx, _: job_search.listing(tx, DEAD, limit=50),
    "open jobs": lambda tx, _: job_search.listing(tx, OPEN, limit=50),
    "latest jobs": lambda tx, _: job_search.latest(tx, Filter(code="bug"), before=None, limit=50),
    "latest imports": lambda tx, _: import_search.latest(tx, states=(ImportState.FAILED,), before=None, limit=50),
    "imports of a practice": lambda tx, world: import_search.of_practice(
        tx, world.practice_id, states=(), after=None, limit=50
    ),
    "acts of operators": lambda tx, _: audit.page(tx, AuditFilter(), before=None, limit=50),
    "acts of everybody": lambda tx, _: audit.page(tx, AuditFilter(operators_only=False), before=None, limit=50),
    "unknown emails": lambda tx, _: needs_person.unknown_emails(tx, limit=50),
    "held directories": lambda tx, _: directories.held(tx),
    "links without record": lambda tx, _: needs_person.links_without_record(tx, limit=50),
    "owners who left": lambda tx, _: handover.orphaned_connections(tx),
}


def finish_many(world: World, number: int, first: int) -> None:
    """Imports that were closed days ago, with their jobs, events and audit rows."""
    given = {"practice": world.practice_id, "staff": world.staff_id, "number": number, "first": first}
    with world.database.write() as tx:
        for table in ("jobs", "imports", "import_events", "audit"):
            tx.session.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
        for statement in _FINISHED:
            tx.session.execute(text(statement), given)


@pytest.mark.parametrize("database_url", [NEW], indirect=True)
def test_no_page_reads_more_with_more_finished_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (audit, import_search, job_search):
        monkeypatch.setattr(module, "LOOKED_THROUGH", LOOKED_THROUGH)
    for _ in range(3):
        die(world, "It broke.")
    add(world, *(new_job(world) for _ in range(5)))
    finish_many(world, BEFORE, first=0)
    before = {name: rows_read(world, lambda tx, query=query: query(tx, world)) for name, query in QUERIES.items()}  # type: ignore[misc]
    finish_many(world, AFTER, first=BEFORE)
    after = {name: rows_read(world, lambda tx, query=query: query(tx, world)) for name, query in QUERIES.items()}  # type: ignore[misc]
    assert {name: (rows, after[name]) for name, rows in before.items() if after[name] > rows + 100} == {}
