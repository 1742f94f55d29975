"""Sentences that tests of the directory begin or end with: a sync that is asked for and run, and what is there then."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from handlers.directory.sync import begin_sync
from handlers.jobs.handler import job_arg
from portal_db.directory import directories
from portal_db.states import SyncMode
from portal_db.tables import Directory, DirectoryRecord, DirectorySync, Job
from portal_db.work import jobs
from portal_db.xero import connections
from tests.world import World

FULL, INCREMENTAL = SyncMode.FULL, SyncMode.INCREMENTAL


def directory_of(world: World) -> Directory:
    """The directory behind the world's connection, made if need be."""
    with world.database.write() as tx:
        connection = connections.get_one(tx, world.connection_id)
        return directories.ensure(tx, connection.xero_login_id, connection.tenant_id)


def begin(world: World, mode: SyncMode = FULL) -> Job:
    """Ask for a sync; nothing runs yet."""
    directory = directory_of(world)
    with world.database.write() as tx:
        new = begin_sync(tx, directory.id, mode, asked_by="a test")
    assert new is not None, "another sync is under way"
    return job_of(world, new.id)


def job_of(world: World, job_id: UUID) -> Job:
    with world.database.read() as tx:
        job = jobs.get(tx, job_id)
    assert job is not None
    return job


def sync_of(world: World, job: Job) -> DirectorySync:
    with world.database.read() as tx:
        sync = tx.get(DirectorySync, job_arg(job, "sync_id"))
    assert sync is not None
    return sync


def synced(world: World, mode: SyncMode = FULL) -> DirectorySync:
    """Sync, and return how that went."""
    job = begin(world, mode)
    world.runner().run(job.id)
    return sync_of(world, job)


def rows(world: World) -> dict[UUID, DirectoryRecord]:
    """Every record of the directory, those that are gone too."""
    with world.database.read() as tx:
        return {row.xpm_uuid: row for row in tx.session.scalars(select(DirectoryRecord))}


def present(world: World) -> dict[UUID, DirectoryRecord]:
    return {uuid: row for uuid, row in rows(world).items() if row.gone_at is None}
