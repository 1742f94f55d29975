"""Reconcile beside everything else: a running pipeline, XPM's records, its quota, and a second reconcile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import update

from handlers.integration import handover
from handlers.operations.reconcile import Became, Report, reconcile
from portal_db.clients import links
from portal_db.states import ImportState
from portal_db.tables import Directory, DirectoryRecord, XpmConnection, XpmLink
from portal_db.types import db_now
from portal_db.xero import connections
from tests.handlers.directory.given import synced
from tests.handlers.given import FullQuota, change, connect_colleague, disconnect, find, make_odd, set_staff
from tests.handlers.operations.conftest import queues_of
from tests.handlers.operations.given import operator
from tests.making import importable
from tests.servers.waiting import wait_until
from tests.worker.queue.desk import Desk
from tests.world import TENANT, World
from xpm.client import XpmApi
from xpm.errors import XpmAway
from xpm.limiter import UnlimitedPermit
from xpm.simulator.faults import FaultRule
from xpm.simulator.serve import SimulatorHandle


class NoQueues:
    """An empty queue, for tests of what is not about it."""

    def ring(self, *_: object) -> None: ...

    def entries(self) -> object:
        return iter(())

    def drop(self, *_: object) -> int:
        return 0

    def requests_waiting(self) -> int:
        return 0

    def accepted(self) -> object:
        return iter(())


def test_beside_a_running_pipeline_nothing_is_disturbed(desk: Desk, simulator: SimulatorHandle) -> None:
    # Given a relay and a worker with a batch and its emails to do
    people = importable(simulator)[:12]
    stopping = threading.Event()
    relay = threading.Thread(target=desk.relay("relay-1").run, args=(stopping,), daemon=True)
    rows = [desk.world.request(person.uuid, send_welcome_email=True) for person in people]
    import_ids = desk.world.ask_batch(rows)
    reports: list[Report] = []
    with desk.working():
        relay.start()
        try:
            # When it is reconciled over and over until all is done
            while not all(desk.is_closed(import_id) for import_id in import_ids):
                reports.append(reconcile(desk.services, queues_of(desk), dry_run=False, max_links=3))
            wait_until(
                lambda: not any(desk.unacknowledged(lane) for lane in ("import", "email")), "all is acknowledged"
            )
        finally:
            stopping.set()
            relay.join(5)
    # Then each import went its way once, and the record was never found out of step
    assert {desk.world.import_row(import_id).state for import_id in import_ids} == {ImportState.SUCCEEDED}
    assert desk.world.scalar("SELECT count(*) FROM clients") == len(people)
    assert len(desk.world.mail.deliveries()) == len(people)
    assert desk.world.scalar("SELECT count(*) FROM job_attempts WHERE outcome <> 'succeeded'") == 0
    assert len(reports) > 3
    codes = {finding.code for report in reports for finding in report.findings} - {"no_relay", "message_without_job"}
    assert codes == set()


def test_two_at_once_mend_a_thing_once(desk: Desk) -> None:
    import_id = desk.world.ask(UUID(int=5))
    with desk.world.database.write() as tx:
        tx.session.execute(update(DirectoryRecord).values(as_of=db_now()))
        tx.connection.exec_driver_sql("DELETE FROM jobs")
    reports: list[Report] = []
    start = threading.Barrier(2)

    def look() -> None:
        start.wait()
        reports.append(reconcile(desk.services, queues_of(desk), dry_run=False, max_links=0))

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    mended = [found for report in reports for found in report.findings if found.code == "import_without_job"]
    assert [found.subject for found in mended] == [str(import_id)]
    assert desk.world.scalar("SELECT count(*) FROM jobs") == 1


@pytest.fixture
def linked(own_world: World, own_simulator: SimulatorHandle) -> tuple[World, SimulatorHandle, list[UUID]]:
    """Three linked clients, of whose XPM records nobody has a fresh sight."""
    people = importable(own_simulator)[:3]
    for person in people:
        own_world.run_import(person.uuid)
    with own_world.database.write() as tx:
        tx.session.execute(update(DirectoryRecord).values(as_of=db_now(-25 * 3600)))
    return own_world, own_simulator, [person.uuid for person in people]


def look(world: World, max_links: int, *, services: object = None, dry_run: bool = False) -> Report:
    return reconcile(services or world.services, NoQueues(), dry_run=dry_run, max_links=max_links)  # type: ignore[arg-type]


def gone(world: World) -> list[UUID]:
    with world.database.read() as tx:
        return [link.xpm_uuid for link in links.links_without_record(tx)]


def calls(simulator: SimulatorHandle) -> int:
    return int(simulator.simulator.counters.calls.total())


def test_links_whose_record_is_gone_are_reported_and_kept(
    linked: tuple[World, SimulatorHandle, list[UUID]],
) -> None:
    # Given one record that XPM does not know any more and one that it says is deleted
    world, simulator, (unknown, deleted, there) = linked
    del simulator.simulator.practices[TENANT].clients[unknown]
    change(simulator, deleted, is_deleted=True)
    before = calls(simulator)
    # When only looking, XPM is not asked
    assert (look(world, 10, dry_run=True).links_checked, calls(simulator)) == (0, before)
    report = look(world, 10)
    # Then both are told, a person decides, and the links are as they were
    assert (report.links_checked, report.links_left, calls(simulator) - before) == (3, 0, 3)
    assert {*gone(world)} == {unknown, deleted}
    told = [found for found in report.findings if found.code == "link_gone"]
    assert [found.became for found in told] == [Became.NEEDS_PERSON] * 2
    assert world.scalar("SELECT count(*) FROM xpm_links WHERE disconnected_at IS NULL") == 3
    # And told again without asking, until the record is back
    assert len([found for found in look(world, 0).findings if found.code == "link_gone"]) == 2
    change(simulator, deleted, is_deleted=False)
    look(world, 10)
    assert gone(world) == [unknown]
    assert there not in gone(world)


def test_so_many_are_asked_for_in_a_run_and_the_longest_unasked_come_first(
    linked: tuple[World, SimulatorHandle, list[UUID]],
) -> None:
    world, simulator, _ = linked
    before = calls(simulator)
    assert [look(world, 2).links_checked for _ in range(2)] == [2, 2]
    assert calls(simulator) - before == 4
    assert world.scalar("SELECT count(*) FROM xpm_links WHERE checked_at IS NULL") == 0


def test_a_fresh_sight_in_the_directory_costs_no_call(linked: tuple[World, SimulatorHandle, list[UUID]]) -> None:
    world, simulator, _ = linked
    with world.database.write() as tx:
        tx.session.execute(update(DirectoryRecord).values(as_of=db_now()))
    before = calls(simulator)
    assert look(world, 10).links_checked == 3
    assert calls(simulator) == before


def test_a_quota_that_says_not_now_ends_the_asking(linked: tuple[World, SimulatorHandle, list[UUID]]) -> None:
    world, simulator, _ = linked
    before = calls(simulator)
    services = replace(world.services, xpm=XpmApi(world.services.settings.xpm_api_url, limiter=FullQuota(30)))
    report = look(world, 10, services=services)
    assert (report.links_checked, report.links_left, calls(simulator)) == (0, 3, before)
    assert gone(world) == []


def test_links_of_a_cut_connection_are_not_asked_for(linked: tuple[World, SimulatorHandle, list[UUID]]) -> None:
    world, simulator, _ = linked
    disconnect(world)
    before = calls(simulator)
    assert (look(world, 10).links_checked, calls(simulator)) == (0, before)


def test_a_requester_who_left_keeps_no_other_link_waiting(linked: tuple[World, SimulatorHandle, list[UUID]]) -> None:
    # Given three clients imported by somebody who has left, and one by a colleague
    world, simulator, _ = linked
    set_staff(world, left_at=db_now())
    theirs = lost_by_a_colleague(world, simulator)
    # When they are looked for one at a time, then the colleague's has its turn
    for _ in range(4):
        look(world, 1)
    assert gone(world) == [theirs]


def test_after_a_hand_over_the_colleagues_connection_is_asked(
    linked: tuple[World, SimulatorHandle, list[UUID]],
) -> None:
    # Given three clients of somebody who has left, handed over to a colleague who sees their records
    world, simulator, (unknown, _, _) = linked
    colleague = connect_colleague(world, simulator.config.access_token)
    with world.database.read() as tx:
        connection = connections.live_connection_of(tx, colleague)
    assert connection is not None
    theirs, act = replace(world, connection_id=connection.id), operator(world)
    synced(theirs)
    handover.leave(world.database, act, world.staff_id)
    assert len(handover.reassign(world.database, act, world.connection_id, colleague, dry_run=False).moved) == 3
    # When a record is gone from XPM, then the colleague's directory says so without a call
    del simulator.simulator.practices[TENANT].clients[unknown]
    synced(theirs)
    before = calls(simulator)
    assert look(world, 10).links_checked == 3
    assert (gone(world), calls(simulator) - before) == ([unknown], 0)
    # And where that was long ago, XPM is asked through the colleague's connection
    with world.database.write() as tx:
        tx.session.execute(update(XpmLink).values(gone_at=None))
        tx.session.execute(update(Directory).values(cursor=None))
        tx.session.execute(update(DirectoryRecord).values(as_of=db_now(-25 * 3600), gone_at=None))
    assert look(world, 10).links_checked == 3
    assert (gone(world), calls(simulator) - before) == ([unknown], 3)


def test_a_connection_that_was_replaced_meanwhile_is_not_asked(
    linked: tuple[World, SimulatorHandle, list[UUID]],
) -> None:
    # Given links whose connection's owner connects anew while they are checked
    world, simulator, _ = linked
    colleague = connect_colleague(world, simulator.config.access_token)

    def connect_anew(*_: int) -> None:
        disconnect(world)
        with world.database.write() as tx:
            theirs = update(XpmConnection).where(XpmConnection.staff_id == colleague)
            tx.session.execute(theirs.values(staff_id=world.staff_id))

    before = calls(simulator)
    report = reconcile(world.services, NoQueues(), dry_run=False, max_links=10, progress=connect_anew)  # type: ignore[arg-type]
    # Then what the new one sees is no news of them
    assert (report.links_checked, report.links_left, calls(simulator)) == (0, 3, before)


def lost_by_a_colleague(world: World, simulator: SimulatorHandle) -> UUID:
    """A client that a colleague has imported through a connection of their own, and whose record is gone from XPM."""
    colleague = connect_colleague(world, simulator.config.access_token)
    person = importable(simulator)[3]
    request = world.request(person.uuid).model_copy(update={"requested_by": colleague})
    world.ask_batch([request])
    world.run_due()
    del simulator.simulator.practices[TENANT].clients[person.uuid]
    with world.database.write() as tx:
        tx.session.execute(update(DirectoryRecord).values(as_of=db_now(-25 * 3600)))
    return person.uuid


def test_a_record_that_cannot_be_read_keeps_no_other_link_waiting(
    linked: tuple[World, SimulatorHandle, list[UUID]],
) -> None:
    # Given three linked clients, the first without a name in XPM, and the last gone from it
    world, simulator, (nameless, _, unknown) = linked
    make_odd(simulator, find(simulator, lambda record: record.uuid == nameless), name="")
    del simulator.simulator.practices[TENANT].clients[unknown]
    # When one is looked for each night, then each has its turn
    assert [look(world, 1).links_checked for _ in range(3)] == [0, 1, 1]
    assert gone(world) == [unknown]
    # And in one night all are looked for but the one that cannot be read
    report = look(world, 10)
    assert (report.links_checked, report.links_left) == (2, 1)


def test_a_record_that_xpm_fails_for_keeps_its_tenants_links_waiting_for_one_run(
    linked: tuple[World, SimulatorHandle, list[UUID]],
) -> None:
    world, simulator, (bad, _, _) = linked
    simulator.simulator.faults.add(FaultRule("status_500", "client.api/get", bad, count=1000))
    assert [look(world, 10).links_checked for _ in range(2)] == [0, 2]


class OneTenantAway:
    """A limiter for which XPM is away, but only for the tenant "away"."""

    @contextmanager
    def acquire(self, tenant_id: str, *, lane: str, holder: str, deadline: float) -> Iterator[UnlimitedPermit]:  # noqa: ARG002 -- the protocol's
        if tenant_id == "away":
            raise XpmAway("does not answer in time", 60)
        yield UnlimitedPermit()


def test_a_tenant_whose_xpm_is_away_keeps_no_other_tenants_links_waiting(
    linked: tuple[World, SimulatorHandle, list[UUID]],
) -> None:
    # Given three clients of a tenant that is away, and one of another tenant
    world, simulator, _ = linked
    with world.database.write() as tx:
        for table in (XpmConnection, XpmLink):
            tx.session.execute(update(table).values(tenant_id="away"))
    theirs = lost_by_a_colleague(world, simulator)
    # When fewer are looked for in each of two nights than that tenant has, then the other's has its turn
    with closing(XpmApi(world.services.settings.xpm_api_url, limiter=OneTenantAway())) as xpm:
        for _ in range(2):
            look(world, 2, services=replace(world.services, xpm=xpm))
    assert gone(world) == [theirs]
