"""A directory that has just been filled is looked up by its key, also before PostgreSQL has gathered statistics itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from portal_db.directory import syncs
from portal_db.directory.syncs import DropLimits
from portal_db.states import SyncMode
from portal_db.tables import DirectorySync
from portal_db.types import database_time
from tests.handlers.directory.given import directory_of
from tests.servers.fixtures import NEW
from tests.world import World

postgresql = pytest.mark.parametrize("database_url", [NEW], indirect=True)

LOOK_UP = (
    "SELECT record FROM directory_records WHERE xero_login_id = :login AND tenant_id = :tenant AND xpm_uuid = :uuid"
    " AND gone_at IS NULL"
)


def fill(world: World, count: int) -> UUID:
    """Merge so many records into the directory; one of them."""
    directory = directory_of(world)
    nothing: dict[str, Any] = {
        "record": {},
        "name_key": "",
        "structure": None,
        "is_archived": False,
        "is_deleted": False,
    }
    ids = [uuid4() for _ in range(count)]
    rows = [{"xpm_uuid": xpm_uuid, "content_hash": str(xpm_uuid), **nothing} for xpm_uuid in ids]
    with world.database.write() as tx:
        sync_id = syncs.add(tx, directory.id, SyncMode.FULL, "a test")
        assert sync_id is not None
        sync = tx.get(DirectorySync, sync_id)
        assert sync is not None
        syncs.stage(tx, sync_id, rows)
        syncs.merge(tx, sync, directory, database_time(tx.session), DropLimits(20, 10), whole=True)
    return ids[-1]


@postgresql
def test_a_new_directory_is_not_read_whole_for_one_record(world: World) -> None:
    with world.database.write() as tx:
        tx.session.execute(text("ALTER TABLE directory_records SET (autovacuum_enabled = false)"))
    directory = directory_of(world)
    xpm_uuid = fill(world, syncs.MANY)
    values = {"login": directory.xero_login_id, "tenant": directory.tenant_id, "uuid": xpm_uuid}
    with world.database.read() as tx:
        plan = "\n".join(tx.session.scalars(text(f"EXPLAIN ANALYZE {LOOK_UP}"), values))
    assert "pk_directory_records" in plan
    assert "Rows Removed by Filter" not in plan
