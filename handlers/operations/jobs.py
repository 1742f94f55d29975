"""Jobs as operators read them: found by filters, grouped by cause, and one with everything that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from handlers import refusals
from handlers.jobs.explain import Explanation, explain
from portal_db import audit
from portal_db.database import Database
from portal_db.paging import Cursor
from portal_db.tables import AuditEntry, Import, Job, JobAttempt
from portal_db.work import imports, job_search, jobs
from portal_db.work.job_search import Filter, Grouped


@dataclass(frozen=True)
class JobDetails:
    """A job with its explanation, its import if it has one, every attempt, and what operators did to it."""

    explanation: Explanation
    row: Import | None
    attempts: Sequence[JobAttempt]
    history: Sequence[AuditEntry]


def listing(
    database: Database, which: Filter, *, limit: int, after: Cursor | None = None
) -> Sequence[tuple[Job, Cursor]]:
    """Jobs newest first, each with the cursor of the page that follows it."""
    with database.read() as tx:
        found = job_search.listing(tx, which, limit=limit, after=after)
    return [(job, job_search.cursor_of(which, job)) for job in found]


def groups(database: Database, which: Filter, *, limit: int) -> Sequence[Grouped]:
    """Dead letters by cause, the most frequent first."""
    with database.read() as tx:
        return job_search.groups(tx, which, limit=limit)


def details(database: Database, job_id: UUID, *, ring_limit: int) -> JobDetails:
    """Everything that is known of a job.

    Raises:
        RequestRefused: there is no such job.
    """
    with database.read() as tx:
        job = jobs.get(tx, job_id)
        if job is None:
            raise refusals.UNKNOWN_JOB()
        return JobDetails(
            explain(tx, job, ring_limit=ring_limit),
            imports.get(tx, job.import_id) if job.import_id is not None else None,
            jobs.attempts_of(tx, job_id),
            audit.of_subject(tx, "job", job_id),
        )
