"""A child that runs a sync and is killed, as by the kernel when memory runs out, at the point its last argument names:
while XPM's answer is being staged, or while it is being merged. A program, not a module of tests."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any, NoReturn, cast
from uuid import UUID

from config.settings import Settings
from config.sources import Sources
from handlers.directory import sync
from handlers.registry import HANDLERS
from handlers.services import Mailer, Services
from portal_db.database import Database, Tx
from portal_db.directory import syncs
from tests.world import RememberingBell
from worker.runner.leases import Leases
from worker.runner.runner import Runner
from xpm.client import XpmApi
from xpm.limiter import UnlimitedLimiter


def die(*_: Any, **__: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def set_trap(point: str) -> None:
    sync.BATCH = 15  # so that one piece is committed before the next one kills
    stage, merge, staged = syncs.stage, syncs.merge, []

    def staging(tx: Tx, sync_id: UUID, rows: Sequence[dict[str, Any]]) -> None:
        staged.append(rows)
        stage(tx, sync_id, rows)
        if point == "staging" and len(staged) == 2:
            die()

    def merging(*args: Any, **named: Any) -> Any:
        if point == "staged":
            die()
        merged = merge(*args, **named)
        return die() if point == "merged" else merged

    syncs.stage = staging
    syncs.merge = merging


def main(database_url: str, xpm_url: str, job_id: str, point: str) -> None:
    set_trap(point)
    settings = Settings(database_url=database_url, xpm_api_url=xpm_url)  # the key comes from the environment
    database = Database(database_url)
    xpm = XpmApi(xpm_url, UnlimitedLimiter())
    services = Services(database, xpm, cast(Mailer, None), settings, Sources())
    leases = Leases(database, "doomed", lease_seconds=10, every_seconds=3)
    Runner(services, RememberingBell(), leases, HANDLERS, run_isolated=None, stopping=threading.Event()).run(
        UUID(job_id)
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
