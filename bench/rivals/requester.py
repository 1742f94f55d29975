"""A process that requests imports, as a web process does: `python -m bench.rivals.requester SIDE`.

It reads requests, one JSON object a line, and answers each with its imports' ids and when it began to record them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

from config.settings import Settings
from handlers.imports.accept import CHUNK, accept, accept_batch
from handlers.imports.request import ImportRequest, parse
from portal_db.database import Database
from portal_db.work import imports
from worker.queue.bell import RedisBell, connect

#: Records and enqueues requests; a single one is interactive.
Requester = Callable[[Sequence[ImportRequest]], list[UUID]]


def ours(settings: Settings, database: Database) -> Requester:
    """Imports by the portal's own use cases."""
    bell = RedisBell(connect(settings), settings.redis_namespace, database.sources)

    def request(rows: Sequence[ImportRequest]) -> list[UUID]:
        if len(rows) == 1:
            return [accept(database, bell, rows[0]).import_id]
        return list(accept_batch(database, bell, uuid4().hex, rows).import_ids)

    return request


def rival(module: str, database: Database) -> Requester:
    """Imports by a rival: rows are committed, then their first steps are enqueued."""
    enqueue = import_module(f"bench.rivals.{module}").enqueue

    def request(rows: Sequence[ImportRequest]) -> list[UUID]:
        recorded = list(_record(database, rows))
        enqueue([str(import_id) for import_id in recorded], interactive=len(rows) == 1)
        return recorded

    return request


def _record(database: Database, rows: Sequence[ImportRequest]) -> Iterator[UUID]:
    batch: dict[str, Any] = {"id": None}
    if len(rows) > 1:
        with database.write() as tx:
            first = {"practice_id": rows[0].practice_id, "requested_by": rows[0].requested_by}
            batch = {"id": tx.new_id(), **first, "idempotency_key": uuid4().hex, "fingerprint": "", "size": len(rows)}
            imports.add_batch(tx, batch)
    for start in range(0, len(rows), CHUNK):
        with database.write() as tx:
            new = [
                {
                    **row.model_dump(exclude={"request_id"}),
                    "id": tx.new_id(),
                    "idempotency_key": uuid4().hex,
                    "fingerprint": row.fingerprint(),
                    "batch_id": batch["id"],
                    "position": position if batch["id"] else None,
                }
                for position, row in enumerate(rows[start : start + CHUNK], start)
            ]
            imports.add_all(tx, new)
        yield from (row["id"] for row in new)


def main(side: str) -> None:
    """Answer requests until the input ends."""
    settings = Settings()
    database = Database(settings.database_url)
    request = ours(settings, database) if side == "ours" else rival(side, database)
    print("ready", flush=True)
    for line in sys.stdin:
        rows = [parse(fields) for fields in json.loads(line)]
        began = time.time()
        ids = request(rows)
        print(json.dumps({"began": began, "ids": [str(import_id) for import_id in ids]}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
