"""create_client and create_entity: what a new client consists of, and that it is made whole or not at all."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import delete, select

from handlers.directory.classification import entity_type_of
from portal_db.clients import clients
from portal_db.states import (
    ClientKind,
    ClientType,
    ConnectionState,
    EntityType,
    FieldSource,
    ImportState,
    JobState,
    LoginKind,
    Subscription,
)
from portal_db.tables import ClientVisibility, DirectoryRecord, Login
from portal_db.xero import connections
from tests.handlers.given import (
    change,
    client_of,
    disconnect,
    fields_of,
    find,
    is_company,
    link_entity,
    record_of,
    run_only,
    run_with_interruption,
    set_connection,
    set_staff,
    take_login,
    written,
)
from tests.world import World, is_importable_person
from xpm.simulator.serve import SimulatorHandle


def validated(world: World, xpm_uuid: UUID, kind: str = "individual", **fields: object) -> UUID:
    """An import that passed validation and is about to create its client."""
    import_id = world.ask(xpm_uuid, kind, **fields)
    run_only(world, import_id, "validate_import")
    assert world.import_row(import_id).state is ImportState.IN_PROGRESS
    return import_id


def test_a_new_client_has_what_the_window_promises(world: World, simulator: SimulatorHandle) -> None:
    """b.5, b.7, b.9: Personal, Starter, New, visible to its creator alone, linked to its record, with a login."""
    record = find(simulator, is_importable_person)
    row = world.run_import(record.uuid, bring_details=False, bring_relationships=False)
    client = client_of(world, row)
    assert (client.kind, client.name) == (ClientKind.INDIVIDUAL, record.name)
    assert (client.client_type, client.subscription) == (ClientType.PERSONAL, Subscription.STARTER)
    assert (client.is_new, client.created_by, client.import_id) == (True, world.staff_id, row.id)
    assert client.login_id is not None
    with world.database.read() as tx:
        login = tx.session.get_one(Login, client.login_id)
        link = clients.linked(tx, [client.id])[client.id].link
        seen_by = list(tx.session.scalars(select(ClientVisibility.staff_id)))
    assert (login.kind, login.email, login.password_hash, login.activated_at) == (
        LoginKind.CLIENT,
        record.email,
        None,
        None,
    )
    assert (link.xpm_uuid, link.connection_id) == (record.uuid, world.connection_id)
    assert seen_by == [world.staff_id]
    fields = fields_of(world, row)
    assert {name: (field.value, field.source, field.is_override) for name, field in fields.items()} == {
        "name": (record.name, FieldSource.XPM, False),
        "email": (record.email, FieldSource.XPM, False),
    }
    assert row.state is ImportState.SUCCEEDED
    assert world.scalar("select count(*) from welcome_emails") == 0


def test_what_the_requester_chose_is_kept(world: World, simulator: SimulatorHandle) -> None:
    record = find(simulator, is_importable_person)
    row = world.run_import(
        record.uuid, name="Dr Kim", email="Kim@Mail.example", client_type="Business", subscription="Pro"
    )
    client = client_of(world, row)
    assert (client.name, client.client_type, client.subscription) == ("Dr Kim", ClientType.BUSINESS, Subscription.PRO)
    name = fields_of(world, row)["name"]
    assert (name.value, name.source, name.is_override) == ("Dr Kim", FieldSource.IMPORT, True)
    assert world.scalar("select email_key from logins where kind = 'client'") == "kim@mail.example"


def test_an_entity_has_a_name_a_type_and_no_login(world: World, simulator: SimulatorHandle) -> None:
    """b.3: no email needed, no login, no subscription, no welcome email."""
    record = find(simulator, lambda each: is_company(each) and not each.email)
    row = world.run_import(record.uuid, "entity")
    client = client_of(world, row)
    assert (client.kind, client.name, client.entity_type) == (ClientKind.ENTITY, record.name, EntityType.COMPANY)
    assert (client.login_id, client.client_type, client.subscription) == (None, None, None)
    assert world.scalar("select count(*) from logins where kind = 'client'") == 0
    assert world.scalar("select count(*) from welcome_emails") == 0
    assert set(world.states_of(row.id)) == {
        "validate_import",
        "create_entity",
        "import_details",
        "import_relationships",
    }
    assert row.state is ImportState.SUCCEEDED


def test_an_entity_s_adjusted_name_and_type_outlive_the_details(world: World, simulator: SimulatorHandle) -> None:
    """b.3: both may differ from XPM's, and stay different when the details are brought."""
    row = world.run_import(
        find(simulator, is_company).uuid, "entity", name="Known as Kim's", entity_type="Joint Venture"
    )
    client = client_of(world, row)
    assert (client.name, client.entity_type) == ("Known as Kim's", EntityType.JOINT_VENTURE)
    fields = fields_of(world, row)
    assert {name: (field.value, field.is_override) for name, field in fields.items()} == {
        "name": ("Known as Kim's", True),
        "type": ("Joint Venture", True),
    }
    assert world.states_of(row.id)["import_details"] is JobState.SUCCEEDED


@pytest.mark.parametrize("structure", ["Trust", "Partnership", "Deceased Estate", "Self Managed Superannuation Fund"])
def test_an_entity_s_type_is_what_its_structure_says(
    sqlite_world: World, simulator: SimulatorHandle, structure: str
) -> None:
    record = find(simulator, lambda each: each.business_structure == structure and not each.is_archived)
    row = sqlite_world.run_import(record.uuid, "entity")
    expected = entity_type_of(record_of(record.uuid, record.name, business_structure=structure))
    assert client_of(sqlite_world, row).entity_type is expected


@pytest.mark.parametrize("brings", [(True, False), (False, True), (False, False)])
def test_only_what_was_ticked_is_brought(
    sqlite_world: World, simulator: SimulatorHandle, brings: tuple[bool, bool]
) -> None:
    details, relations = brings
    record = find(simulator, lambda each: is_importable_person(each) and each.relationships)
    row = sqlite_world.run_import(record.uuid, bring_details=details, bring_relationships=relations)
    kinds = set(sqlite_world.states_of(row.id))
    assert ("import_details" in kinds, "import_relationships" in kinds) == brings
    assert bool(sqlite_world.scalar("select count(*) from relationships")) is relations
    assert row.state is ImportState.SUCCEEDED


def test_an_email_taken_since_validation(world: World, simulator: SimulatorHandle) -> None:
    record = find(simulator, is_importable_person)
    import_id = validated(world, record.uuid, send_welcome_email=True)
    assert record.email is not None
    take_login(world, record.email.upper())
    before = written(world)
    world.run_due()
    row = world.import_row(import_id)
    assert (row.state, row.outcome_code, row.outcome_field) == (ImportState.REJECTED, "email_taken", "email")
    assert written(world) == before
    assert row.client_id is None


def test_an_email_gone_since_validation(own_sqlite_world: World, own_simulator: SimulatorHandle) -> None:
    """Read anew, the record has no email any more: that is said, and not that its email is no address."""
    world = own_sqlite_world
    record = find(own_simulator, is_importable_person)
    import_id = validated(world, record.uuid)
    change(own_simulator, record.uuid, email="")
    with world.database.write() as tx:
        tx.session.execute(delete(DirectoryRecord))
    world.run_due()
    row = world.import_row(import_id)
    assert (row.state, row.outcome_code, row.outcome_field) == (ImportState.REJECTED, "email_missing", "email")
    assert written(world) == {}


@pytest.mark.parametrize("kind", ["individual", "entity"])
def test_a_record_linked_since_validation(world: World, simulator: SimulatorHandle, kind: str) -> None:
    """b.35: the unique index decides, and the loser's login goes with it."""
    record = find(simulator, is_importable_person if kind == "individual" else is_company)
    import_id = validated(world, record.uuid, kind)
    link_entity(world, record.uuid)
    before = written(world)
    world.run_due()
    row = world.import_row(import_id)
    assert (row.state, row.outcome_code, row.outcome_field) == (ImportState.REJECTED, "already_linked", "xpm_uuid")
    assert written(world) == before


def test_disconnected_between_validation_and_creation(world: World, simulator: SimulatorHandle) -> None:
    """b.11: stopped before anything is written."""
    import_id = validated(world, find(simulator, is_importable_person).uuid)
    disconnect(world)
    world.run_due()
    row = world.import_row(import_id)
    assert (row.state, row.outcome_code) == (ImportState.REJECTED, "integration_not_configured")
    assert written(world) == {}


@pytest.mark.parametrize("kind", ["individual", "entity"])
def test_disconnected_while_creation_was_reading(world: World, simulator: SimulatorHandle, kind: str) -> None:
    """b.11: the transaction that writes looks again."""
    import_id = validated(
        world, find(simulator, is_importable_person if kind == "individual" else is_company).uuid, kind
    )
    job = "create_client" if kind == "individual" else "create_entity"
    run_with_interruption(world, import_id, job, lambda: disconnect(world))
    row = world.import_row(import_id)
    assert (row.state, row.outcome_code) == (ImportState.REJECTED, "integration_not_configured")
    assert written(world) == {}


def test_left_while_creation_was_reading(sqlite_world: World, simulator: SimulatorHandle) -> None:
    import_id = validated(sqlite_world, find(simulator, is_importable_person).uuid)
    with sqlite_world.database.read() as tx:
        now = connections.get_one(tx, sqlite_world.connection_id).connected_at
    run_with_interruption(sqlite_world, import_id, "create_client", lambda: set_staff(sqlite_world, left_at=now))
    assert sqlite_world.import_row(import_id).outcome_code == "staff_left"
    assert written(sqlite_world) == {}


def test_broken_while_creation_was_reading(sqlite_world: World, simulator: SimulatorHandle) -> None:
    """A connection that broke may come back: the creation waits for it, and nothing is written meanwhile."""
    world = sqlite_world
    import_id = validated(world, find(simulator, is_importable_person).uuid)
    run_with_interruption(world, import_id, "create_client", lambda: set_connection(world, ConnectionState.BROKEN))
    assert world.import_row(import_id).state is ImportState.WAITING
    assert written(world) == {}
    set_connection(world, ConnectionState.CONNECTED)
    world.pass_time(3600)
    world.run_due()
    assert world.import_row(import_id).state is ImportState.SUCCEEDED


def test_reconnected_to_another_practice_while_creation_was_reading(
    sqlite_world: World, simulator: SimulatorHandle
) -> None:
    """What was read through the old connection is not written; the record is read again through the new one."""
    world = sqlite_world
    import_id = validated(world, find(simulator, is_importable_person).uuid)

    def reconnect() -> None:
        with world.database.write() as tx:
            old = connections.get_one(tx, world.connection_id)
            connections.disconnect(tx, old.id)
            kept = {name: getattr(old, name) for name in ("practice_id", "staff_id", "xero_login_id", "tenant_id")}
            assert connections.add_connection(tx, {**kept, "id": tx.new_id(), "tenant_name": None})

    run_with_interruption(world, import_id, "create_client", reconnect)
    job = world.jobs_of(import_id)["create_client"]
    assert (job.state, job.error_code) == (JobState.WAITING, "connection_replaced")
    assert written(world) == {}
    world.pass_time(3600)
    world.run_due()
    row = world.import_row(import_id)
    assert row.state is ImportState.SUCCEEDED
    assert row.client_id is not None
    with world.database.read() as tx:
        link = clients.linked(tx, [row.client_id])[row.client_id].link
    assert link.connection_id != world.connection_id


def test_a_creation_delivered_twice_creates_once(world: World, simulator: SimulatorHandle) -> None:
    row = world.run_import(find(simulator, is_importable_person).uuid)
    before = written(world)
    for job in world.jobs_of(row.id).values():
        world.runner().run(job.id)
    assert written(world) == before
    assert before["clients"] == 1
