"""What a handler is: the seam between the use cases and whatever runs them.

A handler is two functions. `fetch` talks to the outside and runs in no transaction; `apply` runs in the one transaction
that also marks the job done and inserts its follow-ups. `on_failure`, where there is one, runs in the transaction that
records the failure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from handlers.errors import Permanent
from handlers.jobs.enqueue import FollowUp
from handlers.services import Services
from portal_db.database import Tx
from portal_db.tables import Job
from portal_db.work.jobs import Failure

#: A job that took its process down this often runs next in a process of its own (P14).
LOST_LEASES_BEFORE_ISOLATION = 2


#: Talks to the outside, no transaction open; what it returns is handed to `apply`.
Fetch = Callable[[Services, Job], Any]
#: Writes the effect; returns what is to be done next, first things first. The third argument is the import, locked, or
#: `None` for a standalone kind.
Apply = Callable[[Tx, Job, Any, Any], Sequence[FollowUp]]
#: Undoes or notes what a failed attempt left.
OnFailure = Callable[[Tx, Job, Failure], None]


@dataclass(frozen=True)
class Handler:
    """The functions that do a kind's work."""

    fetch: Fetch
    apply: Apply
    on_failure: OnFailure | None = None


def job_arg(job: Job, name: str) -> UUID:
    """An id from a job's args."""
    return UUID(job.args[name])


def of_import(job: Job) -> UUID:
    """The import a job belongs to.

    Raises:
        Permanent: it belongs to none, although its kind needs one.
    """
    if job.import_id is None:
        raise Permanent("no_import", "A job of this kind needs an import.", "Contact the developers.")
    return job.import_id


CONNECTION_PATIENCE_SECONDS = 72 * 3600.0
