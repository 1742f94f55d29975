"""Rehearses imports before a worker takes its first job, in a transaction that is rolled back.

A new process compiles each statement when it first sends it, PostgreSQL plans it, and both load what they need for that: the
first set of a batch took twice as long as the next.

The runner is the real one, with the real handlers: what it needs is a practice of its own, a mailer that sends nothing, and
a bell that nobody hears. XPM is not asked, since the directory has the records.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import structlog
from pydantic import SecretStr

from config.telling import untold
from handlers.access.practices import add_practice, add_staff
from handlers.directory.classification import suggested_kind
from handlers.directory.records import columns_of
from handlers.imports.accept import accept, accept_batch
from handlers.imports.request import ImportRequest
from handlers.integration.by_hand import Grant, connect_by_hand
from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db.database import Database
from portal_db.directory import directories
from portal_db.states import ClientKind, JobState, Lane, Role
from portal_db.types import database_time
from portal_db.work import jobs
from portal_db.xero import connections
from worker.runner.leases import Leases
from worker.runner.runner import Runner
from xpm.records import Address, RelationshipRecord, XpmClient

log = structlog.stdlib.get_logger(__name__)

#: Runs of jobs in one rehearsal: more than the kinds of an import, so that one which does not end is left.
MOST_RUNS = 20


class _NoMailer:
    """Sends nothing."""

    def send(self, message: Any, recipient: str) -> None:
        pass

    def close(self) -> None:
        pass


class _NoBell:
    """Nobody hears of jobs that nobody will find."""

    def ring(self, lane: Lane, job_ids: Sequence[UUID]) -> None:
        pass

    def wake_relay(self) -> None:
        pass


def rehearse(services: Services) -> bool:
    """Import a few clients as a batch, and one that somebody waits for, and leave no trace. On SQLite nothing is rehearsed:
    a rehearsal would keep all others from writing.

    Returns:
        Whether all was imported. If not, as while the database is away, the first jobs take longer.
    """
    if not services.database.is_postgresql:
        return False
    began, error = services.sources.monotonic(), None
    try:
        with services.database.rehearsal() as stage, untold():
            is_imported = _import_on(stage, services)
    except Exception as raised:
        is_imported, error = False, raised
    event = "worker.rehearsed" if is_imported else "worker.not_rehearsed"
    log.info(event, seconds=round(services.sources.monotonic() - began, 3), exc_info=error)
    return is_imported


def _import_on(stage: Database, services: Services) -> bool:
    practice_id, staff_id, records = _firm(stage, services)
    requests = [_request(practice_id, staff_id, record) for record in records]
    leases = Leases(stage, f"rehearsal/{practice_id}", lease_seconds=60.0, every_seconds=60.0)
    on_stage = replace(services, database=stage, mailer=_NoMailer())
    bell = _NoBell()
    runner = Runner(on_stage, bell, leases, HANDLERS, run_isolated=None, stopping=threading.Event())
    person, *batch = requests
    import_ids = [*accept_batch(stage, bell, "rehearsal", batch).import_ids, accept(stage, bell, person).import_id]
    for _ in range(MOST_RUNS):
        with stage.read() as tx:
            of_imports = [job for of in jobs.of_imports(tx, import_ids).values() for job in of]
        queued = [job for job in of_imports if job.state is JobState.QUEUED]
        if not queued:
            return all(job.state in (JobState.SUCCEEDED, JobState.REJECTED) for job in of_imports)
        first = queued[0]
        runner.run(*(job.id for job in queued if (job.kind, job.interactive) == (first.kind, first.interactive)))
    return False


def _firm(stage: Database, services: Services) -> tuple[UUID, UUID, list[XpmClient]]:
    """A practice with a partner who is connected to XPM, and what its directory has."""
    practice_id = add_practice(stage, "Rehearsal", time_zone="Australia/Sydney", mfa_mandatory=True)
    staff_id = add_staff(stage, practice_id, "Rehearsal", _address(practice_id), Role.PARTNER)
    grant = Grant(xero_user_id=str(staff_id), access_token=SecretStr("rehearsal"))
    connection_id = connect_by_hand(
        stage,
        services.settings.vault,
        grant,
        practice_id=practice_id,
        staff_id=staff_id,
        tenant_id=str(practice_id),
    )
    records = _records([stage.sources.new_id() for _ in range(6)])
    with stage.write() as tx:
        connection, now = connections.get_one(tx, connection_id), database_time(tx.session)
        for record in records:
            directories.keep_directory_record(tx, connection, record.uuid, columns_of(record), now)
    return practice_id, staff_id, records


def _records(ids: Sequence[UUID]) -> list[XpmClient]:
    """Persons and companies in turn, each related to the one before. The last is archived, so it is refused."""
    address = Address("1 Street", "Sydney", "NSW", "2000", "Australia")
    return [
        XpmClient(
            own,
            f"Rehearsal {number}",
            first_name=None if number % 2 else "First",
            last_name=None if number % 2 else "Last",
            email=_address(own),
            phone="+61 2 5550 0000",
            address=address,
            postal_address=address,
            business_structure="Company" if number % 2 else "Individual",
            is_archived=own == ids[-1],
            relationships=tuple(
                RelationshipRecord(None, label, ids[number - 1], f"Rehearsal {number - 1}")
                for label in ("Director", "Trustee")
            ),
        )
        for number, own in enumerate(ids)
    ]


def _request(practice_id: UUID, staff_id: UUID, record: XpmClient) -> ImportRequest:
    kind = suggested_kind(record)
    return ImportRequest(
        practice_id=practice_id,
        requested_by=staff_id,
        request_id=str(record.uuid),
        xpm_uuid=record.uuid,
        kind=kind,
        send_welcome_email=kind is ClientKind.INDIVIDUAL,
    )


def _address(own: UUID) -> str:
    return f"{own}@rehearsal.example"
