"""What PostgreSQL reads to see whether a batch is closed does not grow with the imports of it that are, with statistics and
without."""

from __future__ import annotations

from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from portal_db import webhooks
from tests.portal_db.work.test_job_growth import plans_of, rows_read
from tests.servers.fixtures import NEW
from tests.world import World

postgresql = pytest.mark.parametrize("database_url", [NEW], indirect=True)
BATCH = 1_000
FEW = 20


def ask_batch(world: World) -> tuple[UUID, list[UUID]]:
    """A batch, and its imports."""
    import_ids = world.ask_batch([world.request(uuid4()) for _ in range(BATCH)], key=uuid4().hex)
    batch_id = world.import_row(import_ids[0]).batch_id
    assert batch_id is not None
    return batch_id, list(import_ids)


#: As imports that create clients do: they have an email of their own.
_CLOSE = text("""
    UPDATE imports SET state = 'succeeded', closed_at = now(), resolved_at = now(), email_key = CAST(id AS text)
    WHERE id = ANY(:ids)
""")


def close(world: World, import_ids: list[UUID]) -> None:
    with world.database.write() as tx:
        tx.session.execute(_CLOSE, {"ids": import_ids})


def rows_as_it_closes(world: World, batch_id: UUID, import_ids: list[UUID]) -> list[float]:
    """What looking whether a batch is closed reads while none, half and all but one of its imports are closed."""
    found: list[float] = []
    for closed in (0, BATCH // 2, BATCH - 1):
        close(world, import_ids[:closed])
        found.append(rows_read(world, partial(webhooks.batch_is_closed, batch_id=batch_id)))
    return found


def is_closed(world: World, batch_id: UUID) -> bool:
    with world.database.write() as tx:
        return webhooks.batch_is_closed(tx, batch_id)


@postgresql
@pytest.mark.parametrize("is_analysed", [False, True])
def test_a_batch_is_found_open_by_a_few_rows_however_many_are_closed(world: World, is_analysed: bool) -> None:
    # Given a batch, and perhaps statistics of when all of it was open
    with world.database.write() as tx:
        tx.session.execute(text("ALTER TABLE imports SET (autovacuum_enabled = false)"))
    earlier, import_ids = ask_batch(world)
    if is_analysed:
        with world.database.write() as tx:
            tx.session.execute(text("ANALYZE imports"))
    # When it is looked at while it closes, that reads a few rows
    assert max(rows_as_it_closes(world, earlier, import_ids)) <= FEW
    # And so it does for the next batch, while one import of the other is still open
    later, import_ids = ask_batch(world)
    assert max(rows_as_it_closes(world, later, import_ids)) <= FEW
    # Then that one is closed with its last import, and the other is not
    assert not is_closed(world, later)
    close(world, import_ids[-1:])
    assert is_closed(world, later)
    assert not is_closed(world, earlier)


def test_open_imports_of_a_batch_are_found_in_their_own_index(sqlite_world: World) -> None:
    # Given a batch
    [import_id] = sqlite_world.ask_batch([sqlite_world.request(uuid4())])
    batch_id = sqlite_world.import_row(import_id).batch_id
    assert batch_id is not None
    assert not is_closed(sqlite_world, batch_id)
    # When it is looked at, its open imports come from the index of open ones
    plans = plans_of(sqlite_world, partial(webhooks.batch_is_closed, batch_id=batch_id))
    [plan] = [plan for statement, plan in plans if "FROM imports" in statement]
    assert "ix_imports_open" in str(plan)
