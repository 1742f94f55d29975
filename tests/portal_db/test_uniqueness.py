"""What must be unique is decided by an index, whoever comes at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.exc import IntegrityError

from handlers.email.addresses import normalise
from handlers.imports.accept import accept, accept_batch
from portal_db import welcome_emails
from portal_db.access import people
from portal_db.clients import clients
from portal_db.database import Tx
from portal_db.states import ClientKind, EntityType, ImportState, LoginKind
from portal_db.types import database_time
from portal_db.work import imports, jobs
from portal_db.xero import connections, logins, reconnect_notices
from tests.making import new_job
from tests.racing import at_once
from tests.world import TENANT, World, connect_practice

RACERS = 4


def race(world: World, step: Callable[[Tx], object]) -> list[object]:
    """Run one unit of work in several threads at once."""

    def run() -> object:
        with world.database.write() as tx:
            return step(tx)

    return at_once(*[run] * RACERS)


def entity(tx: Tx, world: World, **fields: object) -> dict[str, Any]:
    return {
        "id": tx.new_id(),
        "practice_id": world.practice_id,
        "import_id": None,
        "kind": ClientKind.ENTITY,
        "name": "Harbour Trust",
        "entity_type": EntityType.TRUST,
        "created_by": world.staff_id,
        **fields,
    }


def linked_entity(tx: Tx, world: World, xpm_uuid: UUID) -> bool:
    row = entity(tx, world)
    clients.add(tx, row)
    return link(tx, world, row["id"], xpm_uuid)


def link(tx: Tx, world: World, client_id: UUID, xpm_uuid: UUID) -> bool:
    return clients.link(
        tx,
        {
            "id": tx.new_id(),
            "practice_id": world.practice_id,
            "client_id": client_id,
            "connection_id": world.connection_id,
            "tenant_id": TENANT,
            "xpm_uuid": xpm_uuid,
            "linked_by": world.staff_id,
        },
    )


def test_an_email_belongs_to_one_login(world: World) -> None:
    spellings = iter(["Ann@Example.com", "ann@example.com", "ANN@EXAMPLE.COM", " ann@example.com "])

    def take(tx: Tx) -> bool:
        address, key = normalise(next(spellings))
        return people.add_login(tx, tx.new_id(), LoginKind.CLIENT, address, key)

    assert race(world, take).count(True) == 1
    assert world.scalar("SELECT count(*) FROM logins WHERE email_key = 'ann@example.com'") == 1


def test_an_xpm_record_is_linked_to_one_client_of_a_practice(world: World) -> None:
    record = uuid4()
    assert race(world, lambda tx: linked_entity(tx, world, record)).count(True) == 1


def test_a_client_has_one_live_link(world: World) -> None:
    with world.database.write() as tx:
        row = entity(tx, world)
        clients.add(tx, row)
    assert race(world, lambda tx: link(tx, world, row["id"], uuid4())).count(True) == 1


def test_a_cut_link_frees_both_its_ends(world: World) -> None:
    record = uuid4()
    with world.database.write() as tx:
        row = entity(tx, world)
        clients.add(tx, row)
        assert link(tx, world, row["id"], record)
        assert clients.unlink(tx, row["id"])
        assert link(tx, world, row["id"], record)
    assert world.scalar("SELECT count(*) FROM xpm_links") == 2


def test_an_import_makes_one_client(world: World) -> None:
    import_id = world.ask(uuid4(), "entity")
    results = race(world, lambda tx: clients.add(tx, entity(tx, world, import_id=import_id)))
    assert results.count(None) == 1
    assert [type(result) for result in results if result is not None] == [IntegrityError] * (RACERS - 1)


def test_a_request_sent_several_times_at_once_is_one_import(world: World) -> None:
    request = world.request(uuid4())
    results: Any = at_once(*[lambda: accept(world.database, world.bell, request)] * RACERS)
    assert len({accepted.import_id for accepted in results}) == 1
    assert [accepted.is_new for accepted in results].count(True) == 1
    assert world.scalar("SELECT count(*) FROM imports") == world.scalar("SELECT count(*) FROM jobs") == 1
    assert len(world.bell.rung) == 1


def test_a_key_is_unique_in_its_practice_only(world: World) -> None:
    theirs, colleague, _ = connect_practice(world.database, world.services.settings, "token", name="Quay Partners")
    ours = world.request(uuid4())
    other = ours.model_copy(update={"practice_id": theirs, "requested_by": colleague})
    assert accept(world.database, world.bell, ours).is_new
    assert accept(world.database, world.bell, other).is_new


def test_a_batch_sent_several_times_at_once_is_one_batch(world: World) -> None:
    rows = [world.request(uuid4()), world.request(uuid4())]
    results: Any = at_once(*[lambda: accept_batch(world.database, world.bell, "one key", rows)] * RACERS)
    assert len({accepted.batch_id for accepted in results}) == 1
    assert [accepted.is_new for accepted in results].count(True) == 1
    assert [world.scalar(f"SELECT count(*) FROM {table}") for table in ("batches", "imports", "jobs")] == [1, 2, 2]  # noqa: S608 -- our own names


def test_a_batch_row_has_one_place(world: World) -> None:
    first = world.request(uuid4())
    world.ask_batch([first])
    with world.database.read() as tx:
        [row] = imports.listing(tx)
    values = {name: getattr(row, name) for name in first.model_dump(exclude={"request_id"})}
    again = {**values, "batch_id": row.batch_id, "position": row.position, "fingerprint": "x"}
    with world.database.write() as tx:
        assert not imports.add(tx, {**again, "id": tx.new_id(), "idempotency_key": "another"})


def test_a_staff_member_has_one_live_connection(world: World) -> None:
    with world.database.write() as tx:
        connections.disconnect(tx, world.connection_id)

    def connect(tx: Tx) -> bool:
        xero_login = {
            "id": tx.new_id(),
            "xero_user_id": "xero-one",
            "access_token": b"sealed",
            "refresh_token": None,
            "access_expires_at": datetime.now(UTC),
        }
        row = {
            "id": tx.new_id(),
            "practice_id": world.practice_id,
            "staff_id": world.staff_id,
            "xero_login_id": logins.store_consented(tx, xero_login),
            "tenant_id": TENANT,
            "tenant_name": None,
        }
        return connections.add_connection(tx, row)

    assert race(world, connect).count(True) == 1
    assert world.scalar("SELECT count(*) FROM xero_logins WHERE xero_user_id = 'xero-one'") == 1


def test_a_client_has_one_welcome_email(world: World) -> None:
    with world.database.write() as tx:
        row = entity(tx, world)
        clients.add(tx, row)
        now = database_time(tx.session)
    assert len(set(race(world, lambda tx: welcome_emails.add(tx, world.practice_id, row["id"], asked_at=now)))) == 1
    assert world.scalar("SELECT count(*) FROM welcome_emails") == 1


def test_an_epoch_has_one_closing_event(world: World) -> None:
    import_id = world.ask(uuid4())
    for state in (ImportState.SUCCEEDED, ImportState.FAILED):
        with world.database.write() as tx:
            imports.set_states(tx, [(imports.lock(tx, import_id), state, None)])
    assert world.scalar("SELECT count(*) FROM import_events") == 1


def test_a_break_has_one_notice(world: World) -> None:
    added = race(world, lambda tx: reconnect_notices.add(tx, world.connection_id, 1))
    assert added.count(None) == RACERS - 1
    with world.database.write() as tx:
        assert reconnect_notices.add(tx, world.connection_id, 2) is not None, "another break is told as well"


def test_the_same_work_is_one_job(world: World) -> None:
    results: Any = race(world, lambda tx: jobs.add(tx, [new_job(world, dedupe_key="import:1:create_client")]))
    assert sorted(len(added) for added in results) == [0] * (RACERS - 1) + [1]
    assert world.scalar("SELECT count(*) FROM jobs") == 1


def test_known_work_among_new_is_left_out(world: World) -> None:
    first, second = new_job(world, dedupe_key="a"), new_job(world, dedupe_key="b")
    with world.database.write() as tx:
        jobs.add(tx, [first])
    with world.database.write() as tx:
        assert jobs.add(tx, [new_job(world, dedupe_key="a"), second]) == {second.id}


def test_staff_and_clients_share_one_set_of_emails(world: World) -> None:
    address, key = normalise("Person@Example.COM")
    with world.database.write() as tx:
        assert people.add_login(tx, tx.new_id(), LoginKind.CLIENT, address, key)
        assert not people.add_login(tx, tx.new_id(), LoginKind.STAFF, *normalise("PERSON@example.com"))
