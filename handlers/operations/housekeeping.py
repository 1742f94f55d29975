"""Housekeeping: deletes rows that have been kept long enough, in short batches while workers run, and folds names that an
earlier release wrote (`portal_db.upkeep.unfolded_names`).

It never deletes imports, clients, the audit trail, or dead letters with everything of their imports; but of old acts in the
audit trail it empties the network address.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from config.settings import Settings
from portal_db.database import Database
from portal_db.directory import purge
from portal_db.upkeep import retention, unfolded_names
from portal_db.work import workers

#: Rows per transaction, and the pause between two, in which heartbeats get through on SQLite.
BATCH = 500
PAUSE_SECONDS = 0.05

#: Purged by separate rules: after 30 days without use, or a day after the last connection was disconnected.
UNIMPORTED = "people never imported"

#: Called with the name of a table and the number of its rows so far.
Progress = Callable[[str, int], None]


def days_of(settings: Settings) -> Mapping[str, float]:
    """How many days each table's rows are kept."""
    return {
        "finished jobs": settings.keep_jobs_days,
        "import events": settings.keep_events_days,
        "webhook deliveries": settings.keep_events_days,
        "client changes": settings.keep_history_days,
        "re-sync summaries": settings.keep_events_days,
        "sign-in log": settings.keep_audit_days,
        "malformed messages": settings.keep_malformed_days,
        # After the link has ended.
        "requests for a new password": 1,
        # Longer than a key may be about to end: the row says that its owner was told.
        "emails about accounts": 30,
        "ended consents": 0,
        "syncs of directories": settings.keep_jobs_days,
        UNIMPORTED: 30,
    }


def keep_house(
    database: Database, settings: Settings, *, dry_run: bool = False, progress: Progress = lambda *_: None
) -> Mapping[str, int]:
    """Delete rows older than their days, or with `dry_run` only count them. The next run continues one that is cut off.

    Returns:
        How many rows of each table.
    """
    done: dict[str, int] = {}
    for name, days in days_of(settings).items():
        if name == UNIMPORTED:
            done[name] = _purge_directories(database, dry_run=dry_run, progress=progress)
        else:
            done[name] = _keep_table(database, name, days, dry_run=dry_run, progress=progress)
    if not dry_run:
        _in_batches(database, retention.drop_scheduled_runs, settings.keep_events_days)
        _in_batches(database, retention.forget_addresses, settings.keep_audit_days)
        with database.write() as tx:
            workers.forget_killed(tx)
        _fold_names(database)
    return done


def _fold_names(database: Database) -> None:
    while True:
        with database.write() as tx:
            if not unfolded_names.fold(tx, limit=BATCH):
                return
        threading.Event().wait(PAUSE_SECONDS)


def _in_batches(database: Database, do: Callable[..., int], days: float) -> None:
    done = BATCH
    while done == BATCH:
        with database.write() as tx:
            done = do(tx, days, limit=BATCH)
        threading.Event().wait(PAUSE_SECONDS)


def _purge_directories(database: Database, *, dry_run: bool, progress: Progress) -> int:
    if dry_run:
        with database.read() as tx:
            return purge.count(tx)
    with database.write() as tx:
        purge.close(tx)
    count = 0
    while True:
        with database.read() as tx:
            keys = purge.find(tx, limit=BATCH)
        if not keys:
            return count
        with database.write() as tx:
            count += purge.drop(tx, keys)
        threading.Event().wait(PAUSE_SECONDS)
        progress(UNIMPORTED, count)


def _keep_table(database: Database, name: str, days: float, *, dry_run: bool, progress: Progress) -> int:
    kept = retention.RULES[name]
    count, after = 0, None
    while True:
        with database.read() as tx:
            ids = retention.find(tx, kept, days, after=after, limit=BATCH)
        if not ids:
            return count
        after = ids[-1]
        if dry_run:
            count += len(ids)
        else:
            with database.write() as tx:
                count += retention.drop(tx, kept, days, ids)
            threading.Event().wait(PAUSE_SECONDS)
        progress(name, count)
