"""Sentences that tests of the use cases begin or end with: who works there, what XPM holds, what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, update

from handlers.directory.lookup import FetchedRecord
from handlers.imports.settle import settle
from handlers.jobs.enqueue import FollowUp
from handlers.jobs.handler import Apply, Handler
from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db.access import people
from portal_db.clients import clients
from portal_db.database import Tx
from portal_db.states import ClientKind, ConnectionState, EntityType, JobState, LoginKind
from portal_db.tables import Client as PortalClient
from portal_db.tables import ClientField, FieldConflict, Import, Job, Practice, Relationship, Staff, XpmConnection
from portal_db.types import database_time
from portal_db.work import imports, jobs
from portal_db.xero import connections
from tests.handlers.one_job import apply_one, fetch_one, with_one
from tests.world import TENANT, World, connect_practice
from worker.runner.leases import Leases
from worker.runner.runner import Runner
from xpm.errors import QuotaDeferred
from xpm.limiter import UnlimitedPermit
from xpm.records import RelationshipRecord, XpmClient
from xpm.simulator.edits import edit
from xpm.simulator.practice.model import Client
from xpm.simulator.serve import SimulatorHandle

# ---- what XPM holds ----


def records(simulator: SimulatorHandle) -> list[Client]:
    """Every record of the first tenant, in list order."""
    return list(simulator.simulator.practices[TENANT].clients.values())


def find(simulator: SimulatorHandle, fits: Callable[[Client], object]) -> Client:
    """The first record that fits; a simulator without one is a mistake of the test."""
    found = next((record for record in records(simulator) if fits(record)), None)
    assert found is not None, "the simulator holds no such record"
    return found


def is_active(record: Client) -> bool:
    return not record.is_archived and not record.is_deleted


def is_company(record: Client) -> bool:
    return is_active(record) and record.business_structure == "Company"


def change(simulator: SimulatorHandle, uuid: UUID, **changes: object) -> None:
    """Edit a record in a simulator of the test's own."""
    found = simulator.simulator.find(uuid)
    assert found is not None
    tenant, record = found
    edit(record, changes, simulator.simulator.clock.utc())
    tenant.encoder.forget(None)


def make_odd(simulator: SimulatorHandle, record: Client, **values: object) -> None:
    """XPM sends these values of a record in place of its own, in a simulator of the test's own."""
    tenant = simulator.simulator.tenants[TENANT]
    tenant.practice.odd_values[record.uuid] = values
    tenant.encoder.forget(None)


# ---- who works there ----


def set_staff(world: World, **values: object) -> None:
    with world.database.write() as tx:
        tx.session.execute(update(Staff).where(Staff.id == world.staff_id).values(**values))


def set_practice(world: World, **values: object) -> None:
    with world.database.write() as tx:
        tx.session.execute(update(Practice).where(Practice.id == world.practice_id).values(**values))


def set_connection(world: World, state: ConnectionState) -> None:
    with world.database.write() as tx:
        connection = update(XpmConnection).where(XpmConnection.id == world.connection_id)
        tx.session.execute(connection.values(state=state))


def connect_colleague(world: World, access_token: str) -> UUID:
    """Somebody else at the practice has a connection of their own."""
    _, staff_id, connection_id = connect_practice(world.database, world.services.settings, access_token, name="Hill")
    moved = {"practice_id": world.practice_id}
    with world.database.write() as tx:
        tx.session.execute(update(Staff).where(Staff.id == staff_id).values(**moved))
        tx.session.execute(update(XpmConnection).where(XpmConnection.id == connection_id).values(**moved))
    return staff_id


def disconnect(world: World) -> None:
    with world.database.write() as tx:
        connections.disconnect(tx, world.connection_id)


def take_login(world: World, email: str, kind: LoginKind = LoginKind.CLIENT) -> UUID:
    """Somebody on the platform has a login with this address."""
    with world.database.write() as tx:
        login_id = tx.new_id()
        assert people.add_login(tx, login_id, kind, email, email.casefold())
    return login_id


def link_entity(world: World, xpm_uuid: UUID) -> UUID:
    """The practice has a client that is linked to this XPM record."""
    with world.database.write() as tx:
        client_id = tx.new_id()
        entity = {"kind": ClientKind.ENTITY, "entity_type": EntityType.OTHER, "login_id": None}
        entity |= {"client_type": None, "subscription": None, "import_id": None}
        owner = {"practice_id": world.practice_id, "created_by": world.staff_id}
        clients.add(tx, {"id": client_id, "name": "Linked before", **owner, **entity})
        link = {"id": tx.new_id(), "practice_id": world.practice_id, "client_id": client_id, "tenant_id": TENANT}
        link |= {"connection_id": world.connection_id, "xpm_uuid": xpm_uuid, "linked_by": world.staff_id}
        assert clients.link(tx, link)
    return client_id


# ---- running jobs ----


def link_to_another_record(world: World, row: Import) -> None:
    """The import's client was connected to another XPM record meanwhile."""
    assert row.client_id is not None
    with world.database.write() as tx:
        link = clients.linked(tx, [row.client_id])[row.client_id].link
        names = ("practice_id", "client_id", "connection_id", "tenant_id", "linked_by")
        again = {name: getattr(link, name) for name in names}
        assert clients.unlink(tx, row.client_id)
        assert clients.link(tx, {**again, "id": tx.new_id(), "xpm_uuid": uuid4()})


def runner_of(world: World, kinds: Mapping[str, Handler], services: Services | None = None) -> Runner:
    """A runner that knows these kinds only."""
    leases = Leases(world.database, "worker-1", lease_seconds=10, every_seconds=3)
    return Runner(services or world.services, world.bell, leases, kinds, run_isolated=None, stopping=world.stopping)


def run_only(world: World, import_id: UUID, kind: str, services: Services | None = None) -> None:
    """Run the import's job of one kind, and none that follows it."""
    runner_of(world, {kind: HANDLERS[kind]}, services).run(world.jobs_of(import_id)[kind].id)


def run_with_interruption(world: World, import_id: UUID, kind: str, happening: Callable[[], object]) -> None:
    """Run the import's job of one kind; something happens after it has fetched and before it writes."""

    def fetch(services: Services, job: Job) -> Any:
        fetched = fetch_one(HANDLERS[kind], services, job)
        happening()
        return fetched

    runner_of(world, {kind: with_one(HANDLERS[kind], fetch=fetch)}).run(world.jobs_of(import_id)[kind].id)


def run_when_apply_raises(world: World, import_id: UUID, kind: str, error: Exception) -> None:
    """Run the import's job of one kind, whose writing fails although its fetch went well."""

    def apply(*_: Any) -> list[FollowUp]:
        raise error

    runner_of(world, {kind: with_one(HANDLERS[kind], apply=apply)}).run(world.jobs_of(import_id)[kind].id)


def take_back_lost(world: World) -> None:
    """The holder of every running job is dead for longer than a lease; the relay takes its jobs back."""
    world.pass_time(11)
    with world.database.write() as tx:
        assert jobs.take_back_expired(tx)


class FullQuota:
    """A limiter with no permit for anybody until `seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    @contextmanager
    def acquire(self, tenant_id: str, *, lane: str, holder: str, deadline: float) -> Iterator[UnlimitedPermit]:  # noqa: ARG002 -- the protocol's
        raise QuotaDeferred("minute", self.seconds)
        yield UnlimitedPermit()


# ---- bringing a crafted record ----


def record_of(uuid: UUID, name: str = "Ada Moss", **values: Any) -> XpmClient:
    """A record as XPM might answer it."""
    return XpmClient(uuid=uuid, name=name, **values)


def related(label: str, other: UUID | None = None, name: str = "Bo Moss", **values: Any) -> RelationshipRecord:
    """A relationship row as XPM might answer it."""
    return RelationshipRecord(uuid=uuid4(), label=label, related_uuid=other or uuid4(), related_name=name, **values)


def bring(world: World, row: Import, apply: Apply, record: XpmClient, *, later: float = 1.0) -> None:
    """Let `import_details.apply` or `import_relationships.apply` write a record for an import's client.

    Args:
        later: seconds after the client's name was last brought, at which the import was begun and XPM was asked; negative
            for older news.
    """
    with world.database.write() as tx:
        as_of = _name_as_of(tx, row) + timedelta(seconds=later)
        row.epoch_started_at = as_of
        job = next(job for job in jobs.of_import(tx, row.id) if "client_id" in job.args)
        apply_one(apply, tx, job, row, FetchedRecord(connections.get_one(tx, world.connection_id), record, as_of))


def _name_as_of(tx: Tx, row: Import) -> datetime:
    if row.client_id is None:
        raise AssertionError("the import has no client")
    known = clients.fields(tx, row.client_id).get("name")
    return known.as_of if known is not None else database_time(tx.session)


# ---- what was written ----

_RESULTS = ("clients", "client_fields", "client_visibility", "xpm_links", "welcome_emails", "relationships")


def written(world: World) -> dict[str, object]:
    """How many rows each table holds that an import could have written, logins of clients included."""
    counts = {table: world.scalar(f"select count(*) from {table}") for table in _RESULTS}  # noqa: S608 -- our own names
    counts["logins of clients"] = world.scalar("select count(*) from logins where kind = 'client'")
    return {table: count for table, count in counts.items() if count}


def client_of(world: World, row: Import) -> PortalClient:
    assert row.client_id is not None
    with world.database.read() as tx:
        client = clients.get(tx, row.client_id, practice_id=row.practice_id)
    assert client is not None
    return client


def fields_of(world: World, row: Import) -> dict[str, ClientField]:
    assert row.client_id is not None
    with world.database.read() as tx:
        return clients.fields(tx, row.client_id)


def values_of(world: World, row: Import) -> dict[str, str]:
    return {name: field.value for name, field in fields_of(world, row).items()}


def conflicts_of(world: World, row: Import) -> list[FieldConflict]:
    assert row.client_id is not None
    with world.database.read() as tx:
        return clients.conflicts(tx, row.client_id)


def items_of(world: World, row: Import) -> list[Relationship]:
    assert row.client_id is not None
    statement = select(Relationship).where(Relationship.client_id == row.client_id)
    with world.database.read() as tx:
        return list(tx.session.scalars(statement.order_by(Relationship.label_key, Relationship.other_name)))


def requeue(world: World, import_id: UUID, kind: str) -> None:
    """An operator requeues a dead letter: a new epoch of its import."""
    with world.database.write() as tx:
        row = imports.lock(tx, import_id)
        job = next(job for job in jobs.of_import(tx, import_id) if job.kind == kind and job.state is JobState.DEAD)
        assert jobs.requeue(tx, job.id, imports.reopen(tx, row))
        settle(tx, imports.lock(tx, import_id))
