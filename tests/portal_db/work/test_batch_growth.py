"""What a set of imports makes PostgreSQL read grows neither with its practice nor with its batch.

The tables were never analysed: in the first minute of a new installation its first batch is under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from hashlib import md5
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, event, select, text

from handlers.registry import HANDLERS
from portal_db import welcome_emails
from portal_db.access import people
from portal_db.clients import clients, relationships
from portal_db.database import Database, Tx
from portal_db.states import ImportState
from portal_db.tables import Import
from portal_db.work import imports, in_use
from portal_db.work.jobs import Lease
from portal_db.xero import requester
from tests.handlers.given import find, is_company, records
from tests.portal_db.work.test_job_growth import rows_read
from tests.servers.fixtures import NEW
from tests.world import World, is_importable_person
from xpm.simulator.serve import SimulatorHandle

pytestmark = pytest.mark.parametrize("database_url", [NEW], indirect=True)

BATCH, SET = 5_000, 50
TABLES = ("imports", "jobs", "logins", "clients", "client_fields", "xpm_links", "welcome_emails", "relationships")

#: Of two indexes that look equally good PostgreSQL takes the newer one: here that of a practice's imports.
_NEWER = (
    "DROP INDEX ix_imports_listing",
    "CREATE INDEX ix_imports_listing ON imports (practice_id, created_at, id)",
)
#: A batch whose first half was imported: person `n` has the import, client, login and email with the number `n`.
_FILL = (
    """INSERT INTO batches (id, practice_id, requested_by, idempotency_key, fingerprint, size, created_at)
       VALUES (:batch_id, :practice_id, :staff_id, 'a batch', '', :number, now())""",
    """INSERT INTO imports (id, practice_id, requested_by, idempotency_key, fingerprint, batch_id, position, xpm_uuid, kind,
                            email_key, send_welcome_email, bring_details, bring_relationships, state, epoch,
                            epoch_started_at, revision, created_at)
       SELECT md5('import' || n)::uuid, :practice_id, :staff_id, n::text, '', :batch_id, n, md5('record' || n)::uuid,
              'individual', n || '@clients.example', true, true, true,
              CASE WHEN n < :number / 2 THEN 'succeeded' ELSE 'accepted' END, 1, now(), 1, clock_timestamp()
       FROM generate_series(0, :number - 1) n""",
    """INSERT INTO jobs (id, practice_id, import_id, epoch, kind, lane, interactive, in_batch_order, asked_at, position,
                         args, dedupe_key, deadline_seconds, state, attempts, deferrals, lost_leases, created_at)
       SELECT md5('job' || n)::uuid, :practice_id, md5('import' || n)::uuid, 1, 'validate_import', 'import', false, true,
              now(), n, '{}', n::text, 60, 'queued', 0, 0, 0, now()
       FROM generate_series(:number / 2, :number - 1) n""",
    """INSERT INTO logins (id, kind, email, email_key, created_at)
       SELECT md5('login' || n)::uuid, 'client', n || '@clients.example', n || '@clients.example', now()
       FROM generate_series(0, :number / 2 - 1) n""",
    """INSERT INTO clients (id, practice_id, kind, name, client_type, subscription, login_id, is_new, created_by, created_at)
       SELECT md5('client' || n)::uuid, :practice_id, 'individual', 'A person', 'Personal', 'Starter',
              md5('login' || n)::uuid, true, :staff_id, now()
       FROM generate_series(0, :number / 2 - 1) n""",
    """INSERT INTO client_fields (client_id, field, value, source, is_override, as_of)
       SELECT md5('client' || n)::uuid, field, 'a value', 'xpm', false, now()
       FROM generate_series(0, :number / 2 - 1) n, unnest(ARRAY['name', 'email', 'phone', 'city']) field""",
    """INSERT INTO xpm_links (id, practice_id, client_id, connection_id, tenant_id, xpm_uuid, linked_by, linked_at)
       SELECT md5('link' || n)::uuid, :practice_id, md5('client' || n)::uuid, :connection_id, 'a tenant',
              md5('record' || n)::uuid, :staff_id, now()
       FROM generate_series(0, :number / 2 - 1) n""",
    """INSERT INTO relationships (id, practice_id, client_id, label, label_key, other_xpm_uuid, other_name, state, version,
                                  as_of)
       SELECT md5(label || n)::uuid, :practice_id, md5('client' || n)::uuid, label, label, md5('other' || n)::uuid,
              'Another', 'pending', 1, now()
       FROM generate_series(0, :number / 2 - 1) n, unnest(ARRAY['wife', 'director of']) label""",
    """INSERT INTO welcome_emails (id, practice_id, client_id, version, state, message_id, created_at)
       SELECT md5('email' || n)::uuid, :practice_id, md5('client' || n)::uuid, 1, 'pending', n::text, now()
       FROM generate_series(0, :number / 2 - 1) n""",
)

#: Colleagues with an XPM connection each.
_COLLEAGUES = (
    """INSERT INTO staff (id, practice_id, login_id, name, role, created_at)
       SELECT md5('staff' || n)::uuid, :practice_id, md5('login' || n)::uuid, 'A colleague', 'manager', now()
       FROM generate_series(0, :number - 1) n""",
    """INSERT INTO xero_logins (id, xero_user_id, access_expires_at, updated_at, version, refresh_failures)
       SELECT md5('xero' || n)::uuid, n::text, now(), now(), 1, 0 FROM generate_series(0, :number - 1) n""",
    """INSERT INTO xpm_connections (id, practice_id, staff_id, xero_login_id, tenant_id, state, breaks, connected_at)
       SELECT md5('connection' || n)::uuid, :practice_id, md5('staff' || n)::uuid, md5('xero' || n)::uuid, 'a tenant',
              'connected', 0, now()
       FROM generate_series(0, :number - 1) n""",
)


def fill(world: World) -> None:
    given = {
        "batch_id": uuid4(),
        "practice_id": world.practice_id,
        "staff_id": world.staff_id,
        "connection_id": world.connection_id,
        "number": BATCH,
    }
    with world.database.write() as tx:
        for table in TABLES:
            tx.session.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
        for statement in (*_NEWER, *_FILL):
            tx.session.execute(text(statement), given)


def ids(what: str, numbers: range) -> list[UUID]:
    return [UUID(md5(f"{what}{number}".encode(), usedforsecurity=False).hexdigest()) for number in numbers]


def claim(tx: Tx, job_ids: Sequence[UUID]) -> None:
    leases = [Lease(job_id, uuid4(), "worker") for job_id in job_ids]
    imports.claim_all(tx, leases, kinds=HANDLERS.keys(), lease_seconds=60)


def test_a_set_reads_what_it_imports(world: World) -> None:
    fill(world)
    next_ones = range(BATCH // 2, BATCH // 2 + SET)
    with world.database.read() as tx:
        rows = {
            row.id: row for row in tx.session.scalars(select(Import).where(Import.id.in_(ids("import", next_ones))))
        }
    emails = {row_id: f"{number}@clients.example" for number, row_id in enumerate(rows)}
    made = ids("client", range(SET))
    steps: dict[str, Callable[[Tx], Any]] = {
        "claim": lambda tx: claim(tx, ids("job", next_ones)),
        "who requests": lambda tx: requester.requesters(tx, rows.keys()),
        "in use": lambda tx: in_use.read(tx, rows.values(), emails.values()),
        "linked clients": lambda tx: clients.linked(tx, made),
        "their fields": lambda tx: clients.fields_of(tx, made),
        "their links": lambda tx: relationships.lock_links(tx, made),
        "their relationships": lambda tx: relationships.lock_rows(tx, made),
        "same email": lambda tx: imports.earlier_claims_on_emails(tx, emails, rows),
        "emails to write": lambda tx: welcome_emails.addressed(tx, ids("email", range(SET)), world.practice_id),
    }
    found = {name: rows_read(world, step) for name, step in steps.items()}
    assert {name: rows for name, rows in found.items() if rows > 25 * SET} == {}, f"of a batch of {BATCH}"


def rows_of_whole_tables(database: Database, step: Callable[[Tx], object]) -> int:
    """How many rows a step reads by going through tables from the beginning to the end."""
    return counted(database, step)[0]


def counted(database: Database, step: Callable[[Tx], object]) -> tuple[int, int]:
    """How many rows a step reads: by going through tables from the beginning to the end, and by indexes."""
    read = text("SELECT sum(seq_tup_read)::int, sum(idx_tup_fetch)::int FROM pg_stat_xact_user_tables")
    with database.write() as tx:
        before = tx.session.execute(
            read
        ).one()  # PostgreSQL forgets the transactions before this one only after a while
        step(tx)
        after = tx.session.execute(read).one()
        return after[0] - before[0], after[1] - before[1]


def test_a_worker_keeps_no_plan_that_reads_a_whole_table(world: World) -> None:
    # Given a worker whose connection has looked up logins often while there were few
    def look_up(tx: Tx) -> None:
        people.logins_of_emails(tx, [f"{number}@clients.example" for number in range(SET)])

    url = world.database.engine.url.render_as_string(hide_password=False)
    with closing(Database(url, by_index=True)) as worker, closing(Database(url)) as another:
        for database in (worker, another):
            for _ in range(20):  # until the driver prepares it, and PostgreSQL plans it once and for all
                rows_of_whole_tables(database, look_up)
        # When they have become many
        fill(world)
        # Then it does not go through them, as another connection does
        assert rows_of_whole_tables(another, look_up) > BATCH // 2, "or this test shows nothing"
        assert rows_of_whole_tables(worker, look_up) == 0


def test_a_worker_makes_a_plan_once_that_fits_any_parameters(world: World) -> None:
    # Given a practice whose many staff have a connection each
    fill(world)
    with world.database.write() as tx:
        for statement in _COLLEAGUES:
            tx.session.execute(text(statement), {"practice_id": world.practice_id, "number": BATCH // 2})
    one, client = ids("import", range(BATCH // 2, BATCH // 2 + 1)), ids("client", range(1))
    steps: dict[str, Callable[[Tx], object]] = {
        "who requests": lambda tx: requester.requesters(tx, one),
        "who creates": lambda tx: requester.staff_requesters(tx, world.practice_id, {world.staff_id}),
        "claim": lambda tx: claim(tx, ids("job", range(BATCH // 2, BATCH // 2 + 1))),
        "linked client": lambda tx: clients.linked(tx, client),
        "its fields": lambda tx: clients.fields_of(tx, client),
        "its link": lambda tx: relationships.lock_links(tx, client),
        "its relationships": lambda tx: relationships.lock_rows(tx, client),
    }
    url = world.database.engine.url.render_as_string(hide_password=False)
    with closing(Database(url, by_index=True)) as worker:
        for step in steps.values():
            for _ in range(20):  # until the driver prepares it
                counted(worker, step)
        # When a worker's statements have run often, then none reads all of them, and none is planned once more
        found = {name: sum(counted(worker, step)) for name, step in steps.items()}
        assert {name: rows for name, rows in found.items() if rows > SET} == {}
        with worker.read() as tx:
            planned = text("SELECT statement FROM pg_prepared_statements WHERE custom_plans > 0")
            assert tx.session.scalars(planned).all() == []


def test_no_statement_of_an_import_reads_what_others_have_left(world: World, simulator: SimulatorHandle) -> None:
    # Given a practice half of whose big batch was imported, and a worker whose connection has kept its plans before
    people_in_xpm = iter([record for record in records(simulator) if is_importable_person(record)])
    url = world.database.engine.url.render_as_string(hide_password=False)
    with closing(Database(url, by_index=True)) as database:
        worker = replace(world, database=database, services=replace(world.services, database=database))
        for _ in range(8):  # until the driver prepares them
            assert worker.run_import(next(people_in_xpm).uuid).state is ImportState.SUCCEEDED
        fill(world)
        with world.database.write() as tx:
            tx.session.execute(text("DELETE FROM jobs WHERE state = 'queued'"))
        # When a person, an entity, and a person whose address somebody has are imported
        with reading_much(database) as much:
            found = [
                worker.run_import(next(people_in_xpm).uuid).state,
                worker.run_import(find(simulator, is_company).uuid, "entity").state,
                worker.run_import(next(people_in_xpm).uuid, email="7@clients.example").state,
            ]
        # Then no statement has read more than it needs
        assert found == [ImportState.SUCCEEDED, ImportState.SUCCEEDED, ImportState.REJECTED]
        assert much == []


@contextmanager
def reading_much(database: Database) -> Iterator[list[str]]:
    """The statements of the block's transactions that read more rows than one import needs."""
    much: list[str] = []

    def rows_read(connection: Connection) -> int:
        cursor = connection.connection.cursor()
        cursor.execute("SELECT sum(seq_tup_read + idx_tup_fetch)::int FROM pg_stat_xact_user_tables")
        [(count,)] = cursor.fetchall()
        return int(count)

    @event.listens_for(database.engine, "before_cursor_execute")
    def before(connection: Connection, *_: object) -> None:
        connection.info["rows_read"] = rows_read(connection)

    @event.listens_for(database.engine, "after_cursor_execute")
    def after(connection: Connection, _: object, statement: str, *__: object) -> None:
        if rows_read(connection) - connection.info["rows_read"] > 2 * SET:
            much.append(statement)

    yield much
