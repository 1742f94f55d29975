"""The demo from start to end: processes up, practice in, everything imported, figures out, nothing left running."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID, uuid5

from handlers.directory.classification import suggested_kind
from handlers.directory.records import read_record
from handlers.imports.accept import AcceptedBatch, accept_batch
from handlers.imports.request import ImportRequest
from handlers.integration.connect import ConnectingStaff
from portal_db.directory import directories, search
from portal_db.states import ClientKind, Role
from portal_db.work import imports, progress
from portal_db.xero import connections
from worker.cli.exits import ExitCode, Problem
from worker.cli.imports.progress import Progressed, busy, until_closed
from worker.cli.output import count_of, note, say_json
from worker.local import demo_report
from worker.local import seed as local_seed
from worker.local.running import housed, started
from worker.local.stack import EmbeddedShape, Plan
from xpm.records import XpmClient

STALLED_SECONDS = 120.0
"""Without any job finishing for so long, the demo gives up."""


def demonstrate(plan: Plan, *, kept: bool, as_json: bool) -> ExitCode:
    """Run the demo.

    Args:
        plan: with the folder that keeps the state; only its parent is used unless `kept`.
        kept: whether the folder stays.

    Returns:
        FAILED when an import did not finish or operations would have to look.

    Raises:
        Problem: it could not be run to its end; everything was stopped.
    """
    with housed(plan, kept=kept, what="the demo") as there:
        return _run_in(there, kept=kept, as_json=as_json)


def _run_in(plan: Plan, *, kept: bool, as_json: bool) -> ExitCode:
    began = time.monotonic()
    if not as_json:
        demo_report.opening(plan, kept=kept)
    with started(plan) as shape:
        seed(shape)
        with busy("Filling the directory"):
            records = directory(shape)
        batch = ask_for_all(shape, records)
        last = _follow(shape, batch)
        counters = shape.counters()
        found = demo_report.count(shape, batch.batch_id, time.monotonic() - began, counters)
        if as_json:
            say_json(asdict(found))
        else:
            _tell(shape, batch, records, found, counters, kept=kept)
    if last.open:
        note(f"Nothing moved for {STALLED_SECONDS:g} s; {count_of(last.open, 'import')} left unfinished.")
    return ExitCode.FAILED if found.unfinished or found.dead else ExitCode.DONE


def _follow(shape: EmbeddedShape, batch: AcceptedBatch) -> Progressed:
    """Watch the batch until it is closed, a process ends, or nothing moves any more."""
    moved_at, before = time.monotonic(), Progressed({}, {})

    def go_on(now: Progressed) -> bool:
        nonlocal moved_at, before
        shape.processes.check()
        if now != before:
            moved_at, before = time.monotonic(), now
        return time.monotonic() - moved_at < STALLED_SECONDS

    return until_closed(shape.database, progress.of_batch(batch.batch_id), len(batch.import_ids), go_on=go_on)


def _tell(
    shape: EmbeddedShape,
    batch: AcceptedBatch,
    records: list[XpmClient],
    found: demo_report.Figures,
    counters: dict[str, object],
    *,
    kept: bool,
) -> None:
    with shape.database.read() as tx:
        rows = imports.of_batch(tx, batch.batch_id)
    names = {record.uuid: record.name for record in records}
    mail = demo_report.deliveries_of(shape, batch.batch_id)
    demo_report.tell(shape, rows, names, found, mail, counters, kept=kept)


_OURS = UUID("6a1f0f6e-7a0f-4c0c-9a35-0d4c5f1c2b7e")
PRACTICE_ID = uuid5(_OURS, "practice")
STAFF_ID = uuid5(_OURS, "staff")
PRACTICE_NAME = "Demo Accountants"
STAFF_EMAIL = "manager@demo-accountants.example"

FILLED_SECONDS = 120.0
LOOK_SECONDS = 0.1


def seed(shape: EmbeddedShape) -> None:
    """Make sure of the practice, its manager, and the manager's connection to the simulator's tenant."""
    manager = ConnectingStaff(PRACTICE_ID, STAFF_ID)
    local_seed.practice(shape, PRACTICE_ID, PRACTICE_NAME)
    local_seed.staff(shape, manager, "Demo Manager", STAFF_EMAIL, Role.MANAGER)
    local_seed.connection_by_hand(shape, manager)


def directory(shape: EmbeddedShape) -> list[XpmClient]:
    """Every client that the manager's connection sees in XPM, by id, once its directory is filled: connecting began that.

    Raises:
        ProcessFailed: one of the processes ended meanwhile.
        Problem: nothing came.
    """
    until = time.monotonic() + FILLED_SECONDS
    while time.monotonic() < until:
        shape.processes.check()
        with shape.database.read() as tx:
            connection = connections.live_connection_of(tx, STAFF_ID)
            found = directories.of(tx, connection.xero_login_id, connection.tenant_id) if connection else None
            if found is not None and found.cursor is not None:
                return [read_record(row.record) for row in search.all_records(tx, found)]
        time.sleep(LOOK_SECONDS)
    raise Problem(f"The directory was not filled within {FILLED_SECONDS:g} s.")


def ask_for_all(shape: EmbeddedShape, records: Sequence[XpmClient]) -> AcceptedBatch:
    """Ask for every record, as what the portal would suggest. Individuals at even places (0, 2, …) of the list are
    welcomed by email."""
    key = f"demo of {shape.plan.clients} clients, seed {shape.plan.seed}"
    return accept_batch(shape.database, key, [_request(place, record, key) for place, record in enumerate(records)])


def _request(place: int, record: XpmClient, key: str) -> ImportRequest:
    kind = suggested_kind(record)
    return ImportRequest(
        practice_id=PRACTICE_ID,
        requested_by=STAFF_ID,
        request_id=f"{key}, {place}",
        xpm_uuid=record.uuid,
        kind=kind,
        send_welcome_email=kind is ClientKind.INDIVIDUAL and place % 2 == 0,
    )
