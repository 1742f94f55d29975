"""Sentences of the tests of connections: people who go to Xero and come back, what Xero does, and what is in the record."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
from sqlalchemy import select

from handlers.integration import connect
from handlers.integration.connect import Choice, Connected, ConnectingStaff
from portal_db.access import people
from portal_db.states import ConnectionState, EmailState, JobState, LoginKind, Role
from portal_db.tables import Job, ReconnectNotice, XeroLogin, XpmConnection
from portal_db.xero import connections, logins
from tests.servers.loopback import NO_TLS
from tests.world import TENANT, World, is_importable_person
from xpm.simulator.identity.grants import Grants
from xpm.simulator.serve import SimulatorHandle

OTHER_TENANT = "second-tenant"


@dataclass(frozen=True)
class Office:
    """A practice whose partner connected XPM by consent, and the Xero that they did it at."""

    world: World
    xero: SimulatorHandle
    partner: ConnectingStaff
    connection_id: UUID

    @property
    def grants(self) -> Grants:
        return self.xero.simulator.grants

    def knobs(self, **turned: object) -> None:
        self.xero.simulator.knobs = self.xero.simulator.knobs.changed(turned)

    def connection(self, connection_id: UUID | None = None) -> XpmConnection:
        with self.world.database.read() as tx:
            row = connections.get(tx, connection_id or self.connection_id)
        assert row is not None
        return row

    def state(self) -> tuple[ConnectionState, str | None]:
        row = self.connection()
        return row.state, row.broken_code

    def login(self) -> XeroLogin:
        with self.world.database.read() as tx:
            return logins.load(tx, self.connection().xero_login_id).row

    def ask(self, number: int = 0, person: ConnectingStaff | None = None) -> UUID:
        """Somebody (the partner) requests the import of one of the people in XPM, and nothing but the person."""
        people = [
            record for record in self.xero.simulator.practices[TENANT].clients.values() if is_importable_person(record)
        ]
        return self.world.ask(
            people[number].uuid,
            email=f"client-{number}@client.example",
            requested_by=(person or self.partner).staff_id,
            bring_details=False,
            bring_relationships=False,
        )

    def job(self, import_id: UUID) -> Job:
        return self.world.jobs_of(import_id)["validate_import"]

    def calls(self, operation: str = "client.api/get") -> int:
        return self.xero.simulator.counters.calls[operation]

    def letters(self) -> list[str]:
        """Whom reconnect emails were delivered to, once for each email."""
        found = self.world.mail.deliveries()
        return [letter.recipient for letter in found if letter.subject == "Reconnect Xero Practice Manager"]

    def notices(self) -> list[EmailState]:
        with self.world.database.read() as tx:
            return list(tx.session.scalars(select(ReconnectNotice.state).order_by(ReconnectNotice.created_at)))

    def run_job(self, kind: str) -> None:
        """Run the one waiting or queued job of a kind."""
        with self.world.database.read() as tx:
            open_jobs = select(Job.id).where(Job.kind == kind, Job.state.in_((JobState.QUEUED, JobState.WAITING)))
            job_id = tx.session.execute(open_jobs).scalar_one()
        self.world.runner().run(job_id)

    def reconnect(self) -> Connected:
        return connected(self.world, self.partner)

    def expire(self) -> None:
        """The access token runs out, by our clock and by Xero's."""
        self.world.pass_time(1800)
        self.grants.expire_all()


def come_back(world: World, person: ConnectingStaff, *, xero_user: str | None = None) -> dict[str, str]:
    """Go to Xero with a browser, consent, and come back with this."""
    url = connect.begin(world.database, world.services.settings, person)
    answer = httpx.get(f"{url}&login_hint={xero_user}" if xero_user else url, verify=NO_TLS)
    address = urlsplit(answer.headers["location"])
    assert f"{address.scheme}://{address.netloc}{address.path}" == "http://127.0.0.1:8000/integrations/xpm/callback"
    return {name: values[0] for name, values in parse_qs(address.query).items()}


def complete(world: World, person: ConnectingStaff, back: dict[str, str]) -> Connected | Choice:
    return connect.complete(
        world.database,
        world.services.settings,
        person,
        state=back["state"],
        code=back.get("code"),
        error=back.get("error"),
    )


def connected(world: World, person: ConnectingStaff, *, xero_user: str | None = None) -> Connected:
    done = complete(world, person, come_back(world, person, xero_user=xero_user))
    assert isinstance(done, Connected)
    return done


def colleague(world: World, *, role: Role = Role.MANAGER) -> ConnectingStaff:
    """Somebody else who works at the practice."""
    with world.database.write() as tx:
        staff_id, login_id = tx.new_id(), tx.new_id()
        address = f"colleague-{staff_id.hex}@practice.example"
        assert people.add_login(tx, login_id, LoginKind.STAFF, address, address)
        row = {"id": staff_id, "practice_id": world.practice_id, "login_id": login_id, "name": "Lee", "role": role}
        people.add_staff(tx, row)
    return ConnectingStaff(world.practice_id, staff_id)


def states(world: World, import_ids: list[UUID]) -> set[str]:
    return {world.import_row(import_id).state.value for import_id in import_ids}
