"""Practices whose directories are due in one night, and somebody who does what is taken on."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime

from cryptography.fernet import Fernet
from sqlalchemy import select, update

from config.settings import Settings
from handlers.jobs.kinds import JobKind
from handlers.schedule import due
from handlers.schedule.due import Plan
from portal_db.database import Database
from portal_db.directory import directories
from portal_db.states import JobState, SyncMode, SyncState
from portal_db.tables import Directory, DirectorySync, Job, Schedule
from portal_db.xero import connections
from tests.world import connect_practice

FINISH_SECONDS = 0.02


def open_practices(database: Database, count: int, evening: datetime) -> None:
    """So many practices, each with a directory that has its schedules as of an evening."""
    settings = Settings(token_keys=Fernet.generate_key().decode())
    for number in range(count):
        _, _, connection_id = connect_practice(
            database, settings, "a token", name=f"Practice {number}", tenant=f"tenant-{number}"
        )
        with database.write() as tx:
            connection = connections.get_one(tx, connection_id)
            directories.ensure(tx, connection.xero_login_id, connection.tenant_id)
    with database.write() as tx:
        tx.session.execute(update(Directory).values(cursor=evening))
    due.adopt(database, Plan(settings, lambda _: None, clock=lambda _: evening))


def due_before(database: Database, morning: datetime) -> int:
    """How many syncs are due until then, by what the schedules say before anybody looks."""
    with database.read() as tx:
        return len(tx.session.scalars(select(Schedule.name).where(Schedule.next_due_at < morning)).all())


def taken_on(database: Database) -> Counter[str]:
    """How many jobs there are for each directory. Jobs are counted, not what the scheduler says of itself."""
    with database.read() as tx:
        of_sync = {str(sync.id): sync for sync in tx.session.scalars(select(DirectorySync))}
        jobs = tx.session.scalars(select(Job).where(Job.kind == JobKind.SYNC_DIRECTORY)).all()
    found = [of_sync[job.args["sync_id"]] for job in jobs]
    return Counter(str(sync.directory_id) for sync in found if sync.mode is SyncMode.FULL)


def work(database: Database, stopping: threading.Event) -> None:
    """Do at once what is taken on, in a worker's place: a sync under way would hide a second one."""
    while not stopping.wait(FINISH_SECONDS):
        with database.write() as tx:
            done = update(Job).where(Job.state == JobState.QUEUED).values(state=JobState.SUCCEEDED)
            tx.session.execute(done)
            ended = update(DirectorySync).where(DirectorySync.state == SyncState.RUNNING)
            tx.session.execute(ended.values(state=SyncState.SUCCEEDED))
