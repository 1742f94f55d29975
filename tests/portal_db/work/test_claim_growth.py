"""What PostgreSQL reads for a claim does not grow with the batch, also while it has no statistics."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from portal_db.database import Tx
from tests.making import claim
from tests.portal_db.work.test_job_growth import rows_of_plan, statements_of
from tests.servers.fixtures import NEW
from tests.world import World

postgresql = pytest.mark.parametrize("database_url", [NEW], indirect=True)


def ask_batch(world: World, size: int) -> UUID:
    """A batch whose first rows are resolved; the creation job of its last row but ten is due, and out of turn."""
    import_ids = world.ask_batch([world.request(uuid4()) for _ in range(size)], key=f"batch of {size}")
    with world.database.write() as tx:
        tx.session.execute(
            text("UPDATE imports SET resolved_at = now() WHERE id = ANY(:ids)"), {"ids": list(import_ids[: size // 2])}
        )
        tx.session.execute(
            text("UPDATE jobs SET in_batch_order = true WHERE import_id = ANY(:ids)"), {"ids": list(import_ids)}
        )
    return world.jobs_of(import_ids[-10])["validate_import"].id


def rows_read_by_claim(world: World, job_id: UUID) -> float:
    """Rows that the nodes of the claim's plan read, over all their loops."""

    def step(_: Tx) -> None:
        assert claim(world, job_id) is None, "it is out of turn"

    [claiming] = [each for each in statements_of(world, step) if each[0].startswith("UPDATE jobs")]
    with world.database.write() as tx:
        return rows_of_plan(tx, *claiming)


@postgresql
def test_a_claim_reads_as_much_in_a_big_batch_as_in_a_small_one(world: World) -> None:
    with world.database.write() as tx:
        for table in ("imports", "jobs"):
            tx.session.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
    small = rows_read_by_claim(world, ask_batch(world, 40))
    big = rows_read_by_claim(world, ask_batch(world, 1_000))
    assert big <= small + 5
    assert big <= 20
