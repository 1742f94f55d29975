"""What PostgreSQL reads for a claim does not grow with the batch, also while it has no statistics."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text

from tests.making import claim
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
    seen: list[tuple[str, Any]] = []

    def note(*arguments: Any) -> None:
        if arguments[2].startswith("UPDATE jobs"):
            seen.append((arguments[2], arguments[3]))

    event.listen(world.database.engine, "before_cursor_execute", note)
    assert claim(world, job_id) is None, "it is out of turn"
    event.remove(world.database.engine, "before_cursor_execute", note)
    [(statement, parameters)] = seen
    with world.database.write() as tx:
        found = tx.connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        plan = found.scalar_one()
    return _rows(plan[0]["Plan"] if isinstance(plan, list) else json.loads(plan)[0]["Plan"])


def _rows(node: dict[str, Any]) -> float:
    removed: float = sum(value for name, value in node.items() if name.startswith("Rows Removed"))
    own: float = (node["Actual Rows"] + removed) * node["Actual Loops"]
    return own + sum(_rows(child) for child in node.get("Plans", ()))


@postgresql
def test_a_claim_reads_as_much_in_a_big_batch_as_in_a_small_one(world: World) -> None:
    with world.database.write() as tx:
        for table in ("imports", "jobs"):
            tx.session.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
    small = rows_read_by_claim(world, ask_batch(world, 40))
    big = rows_read_by_claim(world, ask_batch(world, 1_000))
    assert big <= small + 5
    assert big <= 20
