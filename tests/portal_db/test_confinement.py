"""Queries about one practice find nothing of another (invariant 6)."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from handlers.errors import Rejected
from handlers.imports.accept import accept
from handlers.xero.connection import require_connection
from portal_db import welcome_emails
from portal_db.clients import clients
from portal_db.states import ImportState
from portal_db.tables import Import
from portal_db.work import imports
from portal_db.xero import requester
from tests.handlers.given import find, link_entity
from tests.making import add_practice
from tests.world import TENANT, World, connect_practice, is_importable_person
from xpm.simulator.serve import SimulatorHandle


@pytest.fixture
def elsewhere(world: World) -> UUID:
    """Another practice."""
    return add_practice(world, "Quay Partners")


def test_a_client_is_found_in_its_own_practice_only(world: World, elsewhere: UUID) -> None:
    client_id = link_entity(world, uuid4())
    with world.database.read() as tx:
        assert clients.get(tx, client_id, practice_id=world.practice_id) is not None
        assert clients.get(tx, client_id, practice_id=elsewhere) is None


def test_a_link_names_the_clients_own_practice(world: World, elsewhere: UUID) -> None:
    client_id = link_entity(world, uuid4())
    with world.database.write() as tx:
        clients.unlink(tx, client_id)
    link = {"client_id": client_id, "connection_id": world.connection_id, "tenant_id": TENANT, "xpm_uuid": uuid4()}
    with pytest.raises(IntegrityError), world.database.write() as tx:
        clients.link(tx, {**link, "id": tx.new_id(), "practice_id": elsewhere, "linked_by": world.staff_id})


def test_an_import_is_found_in_its_own_practice_only(world: World, elsewhere: UUID) -> None:
    import_id = world.ask(uuid4())
    with world.database.read() as tx:
        assert imports.get(tx, import_id, practice_id=world.practice_id) is not None
        assert imports.get(tx, import_id, practice_id=elsewhere) is None


def test_a_list_shows_one_practice_only(world: World, elsewhere: UUID) -> None:
    import_id = world.ask(uuid4())
    with world.database.read() as tx:
        assert [row.id for row in imports.listing(tx, practice_id=world.practice_id)] == [import_id]
        assert imports.listing(tx, practice_id=elsewhere) == []


def test_a_key_leads_to_its_own_practices_import(world: World, elsewhere: UUID) -> None:
    request = world.request(uuid4())
    accept(world.database, world.bell, request)
    with world.database.read() as tx:
        assert imports.by_key(tx, world.practice_id, request.request_id) is not None
        assert imports.by_key(tx, elsewhere, request.request_id) is None


def test_a_welcome_email_is_read_for_its_own_practice_only(
    world: World, elsewhere: UUID, simulator: SimulatorHandle
) -> None:
    row = world.run_import(find(simulator, is_importable_person).uuid, send_welcome_email=True)
    assert row.client_id is not None
    with world.database.write() as tx:
        email_id = welcome_emails.add(tx, world.practice_id, row.client_id, asked_at=row.created_at)
        assert welcome_emails.addressed(tx, [email_id], world.practice_id).keys() == {email_id}
        assert not welcome_emails.addressed(tx, [email_id], elsewhere)


def test_an_import_does_not_run_for_staff_of_another_practice(world: World) -> None:
    """The door turns such a request away; here its row is made past the door."""
    _, stranger, _ = connect_practice(world.database, world.services.settings, "token", name="Quay Partners")
    import_id = world.ask(uuid4())
    with world.database.write() as tx:
        tx.session.execute(update(Import).where(Import.id == import_id).values(requested_by=stranger))
    with world.database.read() as tx:
        found = requester.requester(tx, import_id)
    assert (found.staff, found.connection) == (None, None)
    with pytest.raises(Rejected):
        require_connection(found)
    world.run_due()
    assert world.import_row(import_id).state is ImportState.REJECTED
