"""What a kind of job is made of, and what a handler is given: the seam between the use cases and whatever runs them.

A handler is two functions. `fetch` talks to the outside and runs in no transaction; `apply` runs in the one transaction
that also marks the job done and inserts its follow-ups. `on_failure`, where there is one, runs in the transaction that
records the failure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from config.settings import Settings
from config.sources import Sources
from handlers.errors import Permanent
from portal_db.database import Database, Tx
from portal_db.jobs import Failure
from portal_db.states import Lane
from portal_db.tables import Job
from xpm.client import XpmApi

#: A job that took its process down this often runs next in a process of its own (P14).
LOST_LEASES_BEFORE_ALONE = 2


class Mailer(Protocol):
    """Sends one composed message, or says how far it got."""

    def send(self, message: Any, recipient: str) -> None: ...


class Bell(Protocol):
    """Tells workers that jobs are there. It may fail to; the record does not depend on it."""

    def ring(self, lane: Lane, job_ids: Sequence[UUID]) -> None: ...


@dataclass(frozen=True)
class Services:
    """Everything a handler may use."""

    database: Database
    xpm: XpmApi
    mailer: Mailer
    settings: Settings
    sources: Sources


@dataclass(frozen=True)
class FollowUp:
    """A job to be done next for the same import; or, with a `dedupe_key`, one that stands apart, of any practice."""

    kind: str
    args: dict[str, str] = field(default_factory=dict)
    in_batch_order: bool = False
    dedupe_key: str | None = None
    practice_id: UUID | None = None


class Part(StrEnum):
    """What a job's end means for its import."""

    #: Until these succeed there is no client; one that fails ends the import.
    SPINE = "spine"
    #: These bring more to a client that exists; one that fails leaves the import partly done.
    BRANCH = "branch"
    #: Belongs to no import.
    APART = "apart"


#: Talks to the outside, no transaction open; what it returns is handed to `apply`.
Fetch = Callable[[Services, Job], Any]
#: Writes the effect; returns what is to be done next, first things first. The third argument is the import, locked, or
#: `None` for a kind that stands apart.
Apply = Callable[[Tx, Job, Any, Any], Sequence[FollowUp]]
#: Undoes or notes what a failed attempt left.
OnFailure = Callable[[Tx, Job, Failure], None]


@dataclass(frozen=True)
class Kind:
    """A kind of job and how it is run. `lane` is `None` where the import decides."""

    name: str
    part: Part
    lane: Lane | None
    deadline_seconds: int
    attempts: int
    backoff_cap_seconds: float
    fetch: Fetch
    apply: Apply
    on_failure: OnFailure | None = None

    def lane_for(self, *, interactive: bool) -> Lane:
        return self.lane or (Lane.INTERACTIVE if interactive else Lane.IMPORT)


def job_arg(job: Job, name: str) -> UUID:
    """An id from a job's args."""
    return UUID(job.args[name])


def of_import(job: Job) -> UUID:
    """The import a job belongs to.

    Raises:
        Permanent: it belongs to none, although its kind needs one.
    """
    if job.import_id is None:
        raise Permanent("no_import", "A job of this kind needs an import.", "Tell the developers.")
    return job.import_id
