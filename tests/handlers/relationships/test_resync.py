"""resync_relationships: one sync of the directory brings the relationships of all linked clients up to date, by chunks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from handlers.access.caller import Caller, Scope
from handlers.clients import link as portal_clients
from handlers.imports import accept
from handlers.jobs.kinds import JobKind
from handlers.relationships import resync, review_queue
from portal_db.access import people
from portal_db.clients import history
from portal_db.clients.review_items import ReviewFilter
from portal_db.directory import resyncs
from portal_db.states import ChangeSource, JobState, ReviewState, Role, SyncMode
from portal_db.tables import Job, Relationship, RelationshipSync, TeamMember, XpmConnection
from portal_db.upkeep import erasures
from portal_db.work import jobs as work_jobs
from portal_db.xero import connections
from tests.handlers.directory.given import FULL, INCREMENTAL, directory_of, synced
from tests.handlers.given import change, connect_colleague, take_back_lost
from tests.making import importable
from tests.world import World, connect_practice
from xpm.simulator.serve import SimulatorHandle


@pytest.fixture
def imported(own_world: World, own_simulator: SimulatorHandle) -> list[UUID]:
    """XPM records of three clients whose relationships were imported."""
    records = importable(own_simulator)[:3]
    for record in records:
        own_world.run_import(record.uuid)
    synced(own_world, FULL)
    own_world.run_due()
    return [record.uuid for record in records]


def everything(world: World) -> list[tuple[Any, ...]]:
    with world.database.read() as tx:
        return [
            tuple(row)
            for table in (Relationship.__table__, TeamMember.__table__)
            for row in tx.session.execute(select(table).order_by(table.c.id))
        ]


def summaries(world: World) -> list[RelationshipSync]:
    with world.database.read() as tx:
        return list(tx.session.scalars(select(RelationshipSync).order_by(RelationshipSync.started_at)))


def tie(simulator: SimulatorHandle, uuid: UUID, *rows: tuple[str, UUID]) -> None:
    change(simulator, uuid, relationships=[{"label": label, "related_uuid": str(other)} for label, other in rows])


def owner(world: World) -> Caller:
    with world.database.read() as tx:
        staff = people.get_staff(tx, world.staff_id, practice_id=world.practice_id)
    assert staff is not None
    staff.role = Role.OWNER
    return Caller.of(staff)


def sync(world: World, mode: SyncMode = INCREMENTAL) -> None:
    synced(world, mode)
    world.run_due()


@pytest.mark.usefixtures("imported")
def test_an_unchanged_practice_is_left_alone(own_world: World) -> None:
    before, jobs = everything(own_world), own_world.scalar("select count(*) from jobs")
    sync(own_world, FULL)
    assert everything(own_world) == before
    assert own_world.scalar("select count(*) from jobs") == int(str(jobs)) + 1, "the sync, and no re-sync after it"


def test_what_changed_in_xpm_is_followed_with_no_further_call(
    own_world: World, own_simulator: SimulatorHandle, imported: list[UUID]
) -> None:
    first, second, third = imported
    phone = own_world.scalar("select count(*) from client_fields")
    tie(own_simulator, first, ("Business Angel", second), ("Spouse", third))
    change(own_simulator, first, phone="02 5555 0000")
    calls = sum(own_simulator.simulator.counters.calls.values())
    sync(own_world)
    assert sum(own_simulator.simulator.counters.calls.values()) == calls + 1
    with own_world.database.read() as tx:
        rows = tx.session.scalars(select(Relationship).where(Relationship.other_xpm_uuid.in_([second, third]))).all()
        changes = [entry.change for entry in history.page(tx, rows[0].client_id, after=None, limit=100)]
    assert {"Business Angel", "Spouse"} <= {row.label for row in rows if row.state is ReviewState.PENDING}
    assert own_world.scalar("select count(*) from client_fields") == phone, "details follow a person's import only"
    assert own_world.scalar("select count(*) from client_fields where value = '02 5555 0000'") == 0
    [summary] = summaries(own_world)
    assert (summary.clients, summary.conflicts) == (1, 1), "a label that nobody knows is for a reviewer to look at"
    assert summary.added >= 2
    assert summary.waiting == own_world.scalar("select count(*) from relationships where state = 'pending'")
    assert summary.finished_at is not None
    assert ChangeSource.RESYNC in {row.source for row in changes}
    page = resync.page(own_world.database, owner(own_world), cursor=None, limit=10)
    assert [found.summary is not None for found in page.items] == [True, False]


def test_a_connection_that_is_cut_or_nobody_s_import_brings_nothing(
    own_world: World, own_simulator: SimulatorHandle, imported: list[UUID]
) -> None:
    """b.13, b.36: what was reconnected is offered by an import first."""
    wanted = ReviewFilter(tuple(ReviewState))
    page = review_queue.page(own_world.database, owner(own_world), wanted, cursor=None, limit=1)
    client_id, record = page.items[0].client.id, page.items[0].row.other_xpm_uuid
    portal_clients.disconnect(own_world.database, owner(own_world), client_id)
    portal_clients.connect(own_world.services, owner(own_world), client_id, imported_of(own_world, client_id))
    for uuid in imported:
        tie(own_simulator, uuid, ("Auditor", record))
    directory = directory_of(own_world)
    with own_world.database.write() as tx:
        tx.session.execute(update(XpmConnection).values(state="broken"))
        assert resyncs.practices_with_changes(tx, directory) == []
        tx.session.execute(update(XpmConnection).values(state="connected"))
    sync(own_world)
    [summary] = summaries(own_world)
    assert summary.clients == 2, "the third one was connected anew"


def test_what_a_colleagues_import_brought_ends_when_xpm_is_as_it_was_before(
    own_world: World, own_simulator: SimulatorHandle, imported: list[UUID]
) -> None:
    # Given a relationship that an import through a colleague's connection brought
    first, second, _ = imported
    found = own_simulator.simulator.find(first)
    assert found is not None
    tenant, record = found
    before = record.relationships
    tie(own_simulator, first, ("Auditor", second))
    colleague = connect_colleague(own_world, own_simulator.config.access_token)
    caller = Caller(own_world.practice_id, colleague, "Hill", Role.OWNER, frozenset(Scope))
    client_id = UUID(str(own_world.scalar("select client_id from xpm_links where xpm_uuid = :id", id=first.hex)))
    accept.import_items(
        own_world.database, own_world.bell, caller, client_id, "more", details=False, relationships=True
    )
    own_world.run_due()
    auditor = "select count(*) from relationships where label = 'Auditor' and gone_at is "
    assert own_world.scalar(f"{auditor} null") == 1
    # When XPM takes it back, and the client's own connection never saw it
    record.relationships = before
    tenant.encoder.forget(None)
    sync(own_world, FULL)
    # Then it has ended
    assert own_world.scalar(f"{auditor} not null") == 1
    # And that is all there is to follow
    sync(own_world, FULL)
    assert len(summaries(own_world)) == 1


def test_whom_another_practice_erased_from_a_directory_that_both_read_has_not_ended(
    own_world: World, own_simulator: SimulatorHandle, imported: list[UUID]
) -> None:
    # Given a client with two relationships, in a directory that another practice reads too
    first, second, third = imported
    tie(own_simulator, first, ("Auditor", second), ("Spouse", third))
    sync(own_world, FULL)
    other, _, connection_id = connect_practice(
        own_world.database, own_world.services.settings, own_simulator.config.access_token, name="Other"
    )
    stranger, _, _ = connect_practice(
        own_world.database, own_world.services.settings, own_simulator.config.access_token, name="Stranger"
    )
    with own_world.database.write() as tx:
        theirs = connections.get_one(tx, connection_id)
        theirs.xero_login_id = connections.get_one(tx, own_world.connection_id).xero_login_id
        # When that practice erases the other side of one, and XPM ends the other one, whom a stranger to it has erased
        erasures.note(tx, other, second)
        erasures.note(tx, stranger, third)
    tie(own_simulator, first, ("Auditor", second))
    sync(own_world, FULL)
    # Then only that has ended
    with own_world.database.read() as tx:
        known = tx.session.scalars(select(Relationship).where(Relationship.other_xpm_uuid.in_([second, third]))).all()
    ended = {(row.label, row.gone_at is not None) for row in known if row.label in ("Auditor", "Spouse")}
    assert ended == {("Auditor", False), ("Spouse", True)}


def imported_of(world: World, client_id: UUID) -> UUID:
    return UUID(str(world.scalar("select xpm_uuid from xpm_links where client_id = :id", id=client_id.hex)))


@pytest.mark.parametrize("survived", [0, 1, 2, 3])
def test_a_worker_that_dies_anywhere_leaves_the_rest_to_the_next(
    own_sqlite_world: World, own_simulator: SimulatorHandle, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    """Each transaction is whole or not there; so many are, then the process is gone."""
    world = own_sqlite_world
    monkeypatch.setattr(resync, "CLIENTS", 1)
    records = importable(own_simulator)[:3]
    for record in records:
        world.run_import(record.uuid)
    sync(world, FULL)
    for record, other in zip(records, importable(own_simulator)[3:6], strict=True):
        tie(own_simulator, record.uuid, ("Auditor", other.uuid))
    left = [survived]

    class Killed(BaseException):
        pass

    def hold(tx: Any, job: Job) -> None:
        if job.kind == JobKind.RESYNC_RELATIONSHIPS:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
        work_jobs.hold(tx, job)

    monkeypatch.setattr(resync, "hold", hold)
    with pytest.raises(Killed):
        sync(world)
    monkeypatch.setattr(resync, "hold", work_jobs.hold)
    take_back_lost(world)
    world.run_due()
    [summary] = summaries(world)
    assert (summary.clients, summary.added) == (3, 3), "nothing is counted, or done, twice"
    assert world.scalar("select count(*) from relationships where label = 'Auditor'") == 3
    assert world.scalar("select count(*) from client_changes where source = 'resync' and field = 'state'") == 3
    with world.database.read() as tx:
        states = set(tx.session.scalars(select(Job.state).where(Job.kind == JobKind.RESYNC_RELATIONSHIPS)))
    assert states == {JobState.SUCCEEDED}


def test_a_worker_that_was_cut_off_writes_nothing_more(
    own_sqlite_world: World, own_simulator: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease ran out while it was reading: another has the job, and writes."""
    world = own_sqlite_world
    record, other = importable(own_simulator)[:2]
    world.run_import(record.uuid)
    sync(world, FULL)
    tie(own_simulator, record.uuid, ("Auditor", other.uuid))
    read = resyncs.changed_records

    def cut_off(*arguments: Any, **options: Any) -> Any:
        take_back_lost(world)
        return read(*arguments, **options)

    monkeypatch.setattr(resyncs, "changed_records", cut_off)
    synced(world)
    monkeypatch.setattr(resyncs, "changed_records", read)
    assert world.scalar("select count(*) from relationships where label = 'Auditor'") == 0
    world.run_due()
    assert world.scalar("select count(*) from relationships where label = 'Auditor'") == 1
