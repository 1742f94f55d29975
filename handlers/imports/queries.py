"""Where imports stand, for the staff who may see them: their steps, what each waits for, and how far a batch has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from handlers import refusals
from handlers.access.caller import Caller
from handlers.imports.reopen import require_import
from handlers.jobs.explain import WaitReason, waits
from handlers.jobs.kinds import JobKind
from handlers.paging import Page, page_of, read_cursor
from portal_db import audit
from portal_db.access import people
from portal_db.database import Database
from portal_db.states import ImportState, JobState
from portal_db.tables import AuditEntry, Batch, Import, Job
from portal_db.work import import_list, imports, jobs, progress, recent_imports
from portal_db.work.import_list import ImportFilter


def rows(database: Database, caller: Caller, batch_id: UUID, *, limit: int) -> Sequence[Row]:
    """The first rows of a batch that came to nothing, in its order.

    Raises:
        RequestRefused: there is no such batch for them.
    """
    with database.read() as tx:
        if import_list.batch(tx, caller.viewer, batch_id) is None:
            raise refusals.UNKNOWN_BATCH()
        found = import_list.of_batch(tx, caller.viewer, batch_id, STATES, limit=limit)
        names = recent_imports.names_in_xpm(tx, caller.practice_id, [row.xpm_uuid for row in found])
    return [Row(row, row.name or names.get(row.xpm_uuid)) for row in found]


#: What each kind of job does, in a person's words.
TITLES: dict[str, str] = {
    JobKind.VALIDATE_IMPORT: "Check the request",
    JobKind.CREATE_CLIENT: "Create the client",
    JobKind.CREATE_ENTITY: "Create the entity",
    JobKind.IMPORT_DETAILS: "Bring the details",
    JobKind.IMPORT_RELATIONSHIPS: "Bring the relationships",
    JobKind.SEND_WELCOME_EMAIL: "Send the welcome email",
}


@dataclass(frozen=True)
class Step:
    """One job of an import, as it stands. `waits_for` and `until` say why an open one is not running."""

    job: Job
    title: str
    waits_for: str | None
    until: datetime | None


@dataclass(frozen=True)
class ImportStatus:
    """An import with its steps, in the order in which they were made."""

    row: Import
    steps: tuple[Step, ...]

    @property
    def waits_for(self) -> tuple[str | None, datetime | None]:
        """Why it is not going on: the first of its steps that says so."""
        return next(((step.waits_for, step.until) for step in self.steps if step.waits_for), (None, None))


@dataclass(frozen=True)
class BatchStatus:
    """How far a batch has come: how many of its imports are in each state."""

    row: Batch
    states: dict[ImportState, int]

    @property
    def open(self) -> int:
        """Imports that are not closed, and rows that are still being recorded."""
        return self.row.size - sum(count for state, count in self.states.items() if not state.is_open)


def one(database: Database, caller: Caller, import_id: UUID) -> ImportStatus:
    """An import that the caller may see.

    Raises:
        RequestRefused: there is none such for them.
    """
    with database.read() as tx:
        row = import_list.get(tx, caller.viewer, import_id)
        if row is None:
            raise refusals.UNKNOWN_IMPORT()
        latest = {job.kind: job for job in jobs.of_import(tx, import_id)}.values()
        holds = waits(tx, latest)
    return ImportStatus(row, tuple(_step(job, holds.get(job.id)) for job in latest))


def page(database: Database, caller: Caller, wanted: ImportFilter, *, cursor: str | None, limit: int) -> Page[Import]:
    """Imports that the caller may see, newest first.

    Raises:
        RequestRefused: the cursor is not one of ours.
    """
    after = read_cursor(cursor)
    with database.read() as tx:
        rows = import_list.page(tx, caller.viewer, wanted, after=after, limit=limit + 1)
    return page_of(rows, limit, lambda row: (row.created_at, row.id))


def batch(database: Database, caller: Caller, batch_id: UUID) -> BatchStatus:
    """A batch that the caller may see.

    Raises:
        RequestRefused: there is none such for them.
    """
    with database.read() as tx:
        row = import_list.batch(tx, caller.viewer, batch_id)
        if row is None:
            raise refusals.UNKNOWN_BATCH()
        return BatchStatus(row, progress.by_state(tx, progress.of_batch(batch_id)))


def batch_rows(database: Database, caller: Caller, batch_id: UUID) -> list[Import]:
    """The imports of a batch that the caller may see, in its order.

    Raises:
        RequestRefused: there is none such for them.
    """
    with database.read() as tx:
        if import_list.batch(tx, caller.viewer, batch_id) is None:
            raise refusals.UNKNOWN_BATCH()
        return imports.of_batch(tx, batch_id)


def _step(job: Job, hold: WaitReason | None) -> Step:
    waits_for, until = (hold.words, hold.until) if hold is not None else (None, None)
    return Step(job, TITLES.get(job.kind, job.kind), waits_for, until)


#: States of a row that came to nothing, and that may be asked for again.
STATES = (ImportState.REJECTED, ImportState.FAILED, ImportState.CANCELLED)


@dataclass(frozen=True)
class Row:
    """A row that came to nothing, and what XPM or the requester calls it, if anybody knows."""

    row: Import
    name: str | None


@dataclass(frozen=True)
class ImportDetails:
    """An import with all its jobs, what those that wait are waiting for, and its history."""

    row: Import
    jobs: Sequence[Job]
    waits: Mapping[UUID, WaitReason]
    history: Sequence[AuditEntry]


def details(database: Database, import_id: UUID) -> ImportDetails:
    """Everything that is known of an import, for an operator.

    Raises:
        RequestRefused: there is no such import.
    """
    with database.read() as tx:
        row = require_import(imports.get(tx, import_id))
        its_jobs = jobs.of_import(tx, import_id)
        return ImportDetails(row, its_jobs, waits(tx, its_jobs), audit.of_subject(tx, "import", import_id))


def listing(
    database: Database, *, practice_id: UUID | None, states: Sequence[ImportState], limit: int
) -> Sequence[Import]:
    """Up to `limit` imports of a practice, or of all, newest first, for an operator.

    Raises:
        RequestRefused: there is no such practice.
    """
    with database.read() as tx:
        if practice_id is not None and people.get_practice(tx, practice_id) is None:
            raise refusals.UNKNOWN_PRACTICE()
        return imports.listing(tx, practice_id=practice_id, states=states, limit=limit)


def requested(database: Database, *, import_id: UUID, batch_id: UUID | None) -> Sequence[Import]:
    """The imports of a batch in its order, or the one import that was requested without a batch."""
    with database.read() as tx:
        return imports.of_batch(tx, batch_id) if batch_id else [require_import(imports.get(tx, import_id))]


@dataclass(frozen=True)
class ImportCounts:
    """How many imports, and how many of their jobs, are in each state. Equal counts mean that nothing moved."""

    imports: Mapping[ImportState, int]
    jobs: Mapping[JobState, int]

    @property
    def open(self) -> int:
        return sum(count for state, count in self.imports.items() if state.is_open)

    @property
    def closed(self) -> int:
        return sum(self.imports.values()) - self.open


def counts(database: Database, *, import_id: UUID, batch_id: UUID | None) -> ImportCounts:
    """The progress of a batch, or of the one import that was requested without a batch."""
    which = progress.of_batch(batch_id) if batch_id else progress.of_import(import_id)
    with database.read() as tx:
        return ImportCounts(progress.by_state(tx, which), progress.jobs_by_state(tx, which))
