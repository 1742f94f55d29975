"""A portal small enough for a test: real database, real XPM simulator over HTTP, real SMTP, and no queue.

Jobs run when the test says so, in the order it says, and time passes when it says so: moving every stored time back is the
same as moving the database's clock forward, and needs no sleeping.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import select, text, update

from config.settings import Settings
from config.sources import Sources
from handlers.directory.sync import sync_on_connecting
from handlers.email.smtp import SmtpMailer
from handlers.imports.accept import accept, accept_batch
from handlers.imports.request import ImportRequest, parse
from handlers.outages import Outages, WatchedLimiter, WatchedMailer
from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db.access import people
from portal_db.database import Database
from portal_db.directory import directories
from portal_db.states import JobState, Lane, LoginKind, Role
from portal_db.tables import Base, Import, Job
from portal_db.types import UtcDateTime
from portal_db.work import imports, jobs
from portal_db.work.due import is_due, is_out_of_turn, is_paused
from portal_db.xero import connections, logins
from worker.local.mail_catcher import MailCatcher
from worker.runner.leases import Leases
from worker.runner.runner import Runner
from xpm.client import XpmApi
from xpm.limiter import UnlimitedLimiter
from xpm.simulator.practice.model import Client
from xpm.simulator.serve import SimulatorConfig
from xpm.simulator.tenants import BASE_PATH

TENANT = SimulatorConfig().tenant_id


class LongestWaits(random.SystemRandom):
    """Chance that always says the most: a back-off of a moment would be over before the test has looked."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


@dataclass
class RememberingBell:
    """A bell that nobody hears; it remembers what was rung."""

    rung: list[tuple[Lane, UUID]] = field(default_factory=list)
    wakes: int = 0

    def ring(self, lane: Lane, job_ids: Sequence[UUID]) -> None:
        self.rung += [(lane, job_id) for job_id in job_ids]

    def wake_relay(self) -> None:
        self.wakes += 1  # and no relay runs


@dataclass
class World:
    """One practice with one connected staff member."""

    database: Database
    services: Services
    leases: Leases
    bell: RememberingBell
    mail: MailCatcher
    practice_id: UUID
    staff_id: UUID
    connection_id: UUID
    stopping: threading.Event = field(default_factory=threading.Event)

    def runner(self, *, owner: str = "worker-1", services: Services | None = None) -> Runner:
        """A runner as another process would have it."""
        leases = Leases(self.database, owner, lease_seconds=10, every_seconds=3)
        return Runner(services or self.services, self.bell, leases, HANDLERS, run_isolated=None, stopping=self.stopping)

    def request(self, xpm_uuid: UUID, kind: str = "individual", **fields: object) -> ImportRequest:
        return parse(
            {
                "practice_id": self.practice_id,
                "requested_by": self.staff_id,
                "request_id": uuid4().hex,
                "xpm_uuid": xpm_uuid,
                "kind": kind,
                **fields,
            }
        )

    def ask(self, xpm_uuid: UUID, kind: str = "individual", **fields: object) -> UUID:
        """Accept one interactive request; nothing runs yet."""
        return accept(self.database, self.bell, self.request(xpm_uuid, kind, **fields)).import_id

    def ask_batch(self, rows: Sequence[ImportRequest], key: str = "batch") -> tuple[UUID, ...]:
        return accept_batch(self.database, self.bell, key, rows).import_ids

    def run_due(self, *, limit: int = 1000) -> int:
        """Run due jobs, oldest first, until none is left. Returns how many runs that took."""
        runner = self.runner()
        for count in range(limit):
            job_id = self._next_due()
            if job_id is None:
                return count
            runner.run(job_id)
        raise AssertionError(f"still jobs to run after {limit} runs")

    def _next_due(self) -> UUID | None:
        with self.database.read() as tx:
            statement = select(Job.id).where(is_due(), ~is_paused(), ~is_out_of_turn())
            return tx.session.scalar(statement.order_by(Job.created_at, Job.position, Job.id).limit(1))

    def run_import(self, xpm_uuid: UUID, kind: str = "individual", **fields: object) -> Import:
        """Ask, run everything, and return the import as it then is."""
        import_id = self.ask(xpm_uuid, kind, **fields)
        self.run_due()
        return self.import_row(import_id)

    def import_row(self, import_id: UUID) -> Import:
        with self.database.read() as tx:
            row = imports.get(tx, import_id)
        assert row is not None
        return row

    def jobs_of(self, import_id: UUID) -> dict[str, Job]:
        """The latest job of each kind."""
        with self.database.read() as tx:
            return {job.kind: job for job in jobs.of_import(tx, import_id)}

    def states_of(self, import_id: UUID) -> dict[str, JobState]:
        return {kind: job.state for kind, job in self.jobs_of(import_id).items()}

    def pass_time(self, seconds: float) -> None:
        """Let so much time go by on the database's clock."""
        back = timedelta(seconds=seconds)
        with self.database.write() as tx:
            for table in Base.metadata.sorted_tables:
                times = [column for column in table.columns if isinstance(column.type, UtcDateTime)]
                rows = tx.session.execute(select(*table.primary_key.columns, *times)).all() if times else []
                for row in rows:
                    moved = {column.name: row._mapping[column] - back for column in times if row._mapping[column]}
                    key = [column == row._mapping[column] for column in table.primary_key.columns]
                    if moved:
                        tx.session.execute(update(table).where(*key).values(**moved))

    def scalar(self, sql: str, **values: object) -> object:
        """One value straight from the database, past all of our queries."""
        with self.database.read() as tx:
            return tx.session.execute(text(sql), values).scalar()


@contextmanager
def building(database_url: str, api_url: str, access_token: str, mail: MailCatcher) -> Iterator[World]:
    """Set a portal up on a database with its tables and nothing in them."""
    xero = api_url.removesuffix(BASE_PATH)
    settings = Settings(
        database_url=database_url,
        xpm_api_url=api_url,
        xero_authorize_url=f"{xero}/identity/connect/authorize",
        xero_identity_url=xero,
        xero_connections_url=f"{xero}/connections",
        xero_client_id=SimulatorConfig().client_id,
        xero_client_secret=SecretStr(SimulatorConfig().client_secret),
        smtp_url=mail.url,
        unsigned_requests=True,
        token_keys=Fernet.generate_key().decode(),
    )
    sources = Sources(random=LongestWaits())
    database = Database(database_url, sources)
    watched = Outages(database, sources)
    xpm = XpmApi(api_url, limiter=WatchedLimiter(UnlimitedLimiter(), watched))
    services = Services(database, xpm, WatchedMailer(SmtpMailer(mail.url), watched), settings, sources)
    leases = Leases(database, "worker-1", lease_seconds=10, every_seconds=3)
    practice_id, staff_id, connection_id = connect_practice(database, settings, access_token)
    try:
        yield World(database, services, leases, RememberingBell(), mail, practice_id, staff_id, connection_id)
    finally:
        xpm.close()
        services.mailer.close()
        database.close()


def connect_practice(
    database: Database, settings: Settings, access_token: str, *, name: str = "Harbour Accounting", tenant: str = TENANT
) -> tuple[UUID, UUID, UUID]:
    """A practice with firm-wide MFA, one partner, and that partner's connection to XPM."""
    with database.write() as tx:
        practice_id, staff_id, login_id, connection_id = (tx.new_id() for _ in range(4))
        people.add_practice(
            tx, {"id": practice_id, "name": name, "time_zone": "Australia/Sydney", "mfa_mandatory": True}
        )
        address = f"partner-{staff_id.hex}@practice.example"
        assert people.add_login(tx, login_id, LoginKind.STAFF, address, address)
        people.add_staff(
            tx,
            {"id": staff_id, "practice_id": practice_id, "login_id": login_id, "name": "Kim", "role": Role.PARTNER},
        )
        xero_login_id = logins.store_consented(
            tx,
            {
                "id": tx.new_id(),
                "xero_user_id": f"xero-{staff_id.hex}",
                "access_token": settings.vault.encrypt(access_token.encode()),
                "refresh_token": None,
                "access_expires_at": datetime.now(UTC) + timedelta(days=1),
            },
        )
        assert connections.add_connection(
            tx,
            {
                "id": connection_id,
                "practice_id": practice_id,
                "staff_id": staff_id,
                "xero_login_id": xero_login_id,
                "tenant_id": tenant,
                "tenant_name": None,
            },
        )
    return practice_id, staff_id, connection_id


def is_importable_person(client: Client) -> bool:
    """A record any practice could import as an individual: a person, active, with an email."""
    return bool(
        client.business_structure == "Individual" and client.email and not client.is_archived and not client.is_deleted
    )


def begin_directory_sync(database: Database, connection_id: UUID) -> Callable[[], bool]:
    """Ask for a sync of the directory, as connecting does. Returns a function that tells whether it is synced."""
    with database.write() as tx:
        sync_on_connecting(tx, connections.get_one(tx, connection_id))

    def is_synced() -> bool:
        with database.read() as tx:
            connection = connections.get_one(tx, connection_id)
            directory = directories.of(tx, connection.xero_login_id, connection.tenant_id)
        return directory is not None and directory.cursor is not None

    return is_synced
