"""What a handler is: the seam between the use cases and the runner.

`fetch` talks to the outside, in no transaction. `apply` runs in the one transaction that also marks the job done and
inserts its follow-ups. `on_failure`, where a kind has one, runs in the transaction that records the failure.
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

#: A job that has lost this many leases, each with its worker's process, runs next in a process of its own (P14).
LOST_LEASES_BEFORE_ISOLATION = 2
#: How long a job waits for XPM to be reconnected before it becomes a dead letter.
CONNECTION_PATIENCE_SECONDS = 72 * 3600.0

#: Runs with no transaction open; its result is passed to `apply`.
Fetch = Callable[[Services, Job], Any]
#: Writes the effect; returns the follow-ups in their order. The third argument is the locked import, or `None` for a
#: standalone kind.
Apply = Callable[[Tx, Job, Any, Any], Sequence[FollowUp]]
#: Undoes or records what a failed attempt left.
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
    """The id of the import that a job belongs to.

    Raises:
        Permanent: it belongs to none, although its kind needs one.
    """
    if job.import_id is None:
        raise Permanent("no_import", "A job of this kind needs an import.", "Contact the developers.")
    return job.import_id
