"""Imports and batches as staff see them: the steps of an import, what each waits for, and the progress of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from handlers import refusals
from handlers.access.caller import Caller
from handlers.jobs.explain import WaitReason, wait_reasons
from handlers.jobs.kinds import JobKind
from handlers.paging import Page, page_of, read_cursor
from portal_db.database import Database, Tx
from portal_db.states import ImportState
from portal_db.tables import Batch, Import, Job
from portal_db.work import import_list, imports, jobs, progress, recent_imports
from portal_db.work.import_list import ImportFilter

#: States in which a row of a batch created nothing, and may be requested again.
UNSUCCESSFUL = (ImportState.REJECTED, ImportState.FAILED, ImportState.CANCELLED)

_TITLES: dict[str, str] = {
    JobKind.VALIDATE_IMPORT: "Check the request",
    JobKind.CREATE_CLIENT: "Create the client",
    JobKind.CREATE_ENTITY: "Create the entity",
    JobKind.IMPORT_DETAILS: "Import details",
    JobKind.IMPORT_RELATIONSHIPS: "Import relationships",
    JobKind.SEND_WELCOME_EMAIL: "Send the welcome email",
}


@dataclass(frozen=True)
class Step:
    """One job of an import. `waits_for` and `until` say why an open one is not running."""

    job: Job
    title: str
    waits_for: str | None
    until: datetime | None


@dataclass(frozen=True)
class ImportStatus:
    """An import with its steps, in the order in which they were created."""

    row: Import
    steps: tuple[Step, ...]

    @property
    def waits_for(self) -> tuple[str | None, datetime | None]:
        """What the first waiting step waits for, and until when."""
        return next(((step.waits_for, step.until) for step in self.steps if step.waits_for), (None, None))


@dataclass(frozen=True)
class BatchStatus:
    """A batch with the number of its imports in each state."""

    row: Batch
    states: dict[ImportState, int]

    @property
    def open(self) -> int:
        """Imports that are not closed, and rows that are still being recorded."""
        return self.row.size - sum(count for state, count in self.states.items() if not state.is_open)


@dataclass(frozen=True)
class UnsuccessfulRow:
    """A row that created nothing, and its client's name if the requester or XPM gave one."""

    row: Import
    name: str | None


def get_import(database: Database, caller: Caller, import_id: UUID) -> ImportStatus:
    """An import that the caller may see.

    Raises:
        RequestRefused: not found, or not visible to them.
    """
    with database.read() as tx:
        row = import_list.get(tx, caller.viewer, import_id)
        if row is None:
            raise refusals.UNKNOWN_IMPORT()
        latest = {job.kind: job for job in jobs.of_import(tx, import_id)}.values()
        holds = wait_reasons(tx, latest)
    return ImportStatus(row, tuple(_step(job, holds.get(job.id)) for job in latest))


def list_imports(
    database: Database, caller: Caller, wanted: ImportFilter, *, cursor: str | None, limit: int
) -> Page[Import]:
    """Imports that the caller may see, newest first.

    Raises:
        RequestRefused: the cursor is not valid.
    """
    after = read_cursor(cursor)
    with database.read() as tx:
        rows = import_list.page(tx, caller.viewer, wanted, after=after, limit=limit + 1)
    return page_of(rows, limit, lambda row: (row.created_at, row.id))


def get_batch(database: Database, caller: Caller, batch_id: UUID) -> BatchStatus:
    """A batch that the caller may see.

    Raises:
        RequestRefused: not found, or not visible to them.
    """
    with database.read() as tx:
        row = _require_batch(tx, caller, batch_id)
        return BatchStatus(row, progress.by_state(tx, progress.of_batch(batch_id)))


def imports_of_batch(database: Database, caller: Caller, batch_id: UUID) -> list[Import]:
    """The imports of a batch that the caller may see, in row order.

    Raises:
        RequestRefused: not found, or not visible to them.
    """
    with database.read() as tx:
        _require_batch(tx, caller, batch_id)
        return imports.of_batch(tx, batch_id)


def unsuccessful_rows(database: Database, caller: Caller, batch_id: UUID, *, limit: int) -> Sequence[UnsuccessfulRow]:
    """The first unsuccessful rows of a batch that the caller may see, in row order.

    Raises:
        RequestRefused: not found, or not visible to them.
    """
    with database.read() as tx:
        _require_batch(tx, caller, batch_id)
        found = import_list.of_batch(tx, caller.viewer, batch_id, UNSUCCESSFUL, limit=limit)
        names = recent_imports.names_in_xpm(tx, caller.practice_id, [row.xpm_uuid for row in found])
    return [UnsuccessfulRow(row, row.name or names.get(row.xpm_uuid)) for row in found]


def _require_batch(tx: Tx, caller: Caller, batch_id: UUID) -> Batch:
    row = import_list.batch(tx, caller.viewer, batch_id)
    if row is None:
        raise refusals.UNKNOWN_BATCH()
    return row


def _step(job: Job, hold: WaitReason | None) -> Step:
    waits_for, until = (hold.words, hold.until) if hold is not None else (None, None)
    return Step(job, _TITLES.get(job.kind, job.kind), waits_for, until)
