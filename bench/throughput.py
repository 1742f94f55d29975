"""How many whole imports a second a batch completes: every job of each, including the welcome email.

`slowest_tenth_per_s`: the rate of that tenth of the batch, in the order in which they closed, which took longest.
`statements_per_import`: what all processes send to PostgreSQL for a second, smaller batch, with the relay's looks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from bench.deployment import THREADS, Deployment, deployed
from bench.statements import counted
from config.heap import freeze_loaded
from handlers.directory.classification import suggested_kind
from handlers.imports.accept import accept_batch
from handlers.imports.request import ImportRequest, parse
from portal_db.states import ClientKind
from portal_db.types import database_time
from portal_db.work import progress
from portal_db.work.imports import of_batch
from xpm.client import XpmApi
from xpm.limiter import UnlimitedLimiter

#: Imports whose statements are counted.
COUNTED = 200


def measure(*, imports: int, workers: int) -> dict[str, Any]:
    """Import `imports` records of a simulated practice as one batch, with `workers` worker processes and one relay."""
    with deployed(clients=imports + COUNTED) as deployment:
        for number in range(workers):
            deployment.start_worker(f"worker-{number + 1}")
        deployment.start_relay()
        deployment.sync_directory()
        every = requests_of(deployment)
        rows, to_count = every[:imports], every[imports:]
        freeze_loaded()  # as the web process does, in whose place this one accepts
        with deployment.database.read() as tx:
            began_at = database_time(tx.session)
        began = time.monotonic()
        batch = accept_batch(deployment.database, deployment.bell, "bench", rows)
        accepted = time.monotonic()
        while True:
            with deployment.database.read() as tx:
                states = progress.by_state(tx, progress.of_batch(batch.batch_id))
            closed = sum(number for state, number in states.items() if not state.is_open)
            print(f"\r{closed} of {imports} imports closed", end="", file=sys.stderr, flush=True)
            if closed == imports:
                break
            deployment.processes.check()
            time.sleep(1)
        print(file=sys.stderr)
        with deployment.database.read() as tx:
            closed_at = [row.closed_at for row in of_batch(tx, batch.batch_id) if row.closed_at is not None]
        # Not until the look that found it: a second between two looks is a lot for 600 imports.
        seconds = (max(closed_at) - began_at).total_seconds()
        emails = sum(1 for _ in (deployment.mail / "deliveries.jsonl").open())
        statements = _statements(deployment, to_count)
    return {
        "imports": imports,
        "workers": workers,
        "threads": THREADS,
        "imports_per_s": round(imports / seconds, 1),
        "slowest_tenth_per_s": round(min(tenths(began_at, closed_at)), 1),
        "seconds": round(seconds, 1),
        "accept_seconds": round(accepted - began, 1),
        "states": {state.value: number for state, number in states.items()},
        "emails": emails,
        "statements_per_import": statements,
    }


def tenths(began_at: datetime, closed_at: Sequence[datetime]) -> list[float]:
    """How many a second closed in each tenth of a batch, in the order in which they closed."""
    in_order = sorted(closed_at)
    ends = [len(in_order) * number // 10 for number in range(11)]
    times = [began_at, *(in_order[end - 1] for end in ends[1:])]
    spans = zip(pairwise(ends), pairwise(times), strict=True)
    return [(end - start) / (until - since).total_seconds() for (start, end), (since, until) in spans]


def _statements(deployment: Deployment, rows: Sequence[ImportRequest]) -> float:
    with counted(deployment.server, deployment.settings.database_url) as statements:
        batch = accept_batch(deployment.database, deployment.bell, "counted", rows)
        while statements.open_imports(list(batch.import_ids)):
            deployment.processes.check()
            time.sleep(0.1)
    return round(statements.count / len(rows), 1)


def requests_of(deployment: Deployment) -> list[ImportRequest]:
    """A request for each record of the practice in XPM."""
    xpm = XpmApi(deployment.settings.xpm_api_url, limiter=UnlimitedLimiter())
    with closing(xpm), xpm.list(deployment.access, lane="import", deadline_seconds=120) as listing:
        return [_request(deployment, record.uuid, suggested_kind(record)) for record in listing]


def _request(deployment: Deployment, xpm_uuid: UUID, kind: ClientKind) -> ImportRequest:
    return parse(
        {
            "practice_id": deployment.practice_id,
            "requested_by": deployment.staff_id,
            "request_id": str(xpm_uuid),
            "xpm_uuid": xpm_uuid,
            "kind": kind,
            "send_welcome_email": kind is ClientKind.INDIVIDUAL,
        }
    )
