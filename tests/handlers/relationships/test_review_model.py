"""Any sequence of edits in XPM, imports, reviews, disconnects and re-syncs ends where the reference model says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from sqlalchemy import select

from handlers.access.caller import Caller
from handlers.clients import link as portal_clients
from handlers.directory.lookup import FetchedRecord
from handlers.directory.records import columns_of
from handlers.directory.sync import after_sync
from handlers.errors import RequestRefused
from handlers.imports import details
from handlers.imports import relationships as import_relationships
from handlers.jobs.enqueue import FollowUp, standalone_job
from handlers.jobs.kinds import JobKind
from handlers.relationships import review
from handlers.relationships.review import Chosen, Confirmed
from portal_db.access import people
from portal_db.clients import clients, team
from portal_db.directory import directories
from portal_db.states import ClientKind, ClientType, FieldSource, LoginKind, Subscription
from portal_db.tables import ClientField, FieldConflict, Import, Relationship, TeamMember
from portal_db.types import database_time
from portal_db.work import jobs
from portal_db.xero import connections
from tests.handlers.given import take_login
from tests.handlers.one_job import apply_one
from tests.handlers.relationships.review_model import Model, Record, Told
from tests.world import TENANT, World, is_importable_person
from xpm.records import RelationshipRecord, XpmClient
from xpm.simulator.serve import SimulatorHandle

TAKEN = "taken@example.com"
ENDED = date(2020, 6, 30)

told = st.builds(
    Told,
    label=st.sampled_from(["Director", "Director Of", "Spouse", "Wife", "Shareholder", "De Facto ??"]),
    other=st.integers(0, 2),
    name=st.sampled_from(["Bo Moss", "Bo Lee"]),
    ended=st.booleans(),
)
#: XPM calls one record by one name, and tells each relationship once: folding has tests of its own.
relationships = st.lists(told, max_size=4, unique_by=lambda each: each.key).map(
    lambda rows: tuple(replace(row, name=f"{rows[0].name} {row.other}") for row in rows)
)
records = st.builds(
    Record,
    phone=st.sampled_from([None, "02 1", "02 2"]),
    email=st.sampled_from([None, "own@example.com", TAKEN]),
    relationships=relationships,
)
#: Edits come with what tells them, or most sequences would only edit.
acts = st.one_of(
    st.tuples(st.just("edit and re-sync"), records),
    st.tuples(st.just("edit and re-sync"), records),
    st.tuples(st.just("edit and import"), records),
    st.tuples(st.just("resync"), st.none()),
    st.tuples(st.just("import"), st.none()),
    st.tuples(st.just("take in"), st.tuples(st.integers(0, 9), st.sampled_from([None, "As We Say"]))),
    st.tuples(st.just("link"), st.tuples(st.integers(0, 9), st.integers(0, 9))),
    st.tuples(st.just("ignore"), st.integers(0, 9)),
    st.tuples(st.just("ignore several"), st.sets(st.integers(0, 9), max_size=3)),
    st.tuples(st.just("enter a member"), st.none()),
    st.tuples(st.just("disconnect"), st.none()),
    st.tuples(st.just("reconnect"), st.none()),
)
steps = st.builds(
    lambda first, others: [("edit and import", first), *others], records, st.lists(acts, min_size=3, max_size=12)
)


class Portal:
    """One client of the real portal, driven at the level of `apply` and of reviewers' decisions."""

    def __init__(self, world: World, row: Import) -> None:
        self.world, self.row = world, row
        self.uuid, self.others = uuid4(), [uuid4() for _ in range(3)]
        self.record = Record()
        self.order: list[UUID] = []
        with world.database.write() as tx:
            self.clock = database_time(tx.session)
            self.client_id, login_id = tx.new_id(), tx.new_id()
            address = f"{login_id.hex}@example.com"
            assert people.add_login(tx, login_id, LoginKind.CLIENT, address, address)
            shape = {"kind": ClientKind.INDIVIDUAL, "name": "Ada Moss", "login_id": login_id, "import_id": None}
            shape |= {"client_type": ClientType.PERSONAL, "subscription": Subscription.STARTER, "entity_type": None}
            owner = {"practice_id": world.practice_id, "created_by": world.staff_id}
            clients.add(tx, {"id": self.client_id, **shape, **owner})
            clients.make_visible(tx, [(self.client_id, world.staff_id)])
            self.job = next(job for job in jobs.of_import(tx, row.id) if "client_id" in job.args)
            self.job.args = {"client_id": str(self.client_id)}
            self.connection = connections.get_one(tx, world.connection_id)
            self.directory = directories.ensure(tx, self.connection.xero_login_id, self.connection.tenant_id)
            staff = people.get_staff(tx, world.staff_id, practice_id=world.practice_id)
        assert staff is not None
        self.partner = Caller.of(staff)
        self.reconnect()

    def later(self) -> datetime:
        self.clock += timedelta(seconds=1)
        return self.clock

    def xpm(self) -> XpmClient:
        rows = tuple(
            RelationshipRecord(
                uuid=None,
                label=each.label,
                related_uuid=self.others[each.other],
                related_name=each.name,
                end_date=ENDED if each.ended else None,
            )
            for each in self.record.relationships
        )
        record = self.record
        return XpmClient(self.uuid, "Ada Moss", phone=record.phone, email=record.email, relationships=rows)

    def import_all(self) -> None:
        seen = FetchedRecord(self.connection, self.xpm(), self.later())
        self.row.epoch_started_at = seen.as_of
        for _ in range(2):  # running it twice changes nothing
            with self.world.database.write() as tx:
                apply_one(details.apply, tx, self.job, self.row, seen)
                apply_one(import_relationships.apply, tx, self.job, self.row, seen)

    def resync(self) -> None:
        """A sync of the directory found what XPM now has, and the practice's relationships follow."""
        self._sync()
        before = self.everything()
        self._sync()
        assert self.everything() == before, "running it twice changes nothing"

    def _sync(self) -> None:
        with self.world.database.write() as tx:
            directories.keep_directory_record(tx, self.connection, self.uuid, columns_of(self.xpm()), self.later())
            wanted: Sequence[FollowUp] = after_sync(tx, self.directory, uuid4())
            new = [
                standalone_job(
                    tx, JobKind.RESYNC_RELATIONSHIPS, self.world.practice_id, each.args, dedupe_key=str(uuid4())
                )
                for each in wanted
            ]
            jobs.add(tx, new)
        for job in new:
            self.world.runner().run(job.id)

    def take_in(self, key: tuple[str, int], amended: str | None) -> None:
        review.import_item(self.world.database, self.partner, self._chosen(key), Confirmed(amended, "Somebody"))

    def link(self, key: tuple[str, int], number: int) -> bool:
        try:
            review.link_item(self.world.database, self.partner, self._chosen(key), self._members()[number].id)
        except RequestRefused as refusal:
            return refusal.code != "tied_already"
        return True

    def ignore(self, *keys: tuple[str, int]) -> None:
        chosen = [self._chosen(key) for key in keys]
        assert len(review.ignore_items(self.world.database, self.partner, chosen)) == len(chosen)

    def enter_member(self) -> None:
        with self.world.database.write() as tx:
            fixed = {"practice_id": self.world.practice_id, "client_id": self.client_id, "as_of": self.later()}
            entered = {"name": "Entered", "relationship": "Friend", "source": FieldSource.CLIENT}
            team.add(tx, {"id": tx.new_id(), **fixed, **entered})

    def disconnect(self) -> None:
        portal_clients.disconnect(self.world.database, self.partner, self.client_id)

    def reconnect(self) -> None:
        link = {"practice_id": self.world.practice_id, "client_id": self.client_id, "tenant_id": TENANT}
        link |= {"connection_id": self.world.connection_id, "xpm_uuid": self.uuid, "linked_by": self.world.staff_id}
        with self.world.database.write() as tx:
            assert clients.link(tx, {**link, "id": tx.new_id()})

    def _chosen(self, key: tuple[str, int]) -> Chosen:
        row = self._items()[key]
        return Chosen(row.id, row.version)

    def _items(self) -> dict[tuple[str, int], Relationship]:
        with self.world.database.read() as tx:
            rows = tx.session.scalars(select(Relationship).where(Relationship.client_id == self.client_id)).all()
        return {(row.label_key, self.others.index(row.other_xpm_uuid)): row for row in rows}

    def _members(self) -> list[TeamMember]:
        """In the order in which they were made."""
        with self.world.database.read() as tx:
            rows = tx.session.scalars(select(TeamMember).where(TeamMember.client_id == self.client_id)).all()
        self.order += [row.id for row in rows if row.id not in self.order]
        return sorted(rows, key=lambda row: self.order.index(row.id))

    def state(self) -> dict[str, Any]:
        """What the model speaks of."""
        with self.world.database.read() as tx:
            mine = ClientField.client_id == self.client_id
            fields = {row.field: row.value for row in tx.session.scalars(select(ClientField).where(mine))}
            conflicts = tx.session.scalars(select(FieldConflict).where(FieldConflict.client_id == self.client_id)).all()
        items = {
            key: (row.state.value, row.label, row.other_name, row.end_date is not None, row.gone_at is not None)
            for key, row in self._items().items()
        }
        fields.pop("name", None)
        members = [(row.name, row.xpm_uuid and self.others.index(row.xpm_uuid)) for row in self._members()]
        return {"fields": fields, "conflict": bool(conflicts), "items": items, "members": members}

    def everything(self) -> list[tuple[Any, ...]]:
        """Every column of the client's items and members."""
        with self.world.database.read() as tx:
            return [
                tuple(row)
                for table in (Relationship.__table__, TeamMember.__table__)
                for row in tx.session.execute(
                    select(table).where(table.c.client_id == self.client_id).order_by(table.c.id)
                )
            ]


def state_of(model: Model) -> dict[str, Any]:
    items = {
        key: (item.state, item.told.label, item.told.name, item.told.ended, item.gone)
        for key, item in model.items.items()
    }
    members = [(member.name, member.tied) for member in model.members]
    return {"fields": model.fields, "conflict": model.conflict, "items": items, "members": members}


def play(portal: Portal, model: Model, step: tuple[str, Any]) -> None:
    """Do a step to both; one that is not possible now is left out."""
    what, value = step
    pending = model.pending()
    match what:
        case "edit and re-sync":
            portal.record = value
            play(portal, model, ("resync", None))
        case "edit and import":
            portal.record = value
            play(portal, model, ("import", None))
        case "import" if model.connected:
            portal.import_all()
            model.import_all(portal.record)
        case "resync":
            portal.resync()
            model.resync(portal.record)
        case "take in" if pending:
            number, amended = value
            portal.take_in(pending[number % len(pending)], amended)
            model.take_in(pending[number % len(pending)], amended)
        case "link" if pending and model.members:
            key, number = pending[value[0] % len(pending)], value[1] % len(model.members)
            assert portal.link(key, number) == model.link(key, number)
        case "ignore" if pending:
            portal.ignore(pending[value % len(pending)])
            model.ignore(pending[value % len(pending)])
        case "ignore several":
            keys = sorted({pending[number % len(pending)] for number in value}) if pending else []
            portal.ignore(*keys)
            for key in keys:
                model.ignore(key)
        case "enter a member":
            portal.enter_member()
            model.enter("Entered")
        case "disconnect" if model.connected:
            portal.disconnect()
            model.disconnect()
        case "reconnect" if not model.connected:
            portal.reconnect()
            model.connected = True


@pytest.fixture
def row(sqlite_world: World, simulator: SimulatorHandle) -> Import:
    """Any import: whose it is decides nothing here."""
    person = next(each for each in simulator.simulator.practices[TENANT].clients.values() if is_importable_person(each))
    take_login(sqlite_world, TAKEN)
    return sqlite_world.run_import(person.uuid)


def holding(seed: int, examples: int, strategy: Any, check: Callable[[Any], None]) -> None:
    @seeded(seed)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(value: Any) -> None:
        check(value)

    run()


def test_any_sequence_ends_in_the_model_s_state(sqlite_world: World, row: Import, seed: int) -> None:
    def check(sequence: list[tuple[str, Any]]) -> None:
        portal, model = Portal(sqlite_world, row), Model(TAKEN)
        for step in sequence:
            play(portal, model, step)
            note(f"{step}")
            assert portal.state() == state_of(model), step

    holding(seed, 60, steps, check)


def test_a_sync_after_any_others_equals_that_one_alone(sqlite_world: World, row: Import, seed: int) -> None:
    """What XPM told in between and tells no more stays, marked as ended: like a blank (b.16), silence erases nothing."""

    def check(value: tuple[Record, list[Record], Record]) -> None:
        first, between, last = value
        often, once = Portal(sqlite_world, row), Portal(sqlite_world, row)
        for portal, edits in ((often, [*between, last]), (once, [last])):
            portal.others = often.others
            portal.record = first
            portal.import_all()
            for portal.record in edits:
                portal.resync()
        assert running(often) == running(once)
        assert often.state()["fields"] == once.state()["fields"]

    holding(seed, 30, st.tuples(records, st.lists(records, min_size=1, max_size=3), records), check)


def running(portal: Portal) -> dict[Any, Any]:
    """The items that XPM tells now."""
    return {key: item for key, item in portal.state()["items"].items() if not item[-1]}
