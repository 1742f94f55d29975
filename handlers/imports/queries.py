"""Imports and batches as staff see them: the steps of an import, what each waits for, and the progress of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from handlers import refusals
from handlers.access.caller import Caller
from handlers.imports.reopen import require_import
from handlers.jobs.explain import WaitReason, wait_reasons
from handlers.jobs.kinds import JobKind
from handlers.paging import Page, page_of, read_cursor
from portal_db import audit
from portal_db.access import people
from portal_db.database import Database, Tx
from portal_db.states import ImportState, JobState
from portal_db.tables import AuditEntry, Batch, Import, Job
from portal_db.work import import_list, imports, jobs, progress, recent_imports
from portal_db.work.import_list import ImportFilter
from portal_db.xero import requester

#: States in which a row of a batch created nothing, and may be requested again.
UNSUCCESSFUL = (ImportState.REJECTED, ImportState.FAILED, ImportState.CANCELLED)

#: Why a request was turned down that only repeats another: what it asked for is done, or under way.
REPEATED = ("already_being_imported", "already_linked")

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
    """One job of an import. `hold`: why an open one is not running."""

    job: Job
    title: str
    hold: WaitReason | None

    @property
    def waits_for(self) -> str | None:
        return self.hold.words if self.hold else None

    @property
    def until(self) -> datetime | None:
        return self.hold.until if self.hold else None


@dataclass(frozen=True)
class ImportStatus:
    """An import with its steps, in the order in which they were created. `left_out`: the fields of the XPM record whose
    value cannot be read. `name`: the client's name in the portal, in the request or in XPM, if any is known."""

    row: Import
    steps: tuple[Step, ...]
    left_out: tuple[str, ...]
    name: str | None

    @property
    def outcome(self) -> str:
        return outcome(self.row, [(step.job.kind, step.job.state) for step in self.steps])

    @property
    def waits_for(self) -> tuple[str | None, datetime | None]:
        """What the first waiting step waits for, and until when."""
        return next(((step.waits_for, step.until) for step in self.steps if step.waits_for), (None, None))


def outcome(row: Import, steps: Sequence[tuple[str, JobState]]) -> str:
    """An import's state as staff see it: one of which no step succeeded is not partly succeeded.

    Args:
        steps: the kinds and states of its jobs, as far as they are still stored.
    """
    if row.state is ImportState.REJECTED and row.outcome_code in REPEATED:
        return row.outcome_code
    if row.state is not ImportState.PARTLY_SUCCEEDED or not steps:
        return row.state.value
    if any(state is JobState.SUCCEEDED for _, state in steps):
        return row.state.value
    return "not_sent" if {kind for kind, _ in steps} == {JobKind.SEND_WELCOME_EMAIL} else "nothing_imported"


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

    @property
    def outcome(self) -> str:
        return outcome(self.row, ())


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
        holds, left_out = wait_reasons(tx, latest), _left_out(tx, import_id)
        name = recent_imports.names(tx, caller.viewer, caller.practice_id, [row]).get(row.id)
    return ImportStatus(row, tuple(_step(job, holds.get(job.id)) for job in latest), left_out, name)


def import_of_record(database: Database, caller: Caller, row: Import) -> UUID | None:
    """The import because of which another of the same XPM record was turned down, if the caller may see it."""
    with database.read() as tx:
        return import_list.other_of_record(tx, caller.viewer, row)


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
        names = recent_imports.requested_names(tx, caller.practice_id, [row.id for row in found])
    return [UnsuccessfulRow(row, row.name or names.get(row.id)) for row in found]


def _require_batch(tx: Tx, caller: Caller, batch_id: UUID) -> Batch:
    row = import_list.batch(tx, caller.viewer, batch_id)
    if row is None:
        raise refusals.UNKNOWN_BATCH()
    return row


def _step(job: Job, hold: WaitReason | None) -> Step:
    return Step(job, _TITLES.get(job.kind, job.kind), hold)


@dataclass(frozen=True)
class ImportDetails:
    """An import with all its jobs, what those that wait are waiting for, its history, and the fields of the XPM record whose
    value cannot be read."""

    row: Import
    jobs: Sequence[Job]
    waits: Mapping[UUID, WaitReason]
    history: Sequence[AuditEntry]
    left_out: tuple[str, ...]


def details(database: Database, import_id: UUID) -> ImportDetails:
    """Everything that is known of an import, for an operator.

    Raises:
        RequestRefused: there is no such import.
    """
    with database.read() as tx:
        row = require_import(imports.get(tx, import_id))
        its_jobs = jobs.of_import(tx, import_id)
        history = audit.of_subject(tx, "import", import_id)
        return ImportDetails(row, its_jobs, wait_reasons(tx, its_jobs), history, _left_out(tx, import_id))


def _left_out(tx: Tx, import_id: UUID) -> tuple[str, ...]:
    """The omissions of an import's record, as its requester's Xero login last saw it."""
    found = requester.requester(tx, import_id).record
    return tuple(found.record.get("omissions", ())) if found is not None else ()


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
