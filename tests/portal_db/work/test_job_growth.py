"""What PostgreSQL reads for the statements that run for every job does not grow with finished jobs, nor with the backlog.

The table was never analysed, as in a new installation, or only while it was small."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, select, text

from handlers.registry import HANDLERS
from portal_db.database import Tx
from portal_db.states import ImportState, JobState
from portal_db.tables import Job
from portal_db.visibility import Viewer
from portal_db.work import import_list, imports, jobs, outages, recent_imports, ringing
from portal_db.work.import_list import ImportFilter
from portal_db.work.jobs import Lease
from tests.making import add_practice
from tests.servers.fixtures import NEW
from tests.world import World

postgresql = pytest.mark.parametrize("database_url", [NEW], indirect=True)

BACKLOG, SET = 5_000, 50
FINISHED = 20_000


#: All but new jobs were rung.
_INSERT = text("""
    INSERT INTO jobs (id, practice_id, epoch, kind, lane, interactive, in_batch_order, asked_at, position, args, dedupe_key,
                      deadline_seconds, state, attempts, deferrals, lost_leases, created_at, rung_at,
                      lease_owner, lease_until)
    SELECT gen_random_uuid(), :practice_id, 1, 'validate_import', 'import', false, false, now(), n, '{}',
           gen_random_uuid()::text, 60, CAST(:state AS varchar), 0, 0, 0, now(),
           CASE CAST(:state AS varchar) WHEN 'queued' THEN NULL ELSE now() END, 'another', now() + interval '1 hour'
    FROM generate_series(1, :number) n
""")


_FINISHED_IMPORTS = text("""
    INSERT INTO imports (id, practice_id, requested_by, idempotency_key, fingerprint, xpm_uuid, kind, send_welcome_email,
                         bring_details, bring_relationships, state, epoch, epoch_started_at, revision, created_at)
    SELECT gen_random_uuid(), :practice_id, :staff_id, gen_random_uuid()::text, '', gen_random_uuid(), 'individual', true,
           true, true, 'succeeded', 1, now(), 1, clock_timestamp()
    FROM generate_series(1, :number)
""")


def add_many(world: World, number: int, state: JobState, practice_id: UUID | None = None) -> None:
    """Jobs of one practice, by one statement."""
    given = {"practice_id": practice_id or world.practice_id, "state": state.value, "number": number}
    with world.database.write() as tx:
        tx.session.execute(text("ALTER TABLE jobs SET (autovacuum_enabled = false)"))
        tx.session.execute(_INSERT, given)


def rows_read(world: World, step: Callable[[Tx], object]) -> float:
    """Rows that the plans of a step's statements read, over all their loops."""
    seen = statements_of(world, step)
    found = 0.0
    with world.database.write() as tx:
        # 5,000 jobs are few pages, which PostgreSQL reads as quickly as fifty steps in an index; of more it does not.
        tx.session.execute(text("SET LOCAL enable_seqscan = off"))
        for statement, parameters in seen:
            found += rows_of_plan(tx, statement, parameters)
        tx.session.rollback()
    return found


def rows_of_plan(tx: Tx, statement: str, parameters: Any) -> float:
    """Rows that the nodes of a statement's plan read, over all their loops, when it is executed."""
    plan = tx.connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
    answer = plan.scalar_one()
    return _rows((json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"])


def entries_read(world: World, index: str, step: Callable[[Tx], object]) -> int:
    """The entries of an index that a step reads on PostgreSQL, those of dead rows included."""
    so_far = text("SELECT pg_stat_get_xact_tuples_returned(CAST(:index AS regclass))")
    with world.database.write() as tx:
        before: int = tx.session.execute(so_far, {"index": index}).scalar_one()
        step(tx)
        after: int = tx.session.execute(so_far, {"index": index}).scalar_one()
        return after - before


def plans_of(world: World, step: Callable[[Tx], object]) -> list[tuple[str, list[str]]]:
    """The statements of a step, each with its plan on SQLite, which plans for any parameter, as PostgreSQL does for a
    statement that is repeated."""
    seen = statements_of(world, step)
    with world.database.read() as tx:
        plans = [
            tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            for statement, parameters in seen
        ]
        return [(statement, [row[3] for row in plan]) for (statement, _), plan in zip(seen, plans, strict=True)]


def statements_of(world: World, step: Callable[[Tx], object]) -> list[tuple[str, Any]]:
    """The statements of a step that read or update, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def note(*arguments: Any) -> None:
        if arguments[2].startswith(("SELECT", "UPDATE", "WITH")) and not arguments[5]:
            seen.append((arguments[2], arguments[3]))

    event.listen(world.database.engine, "before_cursor_execute", note)
    with world.database.write() as tx:
        step(tx)
    event.remove(world.database.engine, "before_cursor_execute", note)
    assert seen
    return seen


def _rows(node: dict[str, Any]) -> float:
    removed: float = sum(value for name, value in node.items() if name.startswith("Rows Removed"))
    own: float = (node["Actual Rows"] + removed) * node["Actual Loops"]
    return own + sum(_rows(child) for child in node.get("Plans", ()))


def in_turn(leases: Sequence[Lease]) -> dict[str, Callable[[Tx], object]]:
    """The life of a set of jobs."""
    kinds = HANDLERS.keys()
    return {
        "look": lambda tx: ringing.pick(tx, limit=SET, permits=lambda *_: 1),
        "look again": lambda tx: ringing.pick(tx, limit=SET, permits=lambda *_: 1),
        "claim one": lambda tx: imports.claim_all(tx, leases[-1:], kinds=kinds, lease_seconds=60),
        "claim a set": lambda tx: imports.claim_all(tx, leases[:-1], kinds=kinds, lease_seconds=60),
        "renew": lambda tx: jobs.renew(tx, "worker", [lease.token for lease in leases], 60),
        "take back": jobs.take_back_expired,
        "hold": lambda tx: jobs.held(tx, leases),
        "set apart": lambda tx: jobs.set_apart(tx, leases[:1]),
        "succeed": lambda tx: jobs.succeed(tx, *leases[1:]),
        "cancel": lambda tx: jobs.cancel_open(tx, uuid4()),
        "blocked": lambda tx: recent_imports.blocked(tx, [uuid4()]),
        "waiting": lambda tx: recent_imports.waiting_jobs(tx, [uuid4()]),
        "of imports": lambda tx: jobs.of_imports(tx, [uuid4()]),
    }


def life_of_a_set(world: World) -> dict[str, float]:
    """What each step of a set's life reads. Nothing was rung before: on a slow machine it would have been in vain."""
    with world.database.write() as tx:
        tx.session.execute(text("UPDATE jobs SET rung_at = NULL WHERE state = 'queued'"))
    with world.database.read() as tx:
        first: list[UUID] = list(
            tx.session.scalars(
                select(Job.id)
                .where(Job.state == JobState.QUEUED, Job.rung_at.is_(None))
                .order_by(Job.asked_at, Job.position)
                .limit(SET)
            )
        )
    return {
        name: rows_read(world, step) for name, step in in_turn([Lease(i, uuid4(), "worker") for i in first]).items()
    }


@postgresql
def test_finished_work_and_the_backlog_cost_nothing(world: World) -> None:
    add_many(world, BACKLOG, JobState.QUEUED)
    add_many(world, BACKLOG, JobState.RUNNING)
    life_of_a_set(world)
    without = life_of_a_set(world)
    add_many(world, FINISHED, JobState.SUCCEEDED)
    with_finished = life_of_a_set(world)
    read_all_running = ("look", "look again", "take back")
    # A larger table may have a plan that reads the 5,000 that run up to twice
    # more. Finished ones, of which there are 20,000, are read by none.
    more = {name: 2 * BACKLOG if name in read_all_running else 2 * SET for name in without}
    assert {name: rows for name, rows in with_finished.items() if rows > without[name] + more[name]} == {}
    few = {name: rows for name, rows in with_finished.items() if name not in read_all_running}
    assert {name: rows for name, rows in few.items() if rows > 20 * SET} == {}, "of 5,000 due and 5,000 running"


@postgresql
def test_leases_are_taken_back_without_reading_jobs_that_ran_since_the_last_vacuum(world: World) -> None:
    # Given a large table, in which many jobs have just ended
    add_many(world, FINISHED, JobState.SUCCEEDED)
    add_many(world, BACKLOG, JobState.RUNNING)
    with world.database.write() as tx:
        tx.session.execute(text("UPDATE jobs SET state = 'succeeded' WHERE state = 'running'"))
    # When the relay looks again and again
    found = [entries_read(world, "ix_jobs_running", jobs.take_back_expired) for _ in range(2)]
    # Then only its first look meets them
    assert found == [BACKLOG, 0]


@postgresql
def test_an_outage_reads_none_but_the_jobs_that_wait_for_its_end(world: World) -> None:
    # Given many finished jobs and a backlog that waits for something else
    add_many(world, FINISHED, JobState.SUCCEEDED)
    add_many(world, BACKLOG, JobState.WAITING)
    with world.database.write() as tx:
        outages.count_failure(tx, "mail", reason="is away", holder="a job", of_all=True)
    # When the next probe is planned and looked for, and the outage ends
    steps: dict[str, Callable[[Tx], object]] = {
        "plan": lambda tx: outages.plan_probe(tx, "mail", "mail_outage", seconds=60),
        "look": lambda tx: outages.probe_that_nobody_makes(tx, "mail", "mail_outage"),
        "end": lambda tx: outages.end(tx, "mail", "mail_outage"),
    }
    found = {name: rows_read(world, step) for name, step in steps.items()}
    # Then neither is read
    assert {name: rows for name, rows in found.items() if rows > SET} == {}


@postgresql
def test_a_page_of_imports_reads_no_more_than_it_shows(world: World) -> None:
    all_of_it = Viewer(world.practice_id, world.staff_id, sees_all=True)
    is_open = ImportFilter(states=(ImportState.ACCEPTED, ImportState.WAITING))
    pages: dict[str, Callable[[Tx], object]] = {
        "listing": lambda tx: imports.listing(tx, practice_id=world.practice_id, limit=SET),
        "page": lambda tx: import_list.page(tx, all_of_it, ImportFilter(), after=None, limit=SET),
        "open": lambda tx: import_list.page(tx, all_of_it, is_open, after=None, limit=SET),
        "recent": lambda tx: recent_imports.page(tx, all_of_it, seconds=86_400, after=None, limit=SET),
    }
    given = {"practice_id": world.practice_id, "staff_id": world.staff_id, "number": FINISHED}
    with world.database.write() as tx:
        tx.session.execute(text("ALTER TABLE imports SET (autovacuum_enabled = false)"))
        tx.session.execute(_FINISHED_IMPORTS, given)
    found = {name: rows_read(world, page) for name, page in pages.items()}
    assert {name: rows for name, rows in found.items() if rows > 10 * SET} == {}, f"of {FINISHED}"


def test_open_imports_are_listed_from_an_index_of_their_own(sqlite_world: World) -> None:
    everybody = Viewer(sqlite_world.practice_id, sqlite_world.staff_id, sees_all=True)
    is_open = ImportFilter(states=(ImportState.ACCEPTED, ImportState.WAITING))
    [(_, plan)] = plans_of(sqlite_world, lambda tx: import_list.page(tx, everybody, is_open, after=None, limit=SET))
    assert "ix_imports_open" in str(plan)


@postgresql
def test_a_look_reads_no_job_that_was_rung_of_practices_without_another(world: World) -> None:
    add_many(world, SET, JobState.QUEUED)
    with world.database.write() as tx:
        tx.session.execute(text("ANALYZE jobs"))  # what was true of few jobs stays in the statistics for a while
    look = in_turn([Lease(uuid4(), uuid4(), "worker")] * 2)["look"]
    alone = rows_read(world, look)
    add_many(world, BACKLOG, JobState.WAITING, add_practice(world, "Under way"))
    with world.database.write() as tx:
        tx.session.execute(text("UPDATE jobs SET rung_at = NULL WHERE state = 'queued'"))
    assert rows_read(world, look) < alone + 2 * SET


@postgresql
def test_a_look_reads_a_little_for_each_practice_with_work(world: World) -> None:
    def look(tx: Tx) -> None:
        ringing.pick(tx, limit=SET, permits=lambda *_: 1)
        ringing.forget_rings(tx)  # or the plans are those of a look that finds nothing

    practices = 150
    for number in range(practices):
        add_many(world, 3, JobState.QUEUED, add_practice(world, f"Practice {number}"))
    assert rows_read(world, look) < 75 * practices, "the square of them is 22,500"
