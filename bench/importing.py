"""Imports records of a deployment, and says how long it took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID

from bench.deployment import Deployment
from handlers.imports.accept import accept_batch
from handlers.imports.request import ImportRequest
from portal_db.work import progress

#: A batch is at most as long.
AT_ONCE = 1_000


def import_all(deployment: Deployment, key: str, rows: Sequence[ImportRequest]) -> float:
    """Import these records, and return the seconds until the last import was closed."""
    began = time.monotonic()
    for start in range(0, len(rows), AT_ONCE):
        batch = accept_batch(deployment.database, deployment.bell, f"{key}, {start}", rows[start : start + AT_ONCE])
        while _open_of(deployment, batch.batch_id):
            deployment.processes.check()
            time.sleep(0.05)
    return time.monotonic() - began


def _open_of(deployment: Deployment, batch_id: UUID) -> int:
    with deployment.database.read() as tx:
        states = progress.by_state(tx, progress.of_batch(batch_id))
    return sum(number for state, number in states.items() if state.is_open)
