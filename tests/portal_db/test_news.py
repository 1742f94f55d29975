"""XPM's answers may be written in another order than they were given in: each row keeps the newest."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from portal_db.clients import clients
from portal_db.clients.clients import FieldValue
from portal_db.clients.history import By
from portal_db.directory import directories as upstream
from portal_db.states import ChangeSource, FieldSource
from portal_db.tables import DirectoryRecord
from portal_db.types import database_time
from portal_db.xero import connections
from tests.handlers.given import link_entity
from tests.world import World


def now(world: World) -> datetime:
    with world.database.read() as tx:
        return database_time(tx.session)


def put_phone(world: World, client_id: UUID, value: str, as_of: datetime) -> set[str]:
    with world.database.write() as tx:
        by = By(world.practice_id, ChangeSource.IMPORT)
        return clients.put_fields(tx, client_id, [FieldValue("phone", value, FieldSource.XPM)], as_of=as_of, by=by)


def test_a_field_keeps_the_newest_answer(world: World) -> None:
    client_id, newer = link_entity(world, uuid4()), now(world)
    assert put_phone(world, client_id, "newer", newer) == {"phone"}
    assert put_phone(world, client_id, "older", newer - timedelta(seconds=1)) == set()
    with world.database.read() as tx:
        assert clients.fields(tx, client_id)["phone"].value == "newer"
    assert put_phone(world, client_id, "newest", newer + timedelta(seconds=1)) == {"phone"}


def test_the_directory_keeps_the_newest_sight(world: World) -> None:
    record, newer = uuid4(), now(world)
    for name, seconds, kept in (("newer", 0, "newer"), ("older", -1, "newer"), ("newest", 1, "newest")):
        with world.database.write() as tx:
            through = connections.get_one(tx, world.connection_id)
            as_of = newer + timedelta(seconds=seconds)
            upstream.keep_directory_record(tx, through, record, {"record": {"name": name}}, as_of)
        with world.database.read() as tx:
            key = (through.xero_login_id, through.tenant_id, record)
            assert tx.session.get_one(DirectoryRecord, key).record == {"name": kept}
