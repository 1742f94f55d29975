"""Lists of jobs, imports, practices and acts as operators search them: pages that cost the same however much is finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from handlers import refusals
from handlers.access.act import Act
from handlers.imports.reopen import require_import
from handlers.operations.overview import LaneNow, lanes
from handlers.paging import read_cursor, read_id
from portal_db import audit
from portal_db.access import people
from portal_db.audit import AuditFilter
from portal_db.database import Database, Tx
from portal_db.dialect import count_rows
from portal_db.paging import Cursor
from portal_db.states import OPEN_JOB_STATES, ImportState, JobState
from portal_db.tables import AuditEntry, Batch, Import, Job, Practice, XpmConnection
from portal_db.types import database_time
from portal_db.work import bulk_acts, import_search, imports, job_search, overview, pauses, progress
from portal_db.work.bulk_acts import BulkEntry
from portal_db.work.job_search import Filter
from portal_db.work.pauses import Paused
from portal_db.xero import connections, requester

PAGE = 50
#: Acts on many dead letters that are shown.
ACTS = 5


@dataclass(frozen=True)
class JobPage:
    """A page of jobs and the cursor of the next one. `looked_through`: only the latest jobs were looked through."""

    jobs: Sequence[Job]
    next: str | None
    looked_through: int | None = None


def jobs(database: Database, which: Filter, *, after: str | None) -> JobPage:
    """Jobs newest first: all that match of open ones and dead letters; of finished ones those among the latest.

    Raises:
        RequestRefused: `after` is not a cursor of this list.
    """
    with database.glance() as tx:
        return _jobs(tx, which, after)


def _jobs(tx: Tx, which: Filter, after: str | None) -> JobPage:
    if which.import_id is not None or (which.states and set(which.states) <= {*OPEN_JOB_STATES, JobState.DEAD}):
        found = job_search.listing(tx, which, limit=PAGE, after=read_cursor(after))
        more = str(job_search.cursor_of(which, found[-1])) if len(found) == PAGE else None
        return JobPage(found, more)
    found = job_search.latest(tx, which, before=read_id(after), limit=PAGE)
    return JobPage(found, str(found[-1].id) if len(found) == PAGE else None, job_search.LOOKED_THROUGH)


@dataclass(frozen=True)
class DeadLetters:
    """A page of dead letters that match, and the latest acts on many of any."""

    page: JobPage
    acts: Sequence[BulkEntry]


def dead_letters(database: Database, which: Filter, *, after: str | None) -> DeadLetters:
    """Dead letters that match, newest first.

    Raises:
        RequestRefused: `after` is not a cursor of this list.
    """
    with database.glance() as tx:
        return DeadLetters(_jobs(tx, which, after), bulk_acts.listing(tx, limit=ACTS))


def import_list(
    database: Database, *, practice_id: UUID | None, states: Sequence[ImportState], after: str | None
) -> tuple[Sequence[tuple[Import, str]], str | None]:
    """Imports newest first with their practices' names, and the cursor of the next page.

    Raises:
        RequestRefused: `after` is not a cursor of this list.
    """
    with database.glance() as tx:
        if practice_id is None:
            found = import_search.latest(tx, states=states, before=read_id(after), limit=PAGE)
            more = str(found[-1][0].id) if len(found) == PAGE else None
        else:
            cursor = read_cursor(after)
            found = import_search.of_practice(tx, practice_id, states=states, after=cursor, limit=PAGE)
            more = str(Cursor(found[-1][0].created_at, found[-1][0].id)) if len(found) == PAGE else None
    return found, more


@dataclass(frozen=True)
class BatchNow:
    """A batch, the name of its practice, how many of its imports are in each state, and a page of them in request order.
    `next`: the position after which the next page begins."""

    row: Batch
    practice: str
    states: Mapping[ImportState, int]
    imports: Sequence[Import]
    next: int | None


def batch(database: Database, batch_id: UUID, *, states: Sequence[ImportState], after: int = -1) -> BatchNow:
    """One batch as it is now.

    Args:
        states: those of the imports to list; none: all.
        after: the position of the last import of the page before.

    Raises:
        RequestRefused: there is no such batch.
    """
    with database.read() as tx:
        found = import_search.batch(tx, batch_id)
        if found is None:
            raise refusals.UNKNOWN_BATCH()
        rows = import_search.of_batch(tx, batch_id, states=states, after=after, limit=PAGE)
        more = rows[-1].position if len(rows) == PAGE else None
        return BatchNow(*found, progress.by_state(tx, progress.of_batch(batch_id)), rows, more)


@dataclass(frozen=True)
class AuditTrail:
    """Entries with the names of the operators who acted, the cursor of the next page, and all operators by id."""

    entries: Sequence[tuple[AuditEntry, str | None]]
    next: str | None
    operators: Sequence[tuple[UUID, str]]


def audit_trail(database: Database, which: AuditFilter, *, after: str | None) -> AuditTrail:
    """Entries of the audit trail newest first.

    Raises:
        RequestRefused: `after` is not a cursor of this list.
    """
    with database.glance() as tx:
        found = audit.page(tx, which, before=read_id(after), limit=PAGE)
        return AuditTrail(found, str(found[-1][0].id) if len(found) == PAGE else None, people.all_operators(tx))


def audit_file(database: Database, which: AuditFilter, *, limit: int) -> Sequence[tuple[AuditEntry, str | None]]:
    """The latest entries of the audit trail that match, newest first."""
    with database.read() as tx:
        return audit.page(tx, which, before=None, limit=limit)


def practices(database: Database, *, name: str, after: str | None) -> tuple[Sequence[Practice], str | None]:
    """Practices in the order of ids, whose name contains this.

    Raises:
        RequestRefused: `after` is not a cursor of this list.
    """
    with database.read() as tx:
        found = people.practices(tx, name=name, after=read_id(after), limit=PAGE)
    return found, str(found[-1].id) if len(found) == PAGE else None


@dataclass(frozen=True)
class PracticeNow:
    """A practice: its connections to XPM, its open work, its dead letters, and the pauses that affect it."""

    practice: Practice
    at: datetime
    connections: Sequence[XpmConnection]
    lanes: Sequence[LaneNow]
    dead: int
    pauses: Sequence[Paused]


def practice(database: Database, practice_id: UUID) -> PracticeNow:
    """One practice as it is now.

    Raises:
        RequestRefused: there is no such practice.
    """
    with database.read() as tx:
        row = people.get_practice(tx, practice_id)
        if row is None:
            raise refusals.UNKNOWN_PRACTICE()
        return PracticeNow(
            row,
            database_time(tx.session),
            connections.listing(tx, practice_id=practice_id),
            lanes(tx, overview.running_workers(tx), practice_id=practice_id),
            count_rows(tx, *Filter(states=(JobState.DEAD,), practice_id=practice_id).conditions()),
            pauses.listing(tx, practice_id=practice_id),
        )


@dataclass(frozen=True)
class Revealed:
    """The personal data of an import that the console hides."""

    name: str | None
    email: str | None
    login_email: str | None


def reveal(database: Database, act: Act, import_id: UUID) -> Revealed:
    """Personal data of an import, for an operator who needs it; the audit trail says who looked, and why.

    Raises:
        RequestRefused: there is no such import.
    """
    with database.write() as tx:
        row = require_import(imports.get(tx, import_id))
        found = requester.requester(tx, import_id).record
        record = found.record if found is not None else {}
        login = imports.login_of(tx, row.client_id) if row.client_id is not None else None
        act.audit(tx, "import.reveal", "import", row.id, row.practice_id)
        return Revealed(
            row.name or record.get("name"), row.email or record.get("email"), login.email if login else None
        )
