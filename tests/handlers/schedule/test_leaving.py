"""Somebody leaves: they are out, their clients hang on a connection that is cut, and a colleague takes them on."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from handlers.access.act import Act
from handlers.errors import RequestRefused
from handlers.integration import handover as integration_handover
from handlers.integration.handover import Reassigned
from portal_db.database import Tx
from portal_db.directory import directories
from portal_db.states import ConnectionState
from portal_db.tables import AuditEntry, DirectoryRecord, XpmConnection, XpmLink
from portal_db.types import db_now
from portal_db.visibility import Viewer
from portal_db.xero import connections
from portal_db.xero import handover as xero_handover
from tests.handlers.given import connect_colleague, link_entity
from tests.handlers.operations.given import operator
from tests.world import TENANT, World, connect_practice


def connected_colleague(world: World, sees: Sequence[UUID] = ()) -> UUID:
    """Somebody else with a connection to the same practice in XPM, which was read and shows these records."""
    staff_id = connect_colleague(world, "token")
    with world.database.write() as tx:
        connection = connections.live_connection_of(tx, staff_id)
        assert connection is not None
        directory = directories.ensure(tx, connection.xero_login_id, TENANT)
        directory.last_full_at = directory.created_at
        for xpm_uuid in sees:
            directories.keep_directory_record(tx, connection, xpm_uuid, {"record": {}}, directory.created_at)
    return staff_id


def leave(world: World) -> Act:
    act = operator(world)
    integration_handover.leave(world.database, act, world.staff_id)
    return act


def links(tx: Tx) -> dict[UUID, UUID]:
    """The connection of each client."""
    return {row.client_id: row.connection_id for row in tx.session.scalars(select(XpmLink))}


def test_who_leaves_is_out_and_leaves_their_clients_behind(world: World) -> None:
    link_entity(world, uuid4())
    act = operator(world)
    left = integration_handover.leave(world.database, act, world.staff_id)
    assert [(each.connection_id, each.clients) for each in left.left_behind] == [(world.connection_id, 1)]
    with world.database.read() as tx:
        assert connections.get_one(tx, world.connection_id).state is ConnectionState.DISCONNECTED
        actions = set(tx.session.scalars(select(AuditEntry.action).where(AuditEntry.actor_id == act.actor_id)))
        assert {"staff.leave", "connection.state"} <= actions
    with pytest.raises(RequestRefused, match="Nobody with this id works"):
        integration_handover.leave(world.database, act, world.staff_id)


def test_a_colleague_takes_on_the_clients_whose_records_they_see(world: World) -> None:
    seen, unseen, gone = uuid4(), uuid4(), uuid4()
    mine = {xpm_uuid: link_entity(world, xpm_uuid) for xpm_uuid in (seen, unseen, gone)}
    colleague = connected_colleague(world, (seen, gone))
    with world.database.write() as tx:
        tx.session.execute(update(DirectoryRecord).where(DirectoryRecord.xpm_uuid == gone).values(gone_at=db_now()))
    act = leave(world)

    def reassign(*, dry_run: bool) -> Reassigned:
        return integration_handover.reassign(world.database, act, world.connection_id, colleague, dry_run=dry_run)

    # A rehearsal says what would be done, and does nothing
    rehearsed = reassign(dry_run=True)
    with world.database.read() as tx:
        assert set(links(tx).values()) == {world.connection_id}
    done = reassign(dry_run=False)
    assert done == rehearsed
    assert (list(done.moved), set(done.left)) == ([mine[seen]], {mine[unseen], mine[gone]})
    with world.database.read() as tx:
        assert links(tx)[mine[seen]] == done.to_connection_id
        assert [each.clients for each in xero_handover.orphaned_connections(tx)] == [2]
        [entry] = tx.session.scalars(select(AuditEntry).where(AuditEntry.action == "connection.reassign"))
    assert (entry.before, entry.after) == ("3 clients", f"1 clients to connection {done.to_connection_id}")
    # And again, there is nothing left to move
    assert list(reassign(dry_run=False).moved) == []


@pytest.mark.parametrize(
    ("colleague", "code"),
    [("nobody", "unknown_colleague"), ("other practice", "unknown_colleague"), ("other tenant", "colleague_not_connected"),
     ("broken", "colleague_not_connected"), ("not read", "directory_not_read"), ("the owner", "unknown_colleague")],
)  # fmt: skip
def test_a_colleague_who_cannot_read_them_is_refused(sqlite_world: World, colleague: str, code: str) -> None:
    world, record = sqlite_world, uuid4()
    link_entity(world, record)
    to = connected_colleague(world, (record,))
    with world.database.write() as tx:
        theirs = update(XpmConnection).where(XpmConnection.staff_id == to)
        if colleague == "other tenant":
            tx.session.execute(theirs.values(tenant_id="another"))
        if colleague == "broken":
            tx.session.execute(theirs.values(state=ConnectionState.BROKEN))
    if colleague == "nobody":
        to = uuid4()
    if colleague == "other practice":
        _, to, _ = connect_practice(world.database, world.services.settings, "token", name="Other")
    if colleague == "not read":
        to = connect_colleague(world, "token")
    act = leave(world)
    if colleague == "the owner":
        to = world.staff_id
    with pytest.raises(RequestRefused) as refused:
        integration_handover.reassign(world.database, act, world.connection_id, to, dry_run=False)
    assert refused.value.code == code
    with world.database.read() as tx:
        assert set(links(tx).values()) == {world.connection_id}


def test_staff_move_clients_of_their_own_practice_only(sqlite_world: World) -> None:
    world, record = sqlite_world, uuid4()
    link_entity(world, record)
    colleague = connected_colleague(world, (record,))
    stranger, owner, _ = connect_practice(world.database, world.services.settings, "token", name="Other")
    act = Act(owner, "in the portal", viewer=Viewer(stranger, owner, sees_all=True))
    with pytest.raises(RequestRefused, match="can't find that connection"):
        integration_handover.reassign(world.database, act, world.connection_id, colleague, dry_run=False)
